import { KeepLatestQueue } from '../base/queue.ts'

export interface FeedOptions<Key, Item> {
  readonly keyOf: (item: Item) => Key
  /** Resolves when the far side has taken in this batch, and with it all that were told before. */
  readonly deliver: (batch: readonly Item[]) => Promise<unknown>
  /** Sends a batch of which nothing will be heard; false where nobody is there. */
  readonly tell: (batch: readonly Item[]) => boolean
  /** Batches under way at once. */
  readonly inflightMax: number
  /** Of so many batches one is answered for all: each answer wakes a thread up on both sides. At most `inflightMax`. */
  readonly answerEvery: number
}

/**
 * Hands the latest of each key on, as fast as the far side takes it in and never much faster: while it is slow, newer overtakes older.
 * Memory is bounded by the number of keys. What was told and lost with the far side is not sent again: whoever attaches next wants everything anew.
 */
export class Feed<Key, Item> {
  readonly #options: FeedOptions<Key, Item>
  readonly #waiting = new KeepLatestQueue<Key, Item>()
  /** Since the last batch that will be answered. */
  readonly #told = { batches: 0, items: 0 }
  #inflight = 0
  #delivered = 0
  #rejected = 0

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

  /** How many batches the far side did not take: it was away, or had no room. */
  get rejected(): number {
    return this.#rejected
  }

  /** What has come, at most one of a key: sent at once where nothing waits and the far side has room. */
  take(batch: readonly Item[]): void {
    if (batch.length > 0 && this.#waiting.size === 0 && this.#hasRoom()) {
      this.#send(batch)
      return
    }
    for (const item of batch) this.#waiting.push(this.#options.keyOf(item), item)
    this.send()
  }

  /** Sends what waits, if the far side has room. */
  send(): void {
    if (this.#waiting.size > 0 && this.#hasRoom()) this.#send([...this.#waiting.takeAll().values()])
  }

  #hasRoom(): boolean {
    return this.#inflight < this.#options.inflightMax
  }

  #send(batch: readonly Item[]): void {
    if (this.#told.batches + 1 >= this.#options.answerEvery) this.#deliver(batch)
    else if (this.#options.tell(batch)) this.#tellOne(batch.length)
    else this.#takeBack(batch)
  }

  #takeBack(batch: readonly Item[]): void {
    this.#rejected += 1
    this.#waiting.restore(new Map(batch.map((item) => [this.#options.keyOf(item), item])))
  }

  #tellOne(items: number): void {
    this.#inflight += 1
    this.#told.batches += 1
    this.#told.items += items
  }

  #deliver(batch: readonly Item[]): void {
    const batches = this.#told.batches + 1
    const items = this.#told.items + batch.length
    this.#told.batches = 0
    this.#told.items = 0
    this.#inflight += 1
    this.#options.deliver(batch).then(
      () => this.#settled(batches, items),
      () => this.#failed(batches, batch),
    )
  }

  #settled(batches: number, items: number): void {
    this.#inflight -= batches
    this.#delivered += items
    this.send()
  }

  /** Nobody there, or too busy: what was on its way waits again, unless something newer came. Whoever attaches next, or looks again, calls `send`. */
  #failed(batches: number, batch: readonly Item[]): void {
    this.#inflight -= batches
    this.#takeBack(batch)
  }
}
