import { epochMs, systemClock } from '../../src/base/clock.ts'
import type { Log } from '../../src/base/log.ts'
import type { SiteEvent } from '../../src/model/event.ts'
import type { OutgoingMessage } from '../../src/store/contract.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { keptLog } from './quiet-log.ts'

type Options = Parameters<typeof openStore>[0]
export const roomy = { sizeBytesMax: 64 * 1024 ** 2, ageMs: 7 * 86_400_000, full: 'drop-oldest' } as const

/** A store with one roomy upstream, `plant`, unless told otherwise. */
export function openTestStore(path: string, options: Partial<Omit<Options, 'log'>> & { readonly log?: Log } = {}): Promise<Store> {
  return openStore({ path, clock: systemClock, log: keptLog(), outbox: { plant: roomy }, ...options })
}

export function message(body: string, upstream = 'plant'): OutgoingMessage {
  return { upstream, kind: 'message', subject: 'line/topic', body, timeMs: epochMs(1_000) }
}

export function messages(count: number, from = 0): readonly OutgoingMessage[] {
  return Array.from({ length: count }, (_, place) => message(String(from + place)))
}

export function event(type: string, data: Readonly<Record<string, unknown>> = {}): SiteEvent {
  return { type, subject: 'filler-1', timeMs: epochMs(1_000), data }
}

export async function bodies(store: Store, upstream = 'plant'): Promise<readonly string[]> {
  const found: string[] = []
  for (let afterId = 0; ; ) {
    const rows = await store.nextUnsent({ upstream, afterId, rowsMax: 1_000 })
    if (rows.length === 0) return found
    found.push(...rows.map((row) => row.body))
    afterId = rows.at(-1)?.id ?? afterId
  }
}

export function metric(store: Store, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  return store.metrics().find((row) => row.name === name && Object.entries(labels).every(([label, text]) => row.labels?.[label] === text))
    ?.value
}
