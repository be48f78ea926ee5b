import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A simulator as a process of its own, as the demo and the benches start it. */
export interface Simulator extends AsyncDisposable {
  readonly child: ChildProcess
  /** The lines of JSON it has said. */
  readonly said: Readonly<Record<string, unknown>>[]
  say(line: string): void
  readonly ended: Promise<number | null>
}

export function startSimulator(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Simulator {
  const child = spawn(process.execPath, [new URL(`../../simulators/main.ts`, import.meta.url).pathname, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  const said: Readonly<Record<string, unknown>>[] = []
  createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line) as Readonly<Record<string, unknown>>))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const stop = async (): Promise<void> => {
    child.stdin.end()
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await ended
    clearTimeout(timer)
  }
  return { child, said, say: (line) => child.stdin.write(`${line}\n`), ended, [Symbol.asyncDispose]: stop }
}
