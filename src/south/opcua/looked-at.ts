import type { Clock } from '../../base/clock.ts'
import type { Reading } from '../../model/tag.ts'
import type { NumberedItem } from './subscription.ts'

export interface LookedAtOptions {
  readonly clock: Clock
  readonly publishingMs: number
  /** How often the server really samples the item. */
  readonly samplingMsOf: (item: NumberedItem) => number
}

/** For so many samplings of the server: it has had its chance to report whatever it found. */
const samplings = 4
/** Between two looks, at the least; each is twice as long as the one before. */
const pauseMsMin = 50
const doublingsMax = 20

interface Look {
  readonly tags: ReadonlySet<number>
  readonly untilMs: number
}

/**
 * Monitored nodes that were read besides. A server reports what differs from what it sampled last: where a button that was seen pressed has sprung back
 * before the next sampling it reports nothing, and the button would stay pressed for everybody. So such a node is read again until the server
 * has reported it, or has sampled it a few times and found nothing to report.
 */
export class LookedAt {
  readonly #options: LookedAtOptions
  readonly #looks = new Map<NumberedItem, Look>()
  #rounds = 0

  constructor(options: LookedAtOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#looks.size
  }

  add(item: NumberedItem, tags: Iterable<number>): void {
    const { clock, publishingMs, samplingMsOf } = this.#options
    const before = this.#looks.get(item)?.tags ?? []
    const untilMs = clock.elapsed() + samplings * (samplingMsOf(item) + publishingMs)
    this.#looks.set(item, { tags: new Set([...before, ...tags]), untilMs })
    this.#rounds = 0
  }

  /** What the server itself says is its newest. */
  reported(item: NumberedItem): void {
    this.#looks.delete(item)
  }

  /** Until the next look: by then all of them should have been sampled, and reported. */
  nextPauseMs(): number {
    let samplingMs = 0
    for (const item of this.#looks.keys()) samplingMs = Math.max(samplingMs, item.samplingMs)
    this.#rounds = Math.min(this.#rounds + 1, doublingsMax)
    return Math.max(pauseMsMin, samplingMs + this.#options.publishingMs) * 2 ** (this.#rounds - 1)
  }

  /** What is read now of all of them; of those that were reported meanwhile the server knows better. */
  async again(read: (tags: readonly number[]) => Promise<readonly Reading[]>): Promise<readonly Reading[]> {
    const looks = [...this.#looks]
    const readings = await read(looks.flatMap(([, { tags }]) => [...tags]))
    const now = this.#options.clock.elapsed()
    const told = new Set<number>()
    for (const [item, look] of looks) {
      if (this.#looks.get(item) !== look) continue
      for (const tag of look.tags) told.add(tag)
      if (now >= look.untilMs) this.#looks.delete(item)
    }
    return readings.filter(({ tag }) => told.has(tag))
  }
}
