import { randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { errorFields, type Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { cloudEventText } from '../model/cloud-event.ts'
import { eventDataText, type SiteEvent, type WrittenEvent } from '../model/event.ts'
import type { LocalTexts } from './contract.ts'

export interface EventsOptions {
  readonly site: string
  readonly node: string
  /** Resolves when the event is kept, or when keeping it must not hold anybody up any longer. */
  readonly journal: (event: WrittenEvent) => Promise<void>
  /** The same where nobody waits for it: it may take a moment longer, and gives one promise for all events that are kept together. */
  readonly gather: (event: WrittenEvent) => Promise<void>
  /** To every upstream that wants the topic; undefined where none does. */
  readonly outbox: (topic: string, payload: string) => Promise<unknown> | undefined
  readonly broker: (texts: LocalTexts) => Promise<unknown>
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
  readonly #waiting: WrittenEvent[] = []
  readonly #ids = eventIds()
  #noted: { readonly kept: Promise<void>; readonly events: WrittenEvent[] } | undefined
  #isTelling = false
  #gathering: Disposable | undefined
  #untold = 0

  constructor(options: EventsOptions) {
    this.#options = options
  }

  /** Resolves as the journal does; telling others is not waited for. Never rejects. */
  async record(told: SiteEvent): Promise<void> {
    const event = this.#written(told)
    await this.#options.journal(event)
    if (this.#tell(event)) this.#tellNow()
  }

  /** Of what happens often, and nobody waits for: kept and told in batches. */
  note(told: SiteEvent): Promise<void> {
    const event = this.#written(told)
    const kept = this.#options.gather(event)
    if (this.#noted?.kept === kept) this.#noted.events.push(event)
    else this.#tellWhen(kept, event)
    return kept
  }

  /** Of what is kept together with something else: `keep` resolves when it is. Rejects as `keep` does, and then nothing is told. */
  async tellKept(told: readonly SiteEvent[], keep: (events: readonly WrittenEvent[]) => Promise<unknown>): Promise<void> {
    const events = told.map((event) => this.#written(event))
    await keep(events)
    this.#tellSoon(events)
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

  #written({ uid = this.#ids(), type, subject, timeMs, data }: SiteEvent): WrittenEvent {
    return { uid, type, subject, timeMs, data: eventDataText(data) }
  }

  /** False where too many wait. */
  #tell(event: WrittenEvent): boolean {
    if (this.#waiting.length >= tellingsMax) {
      this.#untold += 1
      return false
    }
    this.#waiting.push(event)
    return true
  }

  #tellWhen(kept: Promise<void>, first: WrittenEvent): void {
    const events = [first]
    this.#noted = { kept, events }
    void kept.then(() => this.#tellSoon(events))
  }

  #tellSoon(events: readonly WrittenEvent[]): void {
    for (const event of events) if (this.#tell(event)) this.#gathering ??= this.#options.clock.after(gatherMs, () => this.#tellNow())
  }

  #tellNow(): void {
    this.#gathering?.[Symbol.dispose]()
    this.#gathering = undefined
    if (!this.#isTelling) void this.#tellAll()
  }

  /** One call at a time: what is kept meanwhile makes the next one larger. */
  async #tellAll(): Promise<void> {
    const { site, node, outbox, broker, log } = this.#options
    this.#isTelling = true
    await undefined // all that was kept by one commit in one call
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, batchMax)
      const topics = batch.map(({ type }) => `lineside/${node}/events/${type}`)
      const payloads = batch.map((event) => cloudEventText(event, { site }))
      try {
        const goingUp = topics.map((topic, place) => outbox(topic, payloads[place] ?? '')).filter((going) => going !== undefined)
        if (goingUp.length > 0) await Promise.all(goingUp)
        await broker({ topics, payloads })
      } catch (error) {
        this.#untold += batch.length
        log.debug('Events were journalled, but not told.', { events: batch.length, ...errorFields(error) })
      }
      this.#waiting.splice(0, batch.length)
    }
    this.#isTelling = false
  }
}

/** Of one life of this room, told from all others by chance, and counted within it: chance for each would cost as much as its text. */
function eventIds(): () => string {
  const life = randomBytes(12).toString('base64url')
  let count = 0
  return () => {
    count += 1
    return `${life}.${count}`
  }
}
