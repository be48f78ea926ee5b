import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Verdict {
  readonly highest: number
  readonly received: number
  readonly twice: number
  readonly declared: number
  readonly missing: number
  readonly disordered: number
}

/** A receiver above, in Python with paho, which shares no code with the gateway. */
export interface LedgerChecker extends AsyncDisposable {
  /** Waits for so many messages, 20 s at the most, and ends it; what it has to say of each stream, `NODE/UPSTREAM/LEDGER/STREAM`. */
  finish(count: number): Promise<Readonly<Record<string, Verdict>>>
}

/** Ready when it is subscribed. A `client` keeps its session at the broker; a `user` comes with any password. */
export async function startLedgerChecker(
  port: number,
  filter: string,
  { client = '', version = '5', user = '' }: { readonly client?: string; readonly version?: '5' | '3.1.1'; readonly user?: string } = {},
): Promise<LedgerChecker> {
  const program = join(import.meta.dirname, 'ledger-checker.py')
  const child = spawn('/usr/bin/python3', [program, '127.0.0.1', String(port), filter, client, version, user], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const closed = once(child, 'close')
  let last = ''
  lines.on('line', (line) => {
    last = line
  })
  await once(lines, 'line')
  return {
    finish: async (count) => {
      child.stdin.end(`${count}\n`)
      await closed
      return JSON.parse(last) as Readonly<Record<string, Verdict>>
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await closed
    },
  }
}
