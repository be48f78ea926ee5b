import { randomUUID } from 'node:crypto'
import { errorFields, type Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { cloudEvent } from '../model/cloud-event.ts'
import type { SiteEvent } from '../model/event.ts'
import type { LocalMessage } from './contract.ts'

export interface EventsOptions {
  readonly site: string
  readonly node: string
  /** Resolves when the event is kept, or when keeping it must not hold anybody up any longer. */
  readonly journal: (event: SiteEvent) => Promise<void>
  /** To every upstream that wants the topic. */
  readonly outbox: (topic: string, payload: string) => Promise<void>
  readonly broker: (message: LocalMessage) => Promise<unknown>
  readonly log: Log
}

/** Tellings under way at once; one more is only journalled, and counted. */
const tellingsMax = 500

/** What happened: journalled first, then told to MQTT clients and upstreams as CloudEvents. */
export class Events {
  readonly #options: EventsOptions
  #tellings = 0
  #untold = 0

  constructor(options: EventsOptions) {
    this.#options = options
  }

  /** Resolves as the journal does; telling others is not waited for. Never rejects. */
  async record(told: SiteEvent): Promise<void> {
    const event = { ...told, uid: told.uid ?? randomUUID() }
    await this.#options.journal(event)
    void this.#tell(event)
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

  async #tell(event: SiteEvent & { readonly uid: string }): Promise<void> {
    const { site, node, outbox, broker, log } = this.#options
    if (this.#tellings >= tellingsMax) {
      this.#untold += 1
      return
    }
    this.#tellings += 1
    const topic = `lineside/${node}/events/${event.type}`
    const payload = JSON.stringify(cloudEvent(event, { site }))
    try {
      await outbox(topic, payload)
      await broker({ topic, payload, qos: 1, isRetained: false })
    } catch (error) {
      this.#untold += 1
      log.debug('An event was journalled, but not told.', { type: event.type, ...errorFields(error) })
    } finally {
      this.#tellings -= 1
    }
  }
}
