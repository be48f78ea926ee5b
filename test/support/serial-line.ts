import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface SerialLine extends AsyncDisposable {
  /** The end that the daemon opens. */
  readonly path: string
  /** The other end, where it is a serial port too. */
  readonly farPath: string
  /** As when the adapter is pulled out. */
  unplug(): Promise<void>
  plug(): Promise<void>
}

/** A serial line by socat: two ends that are ports, or one whose far end is a TCP server that speaks RTU. */
export async function startSerialLine(to: { readonly port?: number } = {}): Promise<SerialLine> {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-serial-'))
  const [path, farPath] = [join(folder, 'near'), join(folder, 'far')]
  const far = to.port === undefined ? `PTY,link=${farPath},rawer` : `TCP:127.0.0.1:${to.port},nodelay`
  const ends = [path, ...(to.port === undefined ? [farPath] : [])]
  let child: ChildProcess | undefined
  const plug = async (): Promise<void> => {
    child = spawn('/usr/bin/socat', [`PTY,link=${path},rawer`, far], { stdio: ['ignore', 'ignore', 'pipe'] })
    let complaints = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      complaints = (complaints + chunk.toString()).slice(-1_000)
    })
    for (let tries = 0; !ends.every((end) => existsSync(end)); tries += 1) {
      if (tries > 500 || child.exitCode !== null) throw new Error(`socat made no serial line; the tests need it: ${complaints}`)
      await sleep(10)
    }
  }
  const unplug = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
    for (const end of ends) await rm(end, { force: true }) // SIGKILL leaves the links
  }
  await plug()
  return {
    path,
    farPath,
    plug,
    unplug,
    [Symbol.asyncDispose]: async () => {
      await unplug()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
