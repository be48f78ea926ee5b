import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { freePort } from '../north/support/program.ts'

export interface OpcuaPeerOptions {
  readonly port?: number
  readonly shift?: number
  readonly count?: number
  /** It ends where a request has more. */
  readonly nodesPerCallMax?: number
  /** It ends where the requests under way have more, all together. */
  readonly nodesUnderWayMax?: number
  readonly user?: string
  readonly password?: string
  /** Structures, matrices, methods and an alarm. */
  readonly isRich?: boolean
  /** Trusts no certificate that it does not know. */
  readonly isSuspicious?: boolean
  /** Its own certificate has ended. */
  readonly isExpired?: boolean
  readonly hasNoSubscriptions?: boolean
  /** Takes user names in the clear on its unencrypted endpoint. */
  readonly isCareless?: boolean
  readonly itemsMax?: number
  readonly product?: string
  readonly clockOffsetMs?: number
  /** Values that spring back once they were written and looked at. */
  readonly springs?: readonly string[]
}

export interface OpcuaPeer extends AsyncDisposable {
  readonly port: number
  readonly url: string
  set(name: string, value: unknown, status?: string): void
  /** Of the peer's own: `drop`, `add NAME`, `namespace URI`, `trip MESSAGE`, `reset`, `tell MESSAGE`, `any NUMBER`. */
  order(text: string): void
  signal(name: NodeJS.Signals): void
  kill(): Promise<void>
}

/** An OPC UA server in another process; gone, with its files, when disposed of. */
export async function startOpcuaPeer(options: OpcuaPeerOptions = {}): Promise<OpcuaPeer> {
  const script = fileURLToPath(new URL('./opcua-peer.ts', import.meta.url))
  const folder = await mkdtemp(join(tmpdir(), 'opcua-peer-'))
  const all = { port: await freePort(), shift: 0, count: 0, folder, ...options }
  const child = spawn(process.execPath, [script, JSON.stringify(all)], { stdio: ['pipe', 'pipe', 'pipe'] })
  const said: string[] = []
  child.stderr?.on('data', (data) => said.push(String(data)))
  const port = await ready(child, said)
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
    await rm(folder, { recursive: true, force: true }) // who is killed cleans nothing up
  }
  return {
    port,
    url: `opc.tcp://127.0.0.1:${port}/peer`,
    set: (name, value, status = 'Good') => child.stdin?.write(`${name} ${JSON.stringify(value)} ${status}\n`),
    order: (text) => child.stdin?.write(`!${text}\n`),
    signal: (name) => child.kill(name),
    kill,
    [Symbol.asyncDispose]: kill,
  }
}

async function ready(child: ChildProcess, said: readonly string[]): Promise<number> {
  if (child.stdout === null) throw new Error('no standard output')
  for await (const line of createInterface({ input: child.stdout })) {
    const [, port] = /^ready (\d+)/.exec(line) ?? []
    if (port !== undefined) return Number(port)
  }
  throw new Error(`the peer died: ${said.join('').slice(-2_000)}`)
}
