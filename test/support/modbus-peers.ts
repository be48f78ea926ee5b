import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Peer extends AsyncDisposable {
  readonly port: number
}

/** Builds and starts the server that is written against libmodbus; with a serial port, as unit 1 of its line. */
export async function startLibmodbusServer(serialPort?: string): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-libmodbus-'))
  try {
    const program = join(folder, 'server')
    const source = join(import.meta.dirname, 'libmodbus-server.c')
    await need('cc', ['-O1', '-Wall', '-I/usr/include/modbus', source, '-o', program, '-lmodbus'], 'gcc libc6-dev libmodbus-dev')
    return await startPeer(program, serialPort === undefined ? [] : [serialPort], () => rm(folder, { recursive: true }))
  } catch (error) {
    await rm(folder, { recursive: true })
    throw error
  }
}

/** `how` as pymodbus_server.py has it: nothing for TCP, `rtu-tcp`, `serial PORT`, `tls CERT KEY`. */
export async function startPymodbusServer(...how: readonly string[]): Promise<Peer> {
  return await startPeer('/usr/bin/python3', [join(import.meta.dirname, 'pymodbus_server.py'), ...how], async () => {})
}

/** Values as mbpoll, a client by libmodbus, sees them at a TCP port or a serial port; `type` as its `-t` has it. */
export async function mbpoll(
  at: number | string,
  ask: { readonly type: string; readonly start: number; readonly count: number },
): Promise<readonly string[]> {
  const [where, line] =
    typeof at === 'number' ? ['127.0.0.1', ['-m', 'tcp', '-p', String(at)]] : [at, ['-m', 'rtu', '-b', '19200', '-P', 'none']]
  const options = [...line, '-0', '-1', '-q', '-a', '1', '-t', ask.type, '-r', String(ask.start), '-c', String(ask.count)]
  const { stdout } = await need('mbpoll', [...options, where], 'mbpoll')
  return [...stdout.matchAll(/^\[\d+\]:\s*(\S+)/gm)].map(([, value = '']) => value)
}

async function need(program: string, options: readonly string[], packages: string): Promise<{ readonly stdout: string }> {
  try {
    return await run(program, [...options], { timeout: 15_000 })
  } catch (error) {
    throw new Error(`${program} failed; these tests need the Debian packages ${packages}`, { cause: error })
  }
}

/** A server that says its port in its first line. */
async function startPeer(program: string, options: readonly string[], cleanUp: () => Promise<void>): Promise<Peer> {
  const child = spawn(program, [...options], { stdio: ['ignore', 'pipe', 'pipe'] })
  let complaints = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-2_000)
  })
  const port = await firstLine(child)
  if (port === undefined) {
    await cleanUp()
    throw new Error(`${program} ended before it served; these tests need libmodbus-dev and python3-pymodbus: ${complaints}`)
  }
  return {
    port: Number(port),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      await cleanUp()
    },
  }
}

async function firstLine(child: ChildProcess): Promise<string | undefined> {
  if (child.stdout === null) return undefined
  for await (const line of createInterface({ input: child.stdout })) return line
  return undefined
}
