import { hash } from 'node:crypto'

export interface FingerprintSetOptions {
  /** One more is refused. 8 to 16 bytes each. */
  readonly sizeMax: number
}

const firstCapacity = 1 << 12
const wordsPerEntry = 2

/**
 * Which texts have been seen, by 64 bits of each one's hash: a million texts take 16 MB instead of 150. Among a million, two have the same 64 bits
 * with a probability of 3 in 100 million.
 */
export class FingerprintSet {
  readonly #sizeMax: number
  #capacity = firstCapacity
  #words = new Uint32Array(firstCapacity * wordsPerEntry)
  #size = 0

  constructor({ sizeMax }: FingerprintSetOptions) {
    this.#sizeMax = sizeMax
  }

  get size(): number {
    return this.#size
  }

  get isFull(): boolean {
    return this.#size >= this.#sizeMax
  }

  /** False where it was seen before, or the set is full. */
  add(text: string): boolean {
    const [high, low] = fingerprint(text)
    const slot = this.#slotOf(high, low)
    if (this.#isTaken(slot) || this.isFull) return false
    this.#put(slot, high, low)
    this.#size += 1
    if (this.#size * 2 > this.#capacity) this.#grow()
    return true
  }

  #isTaken(slot: number): boolean {
    return this.#words[slot] !== 0 || this.#words[slot + 1] !== 0
  }

  /** Where this fingerprint is, or would be. */
  #slotOf(high: number, low: number): number {
    let at = low & (this.#capacity - 1)
    for (;;) {
      const slot = at * wordsPerEntry
      if (!this.#isTaken(slot) || (this.#words[slot] === high && this.#words[slot + 1] === low)) return slot
      at = (at + 1) & (this.#capacity - 1)
    }
  }

  #put(slot: number, high: number, low: number): void {
    this.#words[slot] = high
    this.#words[slot + 1] = low
  }

  #grow(): void {
    const old = this.#words
    this.#capacity *= 2
    this.#words = new Uint32Array(this.#capacity * wordsPerEntry)
    for (let slot = 0; slot < old.length; slot += wordsPerEntry) {
      const high = old[slot] ?? 0
      const low = old[slot + 1] ?? 0
      if (high !== 0 || low !== 0) this.#put(this.#slotOf(high, low), high, low)
    }
  }
}

/** Never 0, 0: that marks an empty slot. */
function fingerprint(text: string): readonly [high: number, low: number] {
  const digest = hash('sha1', text, 'buffer')
  return [digest.readUInt32LE(0) | 1, digest.readUInt32LE(4)].map((word) => word >>> 0) as unknown as readonly [number, number]
}
