import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import { type Running, startLoop } from '../../base/running.ts'
import type { Consumed, ConsumerCursor } from '../../model/journal.ts'

export interface SettlingOptions {
  /** Resolves when it is on the disk. */
  readonly consumed: (asks: readonly Consumed[]) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

/** What a consumer has to say: items of its inbox, how far it has come in the journal, letters. */
export interface Settled {
  readonly consumer: string
  readonly done?: readonly number[]
  readonly cursor?: ConsumerCursor
  readonly dead?: Consumed['dead']
}

/** now: somebody waits for it. soon: it goes along with what else is on its way to the same disk, or after a moment. */
export type When = 'now' | 'soon'

const retryPauseMs = 500
/** In one call. */
const settledMax = 2_000
/** What may wait for others goes by itself after so long, … */
const gatherMs = 20
/** … or when there is so much. */
const gatherMax = 200

/** Brings to the store what the routes are done with: one call at a time, all that has gathered since the last one, and again until it is kept. */
export class Settling implements Running {
  readonly failure: Promise<never>
  readonly #options: SettlingOptions
  readonly #waiting: { readonly settled: Settled; readonly kept: () => void }[] = []
  readonly #loop: Running
  #bell = Promise.withResolvers<void>()
  #isCalled = false
  #isPlanned = false
  #isSending = false
  #gathering: Disposable | undefined

  constructor(options: SettlingOptions) {
    this.#options = options
    this.#loop = startLoop((signal) => this.#run(signal))
    this.failure = this.#loop.failure
  }

  /** Resolves when it is on the disk. */
  settle(settled: Settled, when: When = 'now'): Promise<void> {
    const kept = Promise.withResolvers<void>()
    this.#waiting.push({ settled, kept: kept.resolve })
    if (when === 'now' || this.#waiting.length >= gatherMax) this.#plan()
    else this.#gathering ??= this.#options.clock.after(gatherMs, () => this.#ring())
    return kept.promise
  }

  /** Something is on its way to the same disk: what is gathered goes along, in one commit. */
  hurry(): void {
    if (!this.#isSending && this.#waiting.length > 0) this.#ring()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#loop[Symbol.asyncDispose]()
    this.#ring()
    await ended
  }

  /** At the end of this turn: all of it in one call. */
  #plan(): void {
    if (this.#isPlanned) return
    this.#isPlanned = true
    setImmediate(() => {
      this.#isPlanned = false
      this.#ring()
    })
  }

  #ring(): void {
    this.#gathering?.[Symbol.dispose]()
    this.#gathering = undefined
    this.#isCalled = true
    this.#bell.resolve()
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#bell.promise
      this.#bell = Promise.withResolvers()
      while (this.#waiting.length > 0 && (this.#isCalled || signal.aborted)) {
        this.#isCalled = this.#waiting.length > settledMax
        await this.#send(signal)
      }
      if (signal.aborted) return
    }
  }

  async #send(signal: AbortSignal): Promise<void> {
    const batch = this.#waiting.splice(0, settledMax)
    this.#isSending = true
    const isKept = await this.#keep(merged(batch.map(({ settled }) => settled)), signal)
    this.#isSending = false
    for (const { kept } of batch) if (isKept) kept()
  }

  async #keep(asks: readonly Consumed[], signal: AbortSignal): Promise<boolean> {
    const { consumed, clock, log } = this.#options
    for (let attempt = 1; ; attempt += 1) {
      try {
        await consumed(asks)
        return true
      } catch (error) {
        if (attempt === 1) log.warn('The store does not hear what the routes are done with; they wait.', errorFields(error))
        if (signal.aborted || (error instanceof Fault && !error.isRetryable)) return !signal.aborted
        await clock.sleep(retryPauseMs, signal).catch(() => {})
      }
    }
  }
}

function merged(all: readonly Settled[]): readonly Consumed[] {
  return [...Map.groupBy(all, ({ consumer }) => consumer)].map(([consumer, group]) => {
    const cursor = group.findLast((one) => one.cursor !== undefined)?.cursor
    return {
      consumer,
      done: group.flatMap(({ done = [] }) => done),
      dead: group.flatMap(({ dead = [] }) => dead),
      ...(cursor === undefined ? {} : { cursor }),
    }
  })
}
