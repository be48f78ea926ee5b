import type { Clock } from '../../base/clock.ts'
import { errorFields, type Log } from '../../base/log.ts'
import { type Running, startLoop } from '../../base/running.ts'
import type { ConsumerCursor, JournalEvent } from '../../model/journal.ts'

export interface LanePage {
  readonly events: readonly JournalEvent[]
  /** How far the look went, found or not. */
  readonly cursor: number
  readonly isEnd: boolean
}

export interface LaneOptions {
  /** Where it goes on; retried until it is known. Absent: what is done is taken away, so that it begins with the first there is, and has no cursor. */
  readonly start?: () => Promise<ConsumerCursor>
  readonly fetch: (afterId: number, rowsMax: number) => Promise<LanePage>
  readonly take: (events: readonly JournalEvent[]) => void
  /** How many more the route may hold in memory now. */
  readonly room: () => number
  readonly clock: Clock
  readonly log: Log
}

const fetchRowsMax = 500
const retryPauseMs = 500

async function fromTheFirst(): Promise<ConsumerCursor> {
  return { lastId: 0, ahead: [] }
}

/**
 * What waits for a route on the disk, in its order, a bounded part of it in memory. What has just been written need not be read, as long as nothing
 * lies before it.
 */
export class Lane implements Running {
  readonly failure: Promise<never>
  readonly #options: LaneOptions
  readonly #loop: Running
  /** Taken and not done, in their order, which is that of their numbers. */
  readonly #open: number[] = []
  /** Done, and something before them is not. Only where there is a cursor to tell it. */
  readonly #ahead = new Set<number>()
  #takenUpTo = 0
  #isCaughtUp = false
  /** Something was written that a look under way may have missed. */
  #isNewer = true
  #bell = Promise.withResolvers<void>()

  constructor(options: LaneOptions) {
    this.#options = options
    this.#loop = startLoop((signal) => this.#run(signal))
    this.failure = this.#loop.failure
    this.#bell.resolve()
  }

  /** There may be more on the disk, or more room for it. */
  ring(): void {
    this.#isCaughtUp = false
    this.#isNewer = true
    this.#bell.resolve()
  }

  /** An item that was written just now. */
  offer(event: JournalEvent): void {
    if (this.#isCaughtUp && this.#options.room() > 0) this.#take([event], event.id)
    else this.ring()
  }

  /** Rings for more where memory holds less than it may. */
  done(id: number): void {
    const place = this.#open.indexOf(id) // mostly among the first
    if (place >= 0) this.#open.splice(place, 1)
    if (place >= 0 && this.#options.start !== undefined) this.#ahead.add(id)
    if (!this.#isCaughtUp) this.#bell.resolve()
  }

  cursor(): ConsumerCursor {
    const [first] = this.#open
    const lastId = first === undefined ? this.#takenUpTo : first - 1
    for (const id of this.#ahead) if (id <= lastId) this.#ahead.delete(id)
    return { lastId, ahead: [...this.#ahead] }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#loop[Symbol.asyncDispose]()
    this.#bell.resolve()
    await ended
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { start = fromTheFirst } = this.#options
    const { lastId, ahead } = await this.#untilAnswered(start, signal)
    this.#takenUpTo = lastId
    const doneBefore = new Set(ahead)
    for (const id of ahead) this.#ahead.add(id)
    while (!signal.aborted) {
      await this.#bell.promise
      this.#bell = Promise.withResolvers()
      while (!signal.aborted && this.#isNewer && this.#options.room() > 0) {
        this.#isNewer = false
        const rowsMax = Math.min(fetchRowsMax, this.#options.room())
        const page = await this.#untilAnswered(() => this.#options.fetch(this.#takenUpTo, rowsMax), signal)
        this.#take(
          page.events.filter(({ id }) => !doneBefore.has(id)),
          page.cursor,
        )
        this.#isNewer ||= !page.isEnd
        this.#isCaughtUp = !this.#isNewer
      }
    }
  }

  #take(events: readonly JournalEvent[], upTo: number): void {
    const fresh = events.filter(({ id }) => id > this.#takenUpTo)
    for (const { id } of fresh) this.#open.push(id)
    this.#takenUpTo = Math.max(this.#takenUpTo, upTo)
    if (fresh.length > 0) this.#options.take(fresh)
  }

  async #untilAnswered<Answer>(ask: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
    const { clock, log } = this.#options
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await ask()
      } catch (error) {
        if (attempt === 1) log.warn('The store does not tell what waits for a route yet.', errorFields(error))
        await clock.sleep(retryPauseMs, signal)
      }
    }
  }
}
