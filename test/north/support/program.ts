import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export { freePort } from '../../../bench/line/free-port.ts'

/** A program of the system that runs while a test needs it. */
export interface Program extends AsyncDisposable {
  /** What it has written so far, both streams, by line. */
  readonly lines: readonly string[]
  readonly pid: number | undefined
  /** Resolves with its exit code. */
  readonly exit: Promise<number | null>
  kill(signal: NodeJS.Signals): void
}

export function startProgram(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): Program {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } })
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', (line) => lines.push(line))
  const exit = exitOf(child)
  return {
    pid: child.pid,
    lines,
    exit,
    kill: (signal) => void child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exit.catch(() => {})
    },
  }
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  const [code] = await once(child, 'close')
  return code
}
