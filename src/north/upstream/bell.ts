import type { Clock } from '../../base/clock.ts'

/** Wakes the one who waits; a ring that nobody heard is heard by the next. */
export class Bell {
  readonly #clock: Clock
  #rung = Promise.withResolvers<void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  ring(): void {
    this.#rung.resolve()
  }

  /** Until it rings, `ms` have passed, or the signal says stop. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const ended = Promise.withResolvers<void>()
    const end = (): void => ended.resolve()
    using _timer = this.#clock.after(ms, end)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    await Promise.race([this.#rung.promise, ended.promise])
    signal.removeEventListener('abort', end)
    this.#rung = Promise.withResolvers<void>()
  }
}
