import type { QueryAction } from '../flows/definition.ts'

export type Aggregate = QueryAction['aggregate']

/** What one tag was in one span of time, counted up as its values come by. Only what is known counts. */
export class Tally {
  knownMs = 0
  #weighted = 0
  #trueMs = 0
  #count = 0
  #sum = 0
  #least = Number.POSITIVE_INFINITY
  #most = Number.NEGATIVE_INFINITY
  #first: number | undefined
  #last: number | undefined

  /** It was so for so long. */
  hold(value: number, ms: number): void {
    if (Number.isNaN(value) || ms <= 0) return
    this.knownMs += ms
    this.#weighted += value * ms
    this.#trueMs += value === 0 ? 0 : ms
    this.#meet(value)
  }

  /** It became so. */
  come(value: number): void {
    if (Number.isNaN(value)) return
    this.#count += 1
    this.#sum += value
    this.#meet(value)
  }

  /** undefined where nothing is known. */
  result(aggregate: Aggregate): number | undefined {
    if (this.#first === undefined || this.#last === undefined) return undefined
    switch (aggregate) {
      case 'avg':
        return this.knownMs === 0 ? this.#last : this.#weighted / this.knownMs
      case 'min':
        return this.#least
      case 'max':
        return this.#most
      case 'first':
        return this.#first
      case 'last':
        return this.#last
      case 'sum':
        return this.#sum
      case 'count':
        return this.#count
      case 'delta':
        return this.#last - this.#first
      case 'seconds':
        return this.#trueMs / 1_000
      default:
        aggregate satisfies never
        return undefined
    }
  }

  #meet(value: number): void {
    this.#first ??= value
    this.#last = value
    this.#least = Math.min(this.#least, value)
    this.#most = Math.max(this.#most, value)
  }
}

export interface Span {
  readonly fromMs: number
  readonly untilMs: number
}

/** Goes along the values of a tag, which come in the order of their times, and shares them out among spans that follow each other. */
export class Tallies {
  readonly all: readonly Tally[]
  readonly #spans: readonly Span[]
  #place = 0
  #atMs: number
  #value = Number.NaN

  constructor(spans: readonly Span[]) {
    this.#spans = spans
    this.all = spans.map(() => new Tally())
    this.#atMs = spans[0]?.fromMs ?? 0
  }

  take(timeMs: number, value: number): void {
    const [first] = this.#spans
    if (first === undefined) return
    if (timeMs >= first.fromMs) {
      this.#goOn(timeMs)
      this.all[this.#place]?.come(value)
    }
    this.#value = value
  }

  /** Up to the end of the last span. */
  end(): void {
    this.#goOn(this.#spans.at(-1)?.untilMs ?? 0)
  }

  #goOn(untilMs: number): void {
    for (let span = this.#spans[this.#place]; span !== undefined && span.untilMs <= untilMs; span = this.#spans[this.#place]) {
      this.all[this.#place]?.hold(this.#value, span.untilMs - this.#atMs)
      this.#atMs = span.untilMs
      this.#place += 1
    }
    // A clock that was set back makes no time that was less than none.
    this.all[this.#place]?.hold(this.#value, untilMs - this.#atMs)
    this.#atMs = Math.max(this.#atMs, untilMs)
  }
}
