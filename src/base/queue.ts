export interface QueueOptions {
  readonly sizeMax: number
}

/** Takes the oldest away when full, and counts what it took. */
export class DropOldestQueue<Item> {
  readonly #sizeMax: number
  #items: Item[] = []
  #dropped = 0

  constructor(options: QueueOptions) {
    this.#sizeMax = options.sizeMax
  }

  get size(): number {
    return this.#items.length
  }

  get dropped(): number {
    return this.#dropped
  }

  push(item: Item): void {
    this.#items.push(item)
    // Trimmed in steps of a tenth: taking one from the front of a long array for each push would be quadratic.
    if (this.#items.length > this.#sizeMax * 1.1) this.#trim()
  }

  /** All that waits, oldest first, at most `count`. */
  take(count: number): Item[] {
    this.#trim()
    if (this.#items.length <= count) {
      const all = this.#items
      this.#items = []
      return all
    }
    return this.#items.splice(0, count)
  }

  /** Puts back in front what could not be delivered. */
  unshift(items: readonly Item[]): void {
    this.#items = items.concat(this.#items)
    this.#trim()
  }

  #trim(): void {
    const over = this.#items.length - this.#sizeMax
    if (over <= 0) return
    this.#items.splice(0, over)
    this.#dropped += over
  }
}

/** Keeps the newest item of each key, in the order in which the keys first waited, and counts what was overtaken. Bounded by the number of keys. */
export class KeepLatestQueue<Key, Item> {
  #items = new Map<Key, Item>()
  #overtaken = 0

  get size(): number {
    return this.#items.size
  }

  get overtaken(): number {
    return this.#overtaken
  }

  push(key: Key, item: Item): void {
    if (this.#items.has(key)) this.#overtaken += 1
    this.#items.set(key, item)
  }

  takeAll(): Map<Key, Item> {
    const all = this.#items
    this.#items = new Map()
    return all
  }

  /** Puts back what could not be delivered, unless something newer came meanwhile. */
  restore(items: ReadonlyMap<Key, Item>): void {
    const newer = this.#items
    this.#items = new Map(items)
    for (const [key, item] of newer) this.#items.set(key, item)
  }
}
