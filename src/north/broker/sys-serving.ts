import { Readable } from 'node:stream'
import type { Persistence } from './persistence.ts'
import type { Sys } from './sys.ts'

/** Who subscribes gets them as they are at that moment, as if they were retained; kept are they nowhere. */
export function serveSys(persistence: Persistence, sys: Sys): void {
  const retained = persistence.createRetainedStreamCombi.bind(persistence)
  persistence.createRetainedStreamCombi = (filters) => {
    if (!filters.some((filter) => filter.startsWith('$'))) return retained(filters)
    const messages = sys.matching(filters).map((message) => ({ ...message, cmd: 'publish', qos: 0, retain: true, dup: false }))
    return Readable.from(both(messages, retained(filters)))
  }
}

async function* both(first: Iterable<unknown>, second: AsyncIterable<unknown>): AsyncIterable<unknown> {
  yield* first
  yield* second
}
