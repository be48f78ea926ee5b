import type { Reading, Scalar, TagValue } from '../../model/tag.ts'

/** Which readings differ from those before; that only the time went on is no change. */
export class Changes {
  readonly #last = new Map<number, Reading>()
  /** Tags that were read besides while a read is under way. */
  readonly #besides = new Set<number>()
  #underWay = 0

  async among(reading: Promise<readonly Reading[]>): Promise<readonly Reading[]> {
    this.#underWay += 1
    try {
      return (await reading).filter((one) => !this.#besides.has(one.tag) && this.#isNews(one))
    } finally {
      this.#underWay -= 1
      if (this.#underWay === 0) this.#besides.clear()
    }
  }

  /**
   * Somebody was told of these something that is not from here: what the next read says is told also where it is as it was, or a button that was seen
   * pressed and has sprung back would stay pressed for everybody. What a read under way says of them may be older than that, and is not told.
   */
  readBesides(tags: readonly number[]): void {
    for (const tag of tags) {
      this.#last.delete(tag)
      if (this.#underWay > 0) this.#besides.add(tag)
    }
  }

  #isNews(reading: Reading): boolean {
    const before = this.#last.get(reading.tag)
    if (before !== undefined && isSame(before, reading)) return false
    this.#last.set(reading.tag, reading)
    return true
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
