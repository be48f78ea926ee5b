import { open, rm } from 'node:fs/promises'
import { isoTime, systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { durationSchema } from '../base/units.ts'
import { type GatewayChoice, reachGateway } from './gateway.ts'
import { stopSignal } from './stop-signal.ts'
import { tagRowsIn } from './tag-row.ts'
import type { Terminal } from './terminal.ts'

export interface RecordOptions extends GatewayChoice {
  readonly to: string
  /** `10m`; without it until Ctrl-C. */
  readonly for?: string
  /** A topic filter below the site, as `filler-1/#`. */
  readonly filter?: string
}

const span = durationSchema({ min: '1s' })

/** `lineside record`: the changes of tags as they are told now, one line each, beginning with every tag as it is. A file that is there is not written over. */
export async function record(options: RecordOptions, terminal: Terminal): Promise<number> {
  const stop = new AbortController()
  const byUser = terminal.stop ?? stopSignal()
  const forMs = options.for === undefined ? undefined : durationOf(options.for)
  using _timer = forMs === undefined ? undefined : systemClock.after(forMs, () => stop.abort())
  const gateway = await reachGateway(options, terminal)
  await using file = await open(options.to, 'wx', 0o600)
  let count = 0
  let writing = Promise.resolve()
  const take = (data: unknown): void => {
    const time = isoTime(systemClock.now())
    const rows = tagRowsIn(data)
    count += rows.length
    const text = rows.map(({ tag, value, quality }) => `${JSON.stringify({ time, tag, value, quality })}\n`).join('')
    writing = writing.then(() => file.appendFile(text))
    writing.catch(() => stop.abort()) // told below
  }
  const query = options.filter === undefined ? '' : `filter=${encodeURIComponent(options.filter)}`
  const emptied = async (): Promise<void> => {
    if (count === 0) await rm(options.to) // the next try would find it there
  }
  await gateway.listen(`/api/v1/tags/live?${query}`, take, AbortSignal.any([byUser, stop.signal])).catch(async (error: unknown) => {
    await emptied()
    throw error
  })
  await writing
  await emptied()
  terminal.error(count === 0 ? nothingText(options.filter) : `${count} ${count === 1 ? 'change' : 'changes'} recorded.\n`)
  return count === 0 ? 1 : 0
}

function nothingText(filter: string | undefined): string {
  const why = filter === undefined ? 'The site has no tags.' : `No tag matches "${filter}"; \`lineside tags\` shows them.`
  return `Nothing was recorded, and no file is left.\n    ${why}\n`
}

function durationOf(text: string): number {
  const parsed = span.safeParse(text)
  if (parsed.success) return parsed.data
  throw new Fault('usage.record', `"${text.slice(0, 60)}" is no time to record for.`, { remedy: 'Write 10m, 8h or 7d.' })
}
