import type { Reading, Scalar, TagValue } from '../../model/tag.ts'

/** Which readings differ from those before; that only the time went on is no change. */
export class Changes {
  readonly #last = new Map<number, Reading>()

  among(readings: readonly Reading[]): readonly Reading[] {
    return readings.filter((reading) => {
      const before = this.#last.get(reading.tag)
      if (before !== undefined && isSame(before, reading)) return false
      this.#last.set(reading.tag, reading)
      return true
    })
  }
}

function isSame(one: Reading, other: Reading): boolean {
  return one.quality === other.quality && one.status === other.status && isSameValue(one.value, other.value)
}

function isSameValue(one: TagValue | null, other: TagValue | null): boolean {
  if (one === other) return true
  const isList = (value: unknown): value is ArrayLike<Scalar> => Array.isArray(value) || value instanceof Uint8Array
  if (!isList(one) || !isList(other) || one.length !== other.length) return false
  return Array.from(one).every((item, at) => isSameValue(item, other[at] ?? null))
}
