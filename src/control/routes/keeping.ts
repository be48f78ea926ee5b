import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import { type Running, startLoop } from '../../base/running.ts'
import type { InboxItem } from '../../model/journal.ts'
import type { RoutedEvent } from './item.ts'

export interface KeepingOptions {
  /** Resolves when the items are on the disk. */
  readonly enqueue: (items: readonly InboxItem[]) => Promise<{ readonly lastId: number; readonly dropped: number }>
  /** Something is about to go to the disk: what else is to go there may go along. */
  readonly hurry: () => void
  /** An item is on the disk, under this id. */
  readonly onKept: (consumer: string, id: number, event: RoutedEvent) => void
  readonly clock: Clock
  readonly log: Log
}

/** What may wait for the disk; past it a message is refused, and a change is dropped and counted. */
const waitingMax = 20_000
const batchRowsMax = 2_000
const retryPauseMs = 200

interface Waiting {
  readonly item: InboxItem
  readonly kept: (() => void) | undefined
}

/** The way of messages and changes onto the disk, before anything is done with them: in order, one call at a time. */
export class RouteKeeping implements Running {
  readonly failure: Promise<never>
  readonly #options: KeepingOptions
  readonly #loop: Running
  #waiting: Waiting[] = []
  #bell = Promise.withResolvers<void>()
  #isFailing = false
  readonly #counts = { lost: 0, dropped: 0 }

  constructor(options: KeepingOptions) {
    this.#options = options
    this.#loop = startLoop((signal) => this.#run(signal))
    this.failure = this.#loop.failure
  }

  /** `lost`: no room while the store was away. `dropped`: the oldest of an inbox that was full. */
  get counts(): Readonly<Record<'lost' | 'dropped', number>> {
    return this.#counts
  }

  /** Nobody waits for it. */
  push(item: InboxItem): void {
    if (this.#waiting.length >= waitingMax) this.#counts.lost += 1
    else this.#add({ item, kept: undefined })
  }

  /** Resolves when all are on the disk; rejects where there is no room to wait for it. */
  async keep(items: readonly InboxItem[]): Promise<void> {
    if (items.length === 0) return
    if (this.#waiting.length + items.length > waitingMax) throw full(this.#waiting.length)
    const kept = Promise.withResolvers<void>()
    for (const [place, item] of items.entries()) this.#add({ item, kept: place === items.length - 1 ? kept.resolve : undefined })
    await kept.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#loop[Symbol.asyncDispose]()
    this.#bell.resolve()
    await ended
  }

  #add(waiting: Waiting): void {
    this.#waiting.push(waiting)
    this.#bell.resolve()
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#bell.promise
      this.#bell = Promise.withResolvers()
      await new Promise((resolve) => setImmediate(resolve)) // all of this turn in one call
      while (this.#waiting.length > 0) {
        const batch = this.#waiting.splice(0, batchRowsMax)
        await this.#keep(batch, signal)
        if (signal.aborted) break
      }
    }
  }

  async #keep(batch: readonly Waiting[], signal: AbortSignal): Promise<void> {
    const { enqueue, hurry, onKept, clock, log } = this.#options
    try {
      hurry()
      const { lastId, dropped } = await enqueue(batch.map(({ item }) => item))
      if (this.#isFailing) log.info('What is to be routed is kept again.')
      this.#isFailing = false
      this.#counts.dropped += dropped
      for (const [place, { item, kept }] of batch.entries()) {
        onKept(item.consumer, lastId - batch.length + 1 + place, item.event)
        kept?.()
      }
    } catch (error) {
      if (!this.#isFailing) log.warn('What is to be routed cannot be kept; it waits in memory.', errorFields(error))
      this.#isFailing = true
      if (error instanceof Fault && !error.isRetryable) {
        this.#counts.lost += batch.length // the store will never take it
        for (const { kept } of batch) kept?.()
        return
      }
      this.#waiting = batch.concat(this.#waiting)
      await clock.sleep(retryPauseMs, signal).catch(() => {})
    }
  }
}

function full(waiting: number): Fault {
  return new Fault('route.disk-behind', `${waiting} items to be routed wait for the disk already.`, {
    remedy: 'Send less, or give the state folder a faster disk.',
    isRetryable: true,
  })
}
