import type { Clock } from '../../base/clock.ts'

/**
 * Time in which our own loop ran. While it stands still (a busy machine, a long collection, a laptop asleep) nothing that a server says can be read:
 * that silence is ours, and no server is to be judged by it. However long it stood still, no more than two steps are counted.
 */
export class OwnTime {
  readonly #clock: Clock
  readonly #stepMs: number
  #countedMs = 0
  #steppedAt: number

  /** Runs until the signal. `stepMs`: how finely it is looked whether the loop runs. */
  constructor(clock: Clock, { stepMs, until }: { readonly stepMs: number; readonly until: AbortSignal }) {
    this.#clock = clock
    this.#stepMs = stepMs
    this.#steppedAt = clock.elapsed()
    void this.#run(until)
  }

  elapsed(): number {
    return this.#countedMs + Math.min(this.#clock.elapsed() - this.#steppedAt, 2 * this.#stepMs)
  }

  /** As the clock's own, for deadlines of what somebody else is to do. What came meanwhile is read first. */
  after(ms: number, callback: () => void): Disposable {
    const dueAt = this.elapsed() + ms
    let timer: Disposable
    const look = (): void => {
      const leftMs = dueAt - this.elapsed()
      if (leftMs > 0.5) timer = this.#clock.after(Math.ceil(leftMs), look)
      else callback()
    }
    timer = this.#clock.after(ms, look)
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() }
  }

  async #run(until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      await this.#clock.sleep(this.#stepMs, until).catch(() => {})
      this.#countedMs = this.elapsed()
      this.#steppedAt = this.#clock.elapsed()
    }
  }
}
