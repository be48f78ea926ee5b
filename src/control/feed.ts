import { KeepLatestQueue } from '../base/queue.ts'

export interface FeedOptions<Key, Item> {
  /** Resolves when the far side has taken the batch in. */
  readonly deliver: (batch: Map<Key, Item>) => Promise<unknown>
  /** Batches under way at once. */
  readonly inflightMax: number
}

/**
 * Hands the latest of each key on, as fast as the far side takes it in and never faster: while it is slow, newer overtakes older.
 * Memory is bounded by the number of keys.
 */
export class Feed<Key, Item> {
  readonly #options: FeedOptions<Key, Item>
  readonly #waiting = new KeepLatestQueue<Key, Item>()
  #inflight = 0
  #delivered = 0

  constructor(options: FeedOptions<Key, Item>) {
    this.#options = options
  }

  /** How often something newer came before the older had been handed on. */
  get overtaken(): number {
    return this.#waiting.overtaken
  }

  /** How many items the far side has taken in. */
  get delivered(): number {
    return this.#delivered
  }

  push(key: Key, item: Item): void {
    this.#waiting.push(key, item)
  }

  /** Sends what waits, if the far side has room. */
  send(): void {
    if (this.#waiting.size === 0 || this.#inflight >= this.#options.inflightMax) return
    const batch = this.#waiting.takeAll()
    this.#inflight += 1
    this.#options.deliver(batch).then(
      () => this.#settled(batch.size),
      () => this.#failed(batch),
    )
  }

  #settled(count: number): void {
    this.#inflight -= 1
    this.#delivered += count
    this.send()
  }

  /** Nobody there, or too busy: what was on its way waits again, unless something newer came. Whoever attaches next calls `send`. */
  #failed(batch: Map<Key, Item>): void {
    this.#inflight -= 1
    this.#waiting.restore(batch)
  }
}
