import type { Clock, MonotonicMs } from '../base/clock.ts'
import type { PlainFault } from '../base/fault.ts'
import type { SiteEvent } from '../model/event.ts'

export interface BreakerOptions {
  /** What it stands before: `device press-07`, `service mes`. The subject of its events. */
  readonly name: string
  readonly record: (event: SiteEvent) => void
  readonly clock: Clock
}

export type BreakerState = 'closed' | 'open' | 'half-open'

/** Failures in a row. */
const failuresMax = 5
const openMs = { first: 1_000, max: 60_000 } as const

/** Stands before something that may fail for a while: after failures in a row nobody asks it, until one may try whether it is back. */
export class Breaker {
  readonly #options: BreakerOptions
  #state: BreakerState = 'closed'
  #failures = 0
  #openings = 0
  #isTrialTold = false
  #untilMs = 0 as MonotonicMs
  #changed = Promise.withResolvers<void>()

  constructor(options: BreakerOptions) {
    this.#options = options
  }

  get state(): BreakerState {
    return this.#state
  }

  /** Resolves when the caller may try; it must then tell how that ended. Rejects with the signal's reason. */
  async admitted(signal: AbortSignal): Promise<void> {
    while (this.#state !== 'closed') {
      if (this.#state === 'open' && this.#options.clock.elapsed() >= this.#untilMs) {
        this.#halfOpen()
        return
      }
      await this.#waited(signal)
    }
    signal.throwIfAborted()
  }

  /** The same without waiting: whether the caller may try, and must then tell how that ended. */
  tryNow(): boolean {
    if (this.#state === 'closed') return true
    if (this.#state === 'half-open' || this.#options.clock.elapsed() < this.#untilMs) return false
    this.#halfOpen()
    return true
  }

  succeeded(): void {
    const wasOpen = this.#state !== 'closed'
    this.#failures = 0
    this.#openings = 0
    this.#isTrialTold = false
    this.#turn('closed')
    if (wasOpen) this.#tell('breaker.closed', {})
  }

  failed(fault: PlainFault): void {
    this.#failures += 1
    if (this.#state === 'closed' && this.#failures < failuresMax) return
    if (this.#state === 'open') return // who was under way when it opened
    const ms = Math.min(openMs.max, openMs.first * 2 ** Math.min(this.#openings, 10))
    this.#openings += 1
    this.#untilMs = (this.#options.clock.elapsed() + ms) as MonotonicMs
    const isNews = this.#state === 'closed'
    this.#turn('open')
    if (isNews) this.#tell('breaker.opened', { failures: this.#failures, fault })
  }

  /** The one who was to try gave up: another may. */
  abandoned(): void {
    if (this.#state === 'half-open') this.#turn('open')
  }

  /** Told once from opening to closing: who stays away is tried every minute for days. */
  #halfOpen(): void {
    this.#state = 'half-open'
    if (!this.#isTrialTold) this.#tell('breaker.half-open', {})
    this.#isTrialTold = true
  }

  #turn(state: BreakerState): void {
    this.#state = state
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  async #waited(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const leftMs = this.#state === 'open' ? Math.max(1, this.#untilMs - clock.elapsed()) : openMs.max
    const stop = new AbortController()
    const sleeping = clock.sleep(leftMs, AbortSignal.any([signal, stop.signal]))
    try {
      await Promise.race([this.#changed.promise, sleeping])
    } finally {
      stop.abort()
      sleeping.catch(() => {})
    }
  }

  #tell(type: string, data: Readonly<Record<string, unknown>>): void {
    const { name, record, clock } = this.#options
    record({ type, subject: name, timeMs: clock.now(), data })
  }
}
