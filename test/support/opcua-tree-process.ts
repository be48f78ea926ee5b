import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { freePort } from '../north/support/program.ts'
import { makeStateFolder } from './state-folder.ts'

export interface TreeOptions {
  readonly folders?: number
  readonly variables?: number
  readonly wide?: number
  readonly browseMax?: number
  readonly pointsMax?: number
  /** Where another one was. */
  readonly port?: number
  readonly user?: string
  readonly password?: string
}

export interface Tree extends AsyncDisposable {
  readonly url: string
  readonly port: number
  signal(name: NodeJS.Signals): void
}

/** An OPC UA server with a tree of a chosen size, in another process. */
export async function startTree(options: TreeOptions = {}): Promise<Tree> {
  const port = options.port ?? (await freePort())
  const state = makeStateFolder()
  const script = fileURLToPath(new URL('./opcua-tree.ts', import.meta.url))
  const all = { folders: 2, variables: 5, wide: 0, ...options, port, state: state.path }
  const child = spawn(process.execPath, [script, JSON.stringify(all)], { stdio: ['pipe', 'pipe', 'ignore'] })
  const exited = once(child, 'exit')
  for await (const line of createInterface({ input: child.stdout })) if (line.startsWith('ready ')) break
  if (child.exitCode !== null) throw new Error('the tree died')
  const end = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
    state[Symbol.dispose]()
  }
  return { url: `opc.tcp://127.0.0.1:${port}/tree`, port, signal: (name) => child.kill(name), [Symbol.asyncDispose]: end }
}
