import type { Clock, MonotonicMs } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { errorFields, type Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { DropOldestQueue } from '../base/queue.ts'
import type { AnyEvent } from '../model/event.ts'

export interface JournalSinkOptions {
  /** Resolves when the events are on disk. */
  readonly append: (events: readonly AnyEvent[]) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

/** A plant must not wait for a disk longer than this; past it a write goes on, its record follows, and the delay is counted. */
const waitMs = 1_000
const lateMax = 10_000
const retryPauseMs = 500
/** What nobody waits for goes to the disk with what somebody does; by itself after so long, or when there is so much. */
const gatherMs = 20
const gatherMax = 200

/** The way of events into the journal. While the store is away they wait in memory, in order. */
export class JournalSink {
  readonly #options: JournalSinkOptions
  readonly #late = new DropOldestQueue<AnyEvent>({ sizeMax: lateMax })
  #lateTotal = 0
  #refused = 0
  #isCatchingUp = false
  #gathered: AnyEvent[] = []
  #gatheredKept = Promise.withResolvers<void>()
  #gatheredAt: MonotonicMs | undefined
  #gathering: Disposable | undefined

  constructor(options: JournalSinkOptions) {
    this.#options = options
  }

  /** Resolves when the event is kept, or after a second when the store does not answer. Never rejects. */
  async record(event: AnyEvent): Promise<void> {
    this.#appendGathered()
    if (this.#late.size > 0) return this.#keepForLater([event]) // order matters more than one early record
    const kept = this.#append([event])
    const limit = Promise.withResolvers<void>()
    using _timer = this.#options.clock.after(waitMs, limit.resolve)
    await Promise.race([kept, limit.promise])
  }

  /** The same of an event that nobody waits for: it may wait a moment for others. One promise for all that go to the disk together. */
  gather(event: AnyEvent): Promise<void> {
    const { promise } = this.#gatheredKept
    this.#gathered.push(event)
    if (this.#gathered.length >= gatherMax) this.#appendGathered()
    else if (this.#gathered.length === 1) this.#appendSoon()
    return promise
  }

  /**
   * Something is on its way to the same disk: what is gathered goes along. `send` keeps the events with it, or nothing; it is asked once more,
   * without them, where it failed, for they may be the reason.
   */
  async along(send: (events: readonly AnyEvent[]) => Promise<unknown>): Promise<void> {
    if (this.#late.size > 0) await this.#appendGathered()
    const { events, kept } = this.#takeGathered()
    try {
      await send(events)
    } catch (error) {
      if (events.length === 0) throw error
      this.#keepForLater(events)
      await send([])
    } finally {
      kept()
    }
  }

  metrics(): readonly Metric[] {
    return [
      {
        name: 'lineside_journal_late_total',
        help: 'Events kept later than they happened, because the store was away.',
        type: 'counter',
        value: this.#lateTotal,
      },
      {
        name: 'lineside_journal_lost_total',
        help: 'Events lost because the store was away too long.',
        type: 'counter',
        value: this.#late.dropped + this.#refused,
      },
    ]
  }

  /** Appends what is still waiting; for the end. */
  async flush(): Promise<void> {
    await this.#appendGathered()
    this.#gathering?.[Symbol.dispose]()
    const rest = this.#late.take(lateMax)
    if (rest.length > 0)
      await this.#options.append(rest).catch((error: unknown) =>
        this.#options.log.error('Events were lost: the journal did not take them at the end.', {
          events: rest.length,
          ...errorFields(error),
        }),
      )
  }

  /** One timer outlives what goes along before it is due: hundreds of times a second it would be set in vain. */
  #appendSoon(): void {
    const { clock } = this.#options
    this.#gatheredAt = clock.elapsed()
    const look = (): void => {
      this.#gathering = undefined
      if (this.#gathered.length === 0 || this.#gatheredAt === undefined) return
      const leftMs = this.#gatheredAt + gatherMs - clock.elapsed()
      if (leftMs > 0) this.#gathering = clock.after(leftMs, look)
      else this.#appendGathered()
    }
    this.#gathering ??= clock.after(gatherMs, look)
  }

  #takeGathered(): { readonly events: readonly AnyEvent[]; readonly kept: () => void } {
    if (this.#gathered.length === 0) return { events: [], kept: () => {} }
    const events = this.#gathered
    const { resolve } = this.#gatheredKept
    this.#gathered = []
    this.#gatheredKept = Promise.withResolvers()
    return { events, kept: resolve }
  }

  async #appendGathered(): Promise<void> {
    const { events, kept } = this.#takeGathered()
    if (events.length === 0) return
    if (this.#late.size > 0) this.#keepForLater(events)
    else await this.#append(events)
    kept()
  }

  async #append(events: readonly AnyEvent[]): Promise<void> {
    await this.#options.append(events).catch(() => this.#keepForLater(events))
  }

  #keepForLater(events: readonly AnyEvent[]): void {
    this.#lateTotal += events.length
    for (const event of events) this.#late.push(event)
    if (!this.#isCatchingUp) void this.#catchUp()
  }

  /** What the store will never take must not stand in the way of what follows, nor take along what it came with. */
  async #again(batch: readonly AnyEvent[], error: unknown): Promise<void> {
    if (!(error instanceof Fault) || error.isRetryable) this.#late.unshift(batch)
    else if (batch.length === 1) {
      this.#refused += 1
      this.#options.log.error('The journal refused an event for good.', errorFields(error))
    } else for (const event of batch) await this.#options.append([event]).catch((again: unknown) => this.#again([event], again))
  }

  async #catchUp(): Promise<void> {
    this.#isCatchingUp = true
    this.#options.log.warn('The journal does not answer; events wait in memory.')
    while (this.#late.size > 0) {
      await this.#options.clock.sleep(retryPauseMs)
      const batch = this.#late.take(1_000)
      await this.#options.append(batch).catch((error: unknown) => this.#again(batch, error))
    }
    this.#isCatchingUp = false
    this.#options.log.info('The journal answers again and holds all that waited.')
  }
}
