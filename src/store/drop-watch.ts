import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { SiteEvent } from '../model/event.ts'
import type { OutboxStatus } from './contract.ts'

interface Seen {
  readonly droppedTotal: number
  /** The total when dropping began; undefined while nothing is dropped. */
  readonly droppingFrom: number | undefined
}

/** Turns the counters of the outbox into news: that rows began to be dropped, and how many it were when it was over. */
export class DropWatch {
  readonly #clock: Clock
  readonly #log: Log
  readonly #seen = new Map<string, Seen>()

  constructor(options: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = options.clock
    this.#log = options.log
  }

  /** To be called now and then; what was dropped before the first look is old news. */
  look(statuses: readonly OutboxStatus[]): readonly SiteEvent[] {
    return statuses.flatMap(({ upstream, droppedTotal }) => {
      const before = this.#seen.get(upstream) ?? { droppedTotal, droppingFrom: undefined }
      const isDropping = droppedTotal > before.droppedTotal
      const droppingFrom = isDropping ? (before.droppingFrom ?? before.droppedTotal) : undefined
      this.#seen.set(upstream, { droppedTotal, droppingFrom })
      if (isDropping && before.droppingFrom === undefined) return [this.#began(upstream, droppedTotal)]
      if (!isDropping && before.droppingFrom !== undefined) return [this.#ended(upstream, droppedTotal - before.droppingFrom)]
      return []
    })
  }

  #began(upstream: string, droppedTotal: number): SiteEvent {
    this.#log.warn('The outbox drops its oldest rows.', { upstream, droppedTotal })
    return { type: 'outbox.dropping', subject: upstream, timeMs: this.#clock.now(), data: { droppedTotal } }
  }

  #ended(upstream: string, dropped: number): SiteEvent {
    this.#log.info('The outbox drops no more rows.', { upstream, dropped })
    return { type: 'outbox.dropped', subject: upstream, timeMs: this.#clock.now(), data: { dropped } }
  }
}
