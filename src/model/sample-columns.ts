import { epochMs } from '../base/clock.ts'
import type { Quality } from './quality.ts'
import type { Sample } from './sample.ts'
import type { TagValue } from './tag.ts'

const qualities = ['good', 'uncertain', 'bad', 'stale'] as const satisfies readonly Quality[]
const kinds = { none: 0, number: 1, other: 2 } as const

/**
 * The last sample of each of so many tags, in columns. As an object each would live until the tag's next change: long enough to be copied by the collector
 * again and again, and then to be garbage among what is old, which only a collection of the whole heap takes away. Here a number changes in its place.
 */
export class SampleColumns {
  readonly #kinds: Uint8Array
  readonly #qualities: Uint8Array
  readonly #sourceMs: Float64Array
  readonly #receivedMs: Float64Array
  /** NaN: none. */
  readonly #statuses: Float64Array
  readonly #numbers: Float64Array
  /** Whatever is not a number. */
  readonly #others: (TagValue | null)[]

  constructor(size: number) {
    this.#kinds = new Uint8Array(size)
    this.#qualities = new Uint8Array(size)
    this.#sourceMs = new Float64Array(size)
    this.#receivedMs = new Float64Array(size)
    this.#statuses = new Float64Array(size)
    this.#numbers = new Float64Array(size)
    this.#others = Array.from({ length: size }, () => null)
  }

  get size(): number {
    return this.#kinds.length
  }

  /** undefined where none was set, and outside. */
  get(place: number): Sample | undefined {
    if ((this.#kinds[place] ?? kinds.none) === kinds.none) return undefined
    const value = this.value(place)
    const quality = qualities[this.#qualities[place] ?? 0] ?? 'bad'
    const sourceMs = epochMs(this.#sourceMs[place] ?? 0)
    const receivedMs = epochMs(this.#receivedMs[place] ?? 0)
    const status = this.#statuses[place] ?? Number.NaN
    return Number.isNaN(status) ? { value, quality, sourceMs, receivedMs } : { value, quality, status, sourceMs, receivedMs }
  }

  /** null where there is none. */
  value(place: number): TagValue | null {
    return this.#kinds[place] === kinds.number ? (this.#numbers[place] ?? null) : (this.#others[place] ?? null)
  }

  /** False where none was set. */
  hasState(place: number, { quality, status }: Pick<Sample, 'quality' | 'status'>): boolean {
    if ((this.#kinds[place] ?? kinds.none) === kinds.none || qualities[this.#qualities[place] ?? 0] !== quality) return false
    return Object.is(this.#statuses[place], status ?? Number.NaN)
  }

  set(place: number, { value, quality, status, sourceMs, receivedMs }: Sample): void {
    if (place < 0 || place >= this.size) return
    const isNumber = typeof value === 'number'
    this.#kinds[place] = isNumber ? kinds.number : kinds.other
    if (isNumber) this.#numbers[place] = value
    this.#others[place] = isNumber ? null : value
    this.#qualities[place] = qualities.indexOf(quality)
    this.#statuses[place] = status ?? Number.NaN
    this.#sourceMs[place] = sourceMs
    this.#receivedMs[place] = receivedMs
  }
}
