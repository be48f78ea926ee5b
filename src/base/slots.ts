/**
 * What is under way, by number; the number of what has ended is given again. Not a Map: where entries come and go by thousands, each rehashing of a Map
 * leaves the old table linked to the new one, and all that once stood in them stays in memory until the next collection of the whole heap
 * (docs/decisions/0022-no-map-for-what-comes-and-goes.md).
 */
export class Slots<Item> {
  readonly #items: (Item | undefined)[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#items.length - this.#free.length
  }

  /** Its number. */
  add(item: Item): number {
    const place = this.#free.pop() ?? this.#items.length
    this.#items[place] = item
    return place
  }

  /** undefined where nothing of this number is under way. */
  take(place: number): Item | undefined {
    const item = this.#items[place]
    if (item === undefined) return undefined
    this.#items[place] = undefined
    this.#free.push(place)
    return item
  }

  /** All of them, in no order. */
  takeAll(): readonly Item[] {
    this.#free.length = 0
    return this.#items.splice(0).filter((item) => item !== undefined)
  }
}
