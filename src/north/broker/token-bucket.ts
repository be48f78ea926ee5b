import type { Clock, MonotonicMs } from '../../base/clock.ts'

/** So much at once, and so much a second after that. It may be overdrawn: what has been read has been read. */
export class TokenBucket {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #most: number
  #left: number
  #at: MonotonicMs

  constructor(options: { readonly clock: Clock; readonly perSecond: number; readonly most: number }) {
    this.#clock = options.clock
    this.#perSecond = options.perSecond
    this.#most = options.most
    this.#left = options.most
    this.#at = options.clock.elapsed()
  }

  get isFull(): boolean {
    this.#refill()
    return this.#left >= this.#most
  }

  /** How long to wait, in ms, until nothing is owed. */
  take(count: number): number {
    this.#left -= count
    if (this.#left >= 0) return 0
    this.#refill()
    return this.#left >= 0 ? 0 : (-this.#left * 1_000) / this.#perSecond
  }

  /** Takes one if there is one. */
  takeOne(): boolean {
    this.#refill()
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }

  #refill(): void {
    const now = this.#clock.elapsed()
    this.#left = Math.min(this.#most, this.#left + ((now - this.#at) * this.#perSecond) / 1_000)
    this.#at = now
  }
}
