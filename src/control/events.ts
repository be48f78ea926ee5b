import { randomUUID } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { errorFields, type Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { cloudEventText } from '../model/cloud-event.ts'
import { eventDataText, type SiteEvent, type WrittenEvent } from '../model/event.ts'
import type { LocalMessage } from './contract.ts'

export interface EventsOptions {
  readonly site: string
  readonly node: string
  /** Resolves when the event is kept, or when keeping it must not hold anybody up any longer. */
  readonly journal: (event: WrittenEvent) => Promise<void>
  /** The same where nobody waits for it: it may take a moment longer. */
  readonly gather: (event: WrittenEvent) => Promise<void>
  /** To every upstream that wants the topic. */
  readonly outbox: (topic: string, payload: string) => Promise<void>
  readonly broker: (messages: readonly LocalMessage[]) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

/** Tellings that wait or are under way; one more is only journalled, and counted. */
const tellingsMax = 500
/** In one call. */
const batchMax = 200
/** What nobody waits for is told together with what follows within this time: each call wakes a thread up. */
const gatherMs = 50

/** What happened: journalled first, then told to MQTT clients and upstreams as CloudEvents. */
export class Events {
  readonly #options: EventsOptions
  readonly #waiting: LocalMessage[] = []
  #isTelling = false
  #gathering: Disposable | undefined
  #untold = 0

  constructor(options: EventsOptions) {
    this.#options = options
  }

  /** Resolves as the journal does; telling others is not waited for. Never rejects. */
  async record(told: SiteEvent): Promise<void> {
    const event = written(told)
    await this.#options.journal(event)
    if (this.#tell(event)) this.#tellNow()
  }

  /** Of what happens often, and nobody waits for: kept and told in batches. */
  async note(told: SiteEvent): Promise<void> {
    const event = written(told)
    await this.#options.gather(event)
    this.#tellSoon(event)
  }

  /** Of what is kept together with something else: `keep` resolves when it is. Rejects as `keep` does, and then nothing is told. */
  async tellKept(told: readonly SiteEvent[], keep: (events: readonly WrittenEvent[]) => Promise<unknown>): Promise<void> {
    const events = told.map(written)
    await keep(events)
    for (const event of events) this.#tellSoon(event)
  }

  metrics(): readonly Metric[] {
    return [
      {
        name: 'lineside_events_untold_total',
        help: 'Events that are in the journal, but were not told to clients or upstreams.',
        type: 'counter',
        value: this.#untold,
      },
    ]
  }

  /** False where too many wait. */
  #tell(event: WrittenEvent): boolean {
    const { site, node } = this.#options
    if (this.#waiting.length >= tellingsMax) {
      this.#untold += 1
      return false
    }
    const topic = `lineside/${node}/events/${event.type}`
    this.#waiting.push({ topic, payload: cloudEventText(event, { site }), qos: 1, isRetained: false })
    return true
  }

  #tellSoon(event: WrittenEvent): void {
    if (this.#tell(event)) this.#gathering ??= this.#options.clock.after(gatherMs, () => this.#tellNow())
  }

  #tellNow(): void {
    this.#gathering?.[Symbol.dispose]()
    this.#gathering = undefined
    if (!this.#isTelling) void this.#tellAll()
  }

  /** One call at a time: what is kept meanwhile makes the next one larger. */
  async #tellAll(): Promise<void> {
    const { outbox, broker, log } = this.#options
    this.#isTelling = true
    await undefined // all that was kept by one commit in one call
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, batchMax)
      try {
        await Promise.all(batch.map(({ topic, payload }) => outbox(topic, String(payload))))
        await broker(batch)
      } catch (error) {
        this.#untold += batch.length
        log.debug('Events were journalled, but not told.', { events: batch.length, ...errorFields(error) })
      }
      this.#waiting.splice(0, batch.length)
    }
    this.#isTelling = false
  }
}

function written(event: SiteEvent): WrittenEvent {
  return { ...event, uid: event.uid ?? randomUUID(), data: eventDataText(event.data) }
}
