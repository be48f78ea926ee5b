import type { Listener } from './listener.ts'
import { readValue } from './round.ts'

/** The latest of each tag below one device, and when it came. */
export interface TagWatch {
  readonly tags: ReadonlyMap<string, Seen>
  /** How many have had a good value since. */
  goodSince(ms: number): number
  /** How many have not been good since, and said so. */
  notGoodSince(ms: number): number
  /** When the last of them came. */
  readonly lastMs: number
}

interface Seen {
  readonly atMs: number
  readonly quality: string
}

export function watchDevice(listener: Listener, prefix: string): TagWatch {
  const tags = new Map<string, Seen>()
  const state = { lastMs: 0 }
  listener.onMessage(({ topic, payload, atMs, atEpochMs }) => {
    if (!topic.startsWith(prefix)) return
    const { quality } = readValue({ topic, payload, atMs, atEpochMs })
    tags.set(topic, { atMs, quality })
    state.lastMs = atMs
  })
  const count = (is: (seen: Seen) => boolean): number => [...tags.values()].filter(is).length
  return {
    tags,
    goodSince: (ms) => count((seen) => seen.atMs >= ms && seen.quality === 'good'),
    notGoodSince: (ms) => count((seen) => seen.atMs >= ms && seen.quality !== 'good'),
    get lastMs() {
      return state.lastMs
    },
  }
}
