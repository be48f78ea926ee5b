import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { monotonicMs } from './load-value.ts'

/** A program of the bench; what it says is kept for the case that it fails. */
export interface Program extends AsyncDisposable {
  readonly pid: number
  readonly startedMs: number
  readonly hasEnded: boolean
  readonly exitCode: number | null
  /** The end of what it wrote to standard output and error. */
  readonly said: string
  kill(signal: NodeJS.Signals): void
  /** One line to its standard input; only with `hasInput`. */
  tell(line: string): void
  readonly ended: Promise<void>
  onLine(listener: (line: string) => void): void
}

export interface ProgramOptions {
  /** Default: this Node, the same for every engine. */
  readonly program?: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Standard input stays open: for programs that end with it. */
  readonly hasInput?: boolean
}

const saidCharactersMax = 8_000
const killAfterMs = 10_000

export function startProgram({ program = process.execPath, args, cwd, env, hasInput = false }: ProgramOptions): Program {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: [hasInput ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  })
  const startedMs = monotonicMs()
  const listeners: ((line: string) => void)[] = []
  const output = { said: '', rest: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output.said = (output.said + text).slice(-saidCharactersMax)
      const lines = (output.rest + text).split('\n')
      output.rest = lines.pop() ?? ''
      for (const line of lines) for (const listener of listeners) listener(line)
    })
  }
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    pid: child.pid ?? -1,
    startedMs,
    ended,
    onLine: (listener) => listeners.push(listener),
    get hasEnded() {
      return hasEnded(child)
    },
    get exitCode() {
      return child.exitCode
    },
    get said() {
      return output.said
    },
    kill: (signal) => void child.kill(signal),
    tell: (line) => void child.stdin?.write(`${line}\n`),
    [Symbol.asyncDispose]: () => stop(child, ended),
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (hasEnded(child)) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  await ended
  clearTimeout(timer)
}

/** Clock ticks of /proc: sysconf(_SC_CLK_TCK) is 100 on every Linux that Node runs on. */
const ticksPerSecond = 100
const pageBytes = 4_096

/** CPU time of a process and all of its descendants, s. */
export function cpuSeconds(pid: number): number {
  return tree(pid).reduce((sum, each) => {
    const fields = stat(each)
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond
  }, 0)
}

/** Resident memory of a process and all of its descendants, MB (10^6 bytes). */
export function residentMb(pid: number): number {
  return tree(pid).reduce((sum, each) => sum + (Number(stat(each)[21] ?? 0) * pageBytes) / 1e6, 0)
}

/** The fields of /proc/PID/stat after the name, which may hold anything. */
function stat(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
  } catch {
    return []
  }
}

function tree(pid: number): readonly number[] {
  return [pid, ...children(pid).flatMap(tree)]
}

function children(pid: number): readonly number[] {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`)
    return tasks.flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number))
  } catch {
    return []
  }
}
