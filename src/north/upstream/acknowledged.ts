import type { Clock } from '../../base/clock.ts'
import { errorFields, type Log } from '../../base/log.ts'
import { type Running, startLoop } from '../../base/running.ts'
import { Bell } from './bell.ts'

const idlePauseMs = 5_000
const retryPauseMs = 500
/** From one removal to the next, where many rows go: live values would have to wait for the disk behind hundreds of small ones a second. */
const gatherMs = 50
const manyRows = 10
/** Past it nothing more is sent until the outbox has forgotten some: so many rows would come twice after a crash. */
const waitingMax = 10_000

export interface AcknowledgedOptions {
  readonly remove: (ids: readonly number[]) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

/** Rows that the upstream has acknowledged, on their way out of the outbox: what gathers while one removal is under way makes the next. */
export class Acknowledged implements Running {
  readonly failure: Promise<never>
  readonly #options: AcknowledgedOptions
  readonly #bell: Bell
  readonly #loop: Running
  #waiting: number[] = []
  #removing = 0

  constructor(options: AcknowledgedOptions) {
    this.#options = options
    this.#bell = new Bell(options.clock)
    this.#loop = startLoop((signal) => this.#run(signal))
    this.failure = this.#loop.failure
  }

  get isFull(): boolean {
    return this.#waiting.length + this.#removing >= waitingMax
  }

  add(id: number): void {
    this.#waiting.push(id)
    this.#bell.ring()
  }

  /** Whether the outbox has forgotten every row that was acknowledged: then its oldest row is the oldest unacknowledged. */
  get isSettled(): boolean {
    return this.#waiting.length + this.#removing === 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]()
    if (this.#waiting.length > 0) await this.#remove().catch(() => {}) // they will be sent again, and nothing is lost
  }

  async #run(signal: AbortSignal): Promise<void> {
    let isFailing = false
    while (!signal.aborted) {
      if (this.#waiting.length === 0) await this.#bell.wait(idlePauseMs, signal)
      try {
        const removed = await this.#remove()
        isFailing = false
        if (removed >= manyRows) await this.#options.clock.sleep(gatherMs, signal).catch(() => {})
      } catch (error) {
        if (!isFailing) this.#options.log.warn('Acknowledged rows cannot be taken out of the outbox yet.', errorFields(error))
        isFailing = true
        await this.#options.clock.sleep(retryPauseMs, signal).catch(() => {})
      }
    }
  }

  async #remove(): Promise<number> {
    const ids = this.#waiting
    if (ids.length === 0) return 0
    this.#waiting = []
    this.#removing = ids.length
    try {
      await this.#options.remove(ids)
      return ids.length
    } catch (error) {
      this.#waiting = ids.concat(this.#waiting)
      throw error
    } finally {
      this.#removing = 0
    }
  }
}
