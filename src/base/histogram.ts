import type { Metric } from './metric.ts'

/** Counts by size, as Prometheus shows a distribution: it costs one number a bound, however much is observed. */
export class Histogram {
  readonly #bounds: readonly number[]
  /** One more than bounds: the last is for what exceeds them all. */
  readonly #counts: number[]
  #sum = 0

  /** Upper bounds, ascending. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = [...bounds, Number.POSITIVE_INFINITY].map(() => 0)
  }

  observe(value: number): void {
    const found = this.#bounds.findIndex((bound) => value <= bound)
    const place = found < 0 ? this.#bounds.length : found
    this.#counts[place] = (this.#counts[place] ?? 0) + 1
    this.#sum += value
  }

  metrics(of: Pick<Metric, 'name' | 'help'> & { readonly labels: Readonly<Record<string, string>> }): readonly Metric[] {
    const { name, help, labels } = of
    let count = 0
    const buckets = this.#counts.map((each, place): Metric => {
      count += each
      const le = this.#bounds[place] === undefined ? '+Inf' : String(this.#bounds[place])
      return { name, help, type: 'histogram', part: '_bucket', value: count, labels: { ...labels, le } }
    })
    return [
      ...buckets,
      { name, help, type: 'histogram', part: '_sum', value: this.#sum, labels },
      { name, help, type: 'histogram', part: '_count', value: count, labels },
    ]
  }
}
