import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import { freePort, type Program, startProgram } from '../north/support/program.ts'

export interface BrokerAbove extends AsyncDisposable {
  readonly url: string
  start(): Promise<void>
  stop(): Promise<void>
  /** What the subscriber has received: topic, blank, payload. */
  readonly lines: readonly string[]
}

/** mosquitto above us, which keeps what it has over a restart, and a subscriber to `acme/#` whose session it keeps too. */
export async function startBrokerAbove(): Promise<BrokerAbove> {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-above-'))
  const port = await freePort()
  const config = join(folder, 'mosquitto.conf')
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence true',
    `persistence_location ${folder}/`,
    'max_queued_messages 0',
    'user root',
  ]
  await writeFile(config, `${lines.join('\n')}\n`)
  let broker: Program | undefined
  const start = async (): Promise<void> => {
    const program = startProgram('/usr/sbin/mosquitto', ['-v', '-c', config])
    broker = program
    await vi.waitFor(() => expect(program.lines.join('\n')).toContain('running'), 5_000)
  }
  await start()
  const subscriber = startProgram('mosquitto_sub', ['-p', String(port), '-t', 'acme/#', '-q', '1', '-c', '-i', 'watcher', '-R', '-v'])
  await vi.waitFor(() => expect(broker?.lines.join('\n')).toContain('SUBACK to watcher'), 5_000)
  return {
    url: `mqtt://127.0.0.1:${port}`,
    start,
    stop: async () => {
      broker?.kill('SIGTERM')
      await broker?.exit
    },
    lines: subscriber.lines,
    [Symbol.asyncDispose]: async () => {
      await subscriber[Symbol.asyncDispose]()
      await broker?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
