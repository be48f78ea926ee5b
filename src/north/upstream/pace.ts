import type { Clock, MonotonicMs } from '../../base/clock.ts'

/** So much may be sent at once after a pause. */
const burstMs = 100
const spanMs = 1_000
/** Of the backlog, where the site does not say: so many times the live rate, so that it is gone after less than a tenth of the time in which it grew. */
const liveTimes = 15
const perSecondMin = 2_000

export interface PaceOptions {
  readonly clock: Clock
  readonly perSecondMax?: number
}

/** How fast the backlog goes beside the live values. */
export class Pace {
  readonly #options: PaceOptions
  #credit = 0
  #at: MonotonicMs
  #spanAt: MonotonicMs
  #spanRows = 0
  #livePerSecond = 0

  constructor(options: PaceOptions) {
    this.#options = options
    this.#at = options.clock.elapsed()
    this.#spanAt = this.#at
  }

  get perSecond(): number {
    return this.#options.perSecondMax ?? Math.max(perSecondMin, liveTimes * this.#livePerSecond)
  }

  /** A live row has come by. */
  live(): void {
    this.#spanRows += 1
  }

  /** Whether one more row may go; it is counted at once. */
  mayGo(): boolean {
    const now = this.#options.clock.elapsed()
    if (now - this.#spanAt >= spanMs) {
      this.#livePerSecond = (this.#spanRows * 1_000) / (now - this.#spanAt)
      this.#spanAt = now
      this.#spanRows = 0
    }
    const most = Math.max(1, (this.perSecond * burstMs) / 1_000)
    this.#credit = Math.min(most, this.#credit + ((now - this.#at) * this.perSecond) / 1_000)
    this.#at = now
    if (this.#credit < 1) return false
    this.#credit -= 1
    return true
  }
}
