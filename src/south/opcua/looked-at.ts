import type { Reading } from '../../model/tag.ts'
import type { NumberedItem } from './subscription.ts'

/** Looks after the first; by then a server has sampled a few times. */
const looksMax = 4
/** Between two looks, at the least: the server must have sampled once more, and reported. */
const pauseMsMin = 50

interface Look {
  readonly tags: Set<number>
  left: number
}

/**
 * Monitored nodes that were read besides. A server reports what differs from what it sampled last: where a button that was seen pressed has sprung back
 * before the next sampling it reports nothing, and the button would stay pressed for everybody. So such a node is read again until the server
 * has reported it, or has sampled it a few times and found nothing to report.
 */
export class LookedAt {
  readonly #looks = new Map<NumberedItem, Look>()

  get size(): number {
    return this.#looks.size
  }

  /** Each is on its own again, and begins anew. */
  add(item: NumberedItem, tags: Iterable<number>): void {
    const before = this.#looks.get(item)?.tags ?? []
    this.#looks.set(item, { tags: new Set([...before, ...tags]), left: looksMax })
  }

  /** What the server itself says is its newest. */
  reported(item: NumberedItem): void {
    this.#looks.delete(item)
  }

  /** Until all of them have been sampled again, and that has been reported. */
  pauseMs(publishingMs: number): number {
    let samplingMs = 0
    for (const item of this.#looks.keys()) samplingMs = Math.max(samplingMs, item.samplingMs)
    return Math.max(pauseMsMin, samplingMs + publishingMs)
  }

  /** What is read now of all of them; of those that were reported meanwhile the server knows better. */
  async again(read: (tags: readonly number[]) => Promise<readonly Reading[]>): Promise<readonly Reading[]> {
    const looks = [...this.#looks]
    const readings = await read(looks.flatMap(([, { tags }]) => [...tags]))
    const told = new Set<number>()
    for (const [item, look] of looks) {
      if (this.#looks.get(item) !== look) continue
      for (const tag of look.tags) told.add(tag)
      look.left -= 1
      if (look.left === 0) this.#looks.delete(item)
    }
    return readings.filter(({ tag }) => told.has(tag))
  }
}
