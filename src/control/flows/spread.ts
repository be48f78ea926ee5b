/** Between two neighbours of what is told apart: 2 %. */
const step = Math.log(1.02)

/** How long things took, in so many numbers as there are different lengths within 2 %: some thousand at most, from a millisecond to a year. */
export class Spread {
  readonly #counts = new Map<number, number>()
  count = 0
  sumMs = 0
  maxMs = 0

  take(ms: number): void {
    const length = Math.max(0, ms)
    const place = Math.round(Math.log(length + 1) / step)
    this.#counts.set(place, (this.#counts.get(place) ?? 0) + 1)
    this.count += 1
    this.sumMs += length
    this.maxMs = Math.max(this.maxMs, length)
  }

  /** So many of them, 0 to 1, took no longer. */
  quantile(share: number): number {
    let left = Math.ceil(this.count * share)
    for (const place of [...this.#counts.keys()].toSorted((one, other) => one - other)) {
      left -= this.#counts.get(place) ?? 0
      if (left <= 0) return Math.min(this.maxMs, Math.round(Math.exp(place * step) - 1))
    }
    return 0
  }
}
