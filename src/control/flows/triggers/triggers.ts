import { type Clock, isoTime, parseIsoTime } from '../../../base/clock.ts'
import type { Door } from '../../../base/door.ts'
import { errorFields, type Log } from '../../../base/log.ts'
import { firstFailure, type Running } from '../../../base/running.ts'
import type { SiteEvent } from '../../../model/event.ts'
import { jsonValue } from '../../../model/payload.ts'
import type { Sample } from '../../../model/sample.ts'
import type { StoreCalls } from '../../../store/contract.ts'
import type { TagTable } from '../../tag-table.ts'
import type { FlowDefinition, FlowTrigger, TagTrigger } from '../definition.ts'
import { startOf } from '../kept.ts'
import type { Watchers } from '../watchers.ts'
import { Trigger } from './tag.ts'
import { startTimed, type TimedTrigger } from './timed.ts'
import { alarmListener, eventListener, type Listener, type TopicListener, topicListener } from './told.ts'

export interface TriggersOptions {
  readonly data: { readonly site: string }
  readonly table: TagTable
  readonly watchers: Watchers
  readonly store: Door<StoreCalls>
  readonly clock: Clock
  readonly log: Log
}

type Fire = (trigger: Readonly<Record<string, unknown>>) => void

/** Runs of one flow that are looked through for the last moment it was begun for. */
const lookBackRuns = 50

/** Everything that starts flows by itself. */
export class Triggers implements AsyncDisposable {
  readonly #options: TriggersOptions
  readonly #parts = new AsyncDisposableStack()
  readonly #timed: Running[] = []
  readonly #listeners: Listener[] = []
  readonly #topics: TopicListener[] = []

  constructor(options: TriggersOptions) {
    this.#options = options
  }

  get failure(): Promise<never> {
    return firstFailure(this.#timed)
  }

  /** Ready when the triggers of the flow are at work, and what it has missed is caught up. */
  async listen({ flow, on }: FlowDefinition, fire: Fire): Promise<void> {
    for (const trigger of on) await this.#add(flow, trigger, fire)
  }

  hear(event: SiteEvent): void {
    for (const listener of this.#listeners) listener.hear(event)
  }

  message(topic: string, payload: string): void {
    for (const listener of this.#topics) listener.take(topic, payload)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync()
  }

  async #add(flow: string, trigger: FlowTrigger, fire: Fire): Promise<void> {
    switch (trigger.kind) {
      case 'tag':
        this.#addTag(trigger, fire)
        return
      case 'event':
        this.#listeners.push(eventListener(trigger, fire))
        return
      case 'alarm':
        this.#listeners.push(alarmListener(trigger, fire))
        return
      case 'topic':
        this.#topics.push(topicListener(trigger, { site: this.#options.data.site, clock: this.#options.clock, fire }))
        return
      case 'cron':
      case 'interval':
        await this.#addTimed(flow, trigger, fire)
        return
      case 'start':
        return // whoever starts it asks for it
      default:
        trigger satisfies never
    }
  }

  #addTag(trigger: TagTrigger, fire: Fire): void {
    const { table, clock, watchers } = this.#options
    const watch = this.#parts.use(new Trigger({ trigger, tags: table, clock, fire: (sample) => fire(tagTrigger(trigger, sample)) }))
    this.#parts.use(watchers.watch(watch.watched, () => watch.look()))
  }

  async #addTimed(flow: string, trigger: TimedTrigger, fire: Fire): Promise<void> {
    const { clock } = this.#options
    const lastMs = trigger.missed === 'skip' ? undefined : await this.#lastMoment(flow, trigger.kind)
    this.#timed.push(this.#parts.use(await startTimed({ trigger, clock, lastMs, fire })))
  }

  /** From the journal: what it has forgotten was long ago, and is not caught up. */
  async #lastMoment(flow: string, kind: string): Promise<ReturnType<typeof parseIsoTime>> {
    const { store, log } = this.#options
    try {
      const runs = await store.call('runs', { flow, rowsMax: lookBackRuns })
      const triggers = runs.map((run) => startOf(run).trigger)
      const last = triggers.find((trigger) => trigger['kind'] === kind)
      return typeof last?.['time'] === 'string' ? parseIsoTime(last['time']) : undefined
    } catch (error) {
      log.warn('The journal does not tell when a flow was last begun; nothing is caught up.', { flow, ...errorFields(error) })
      return undefined
    }
  }
}

function tagTrigger({ tag }: TagTrigger, sample: Sample): Readonly<Record<string, unknown>> {
  const [device] = tag.split('/')
  return { kind: 'tag', tag, device, value: jsonValue(sample.value), quality: sample.quality, time: isoTime(sample.sourceMs) }
}
