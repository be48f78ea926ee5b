const roomMin = 8
/** Knuth's: spreads keys that follow one another. */
const multiplier = 0x9e3779b1

/**
 * A Map of numbers (safe integers) whose entries come and go by thousands. Unlike a Map it leaves no old tables behind that keep in memory what once stood
 * in them (docs/decisions/0022-no-map-for-what-comes-and-goes.md). Open addressing, at most half full; what follows a deleted entry moves up.
 */
export class NumberMap<Item> {
  #keys: (number | undefined)[] = emptyKeys(roomMin)
  #items: (Item | undefined)[] = new Array<Item | undefined>(roomMin).fill(undefined)
  #size = 0

  get size(): number {
    return this.#size
  }

  has(key: number): boolean {
    return this.#keys[this.#placeOf(key)] === key
  }

  get(key: number): Item | undefined {
    return this.#items[this.#placeOf(key)]
  }

  set(key: number, item: Item): void {
    if ((this.#size + 1) * 2 > this.#keys.length) this.#resize(this.#keys.length * 2)
    const place = this.#placeOf(key)
    if (this.#keys[place] !== key) this.#size += 1
    this.#keys[place] = key
    this.#items[place] = item
  }

  delete(key: number): boolean {
    const place = this.#placeOf(key)
    if (this.#keys[place] !== key) return false
    this.#size -= 1
    this.#close(place)
    if (this.#size * 8 < this.#keys.length && this.#keys.length > roomMin) this.#resize(this.#keys.length / 2)
    return true
  }

  /** By ascending number. */
  values(): Item[] {
    const keys = this.#keys.filter((key) => key !== undefined).sort((one, other) => one - other)
    return keys.flatMap((key) => this.get(key) ?? [])
  }

  /** Where it is, or where it would be put. */
  #placeOf(key: number): number {
    const mask = this.#keys.length - 1
    let place = homeOf(key, mask)
    for (let at = this.#keys[place]; at !== key && at !== undefined; at = this.#keys[place]) place = (place + 1) & mask
    return place
  }

  /** Those behind the gap that would no longer be found beyond it move into it. */
  #close(gap: number): void {
    const keys = this.#keys
    const mask = keys.length - 1
    let hole = gap
    for (let place = (hole + 1) & mask; ; place = (place + 1) & mask) {
      const key = keys[place]
      if (key === undefined) break
      const home = homeOf(key, mask)
      if (((place - home) & mask) < ((place - hole) & mask)) continue
      keys[hole] = key
      this.#items[hole] = this.#items[place]
      hole = place
    }
    keys[hole] = undefined
    this.#items[hole] = undefined
  }

  #resize(room: number): void {
    const keys = this.#keys
    const items = this.#items
    this.#keys = emptyKeys(room)
    this.#items = new Array<Item | undefined>(room).fill(undefined)
    for (const [from, key] of keys.entries()) {
      if (key === undefined) continue
      const place = this.#placeOf(key)
      this.#keys[place] = key
      this.#items[place] = items[from]
    }
  }
}

function emptyKeys(room: number): (number | undefined)[] {
  return new Array<number | undefined>(room).fill(undefined)
}

function homeOf(key: number, mask: number): number {
  return (Math.imul(key ^ Math.floor(key / 0x1_0000_0000), multiplier) >>> 7) & mask
}
