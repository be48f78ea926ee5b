import { randomUUID } from 'node:crypto'
import { type Clock, type EpochMs, isoTime } from '../../../base/clock.ts'
import type { Door } from '../../../base/door.ts'
import { Fault } from '../../../base/fault.ts'
import type { Log } from '../../../base/log.ts'
import type { Metric } from '../../../base/metric.ts'
import { type Packed, unpack } from '../../../base/packed.ts'
import { firstFailure, type Running } from '../../../base/running.ts'
import type { SiteEvent } from '../../../model/event.ts'
import { jsonValue } from '../../../model/payload.ts'
import type { Sample } from '../../../model/sample.ts'
import type { Scalar, TagValue } from '../../../model/tag.ts'
import { matchesFilter } from '../../../model/topic.ts'
import type { StoreCalls } from '../../../store/contract.ts'
import type { TopicMessage } from '../../contract.ts'
import type { TagTable } from '../../tag-table.ts'
import type { FlowDefinition, FlowTrigger, TagTrigger } from '../definition.ts'
import type { Watchers } from '../watchers.ts'
import { followJournal } from './journal.ts'
import { openMomentBook } from './moments.ts'
import { Trigger } from './tag.ts'
import { startTimed, type TimedTrigger } from './timed.ts'
import { alarmListener, eventListener, type Fire, type Listener, type StartCause, type TopicListener, topicListener } from './told.ts'

export interface TriggersOptions {
  readonly data: { readonly site: string }
  readonly table: TagTable
  readonly watchers: Watchers
  readonly store: Door<StoreCalls>
  readonly journalled: (() => void)[]
  readonly clock: Clock
  readonly log: Log
  readonly life: AbortSignal
}

/** Of a message: it is kept with the run. */
const payloadBytesMax = 64 * 1024

type TopicTrigger = Extract<FlowTrigger, { readonly kind: 'topic' }>

/** What of a message's topic is told where it is refused. */
const topicCharsMax = 200

/** Hears why a message began no run. */
type Refuse = (fault: Fault) => void

/** Everything that starts flows by itself. */
export class Triggers implements AsyncDisposable {
  readonly #options: TriggersOptions
  readonly #parts = new AsyncDisposableStack()
  readonly #running: Running[] = []
  readonly #listeners: Listener[] = []
  readonly #topics: (TopicListener & { readonly refuse: Refuse })[] = []
  #dropped = 0

  constructor(options: TriggersOptions) {
    this.#options = options
  }

  get failure(): Promise<never> {
    return firstFailure(this.#running)
  }

  /** Ready when the triggers of the flow are at work, and what it has missed is caught up. */
  async listen({ flow, on }: FlowDefinition, fire: Fire, refuse: Refuse): Promise<void> {
    for (const [place, trigger] of on.entries()) {
      if (trigger.kind === 'topic') this.#addTopic(trigger, firedAt(place, fire), refuse)
      else await this.#add(flow, trigger, firedAt(place, fire))
    }
  }

  /** From here on events of the journal begin runs; those that came while nobody was there do so now. To be called once, when all flows listen. */
  async follow(): Promise<void> {
    if (this.#listeners.length === 0) return
    const types = [...new Set(this.#listeners.flatMap((listener) => listener.types))]
    this.#running.push(this.#parts.use(await followJournal({ ...this.#options, types, take: (event) => this.hear(event) })))
  }

  /** Resolves when all runs that begin with it are kept. Said once more it begins no other ones. */
  async hear(event: SiteEvent & { readonly uid: string }): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.hear(event, { key: event.uid, isRepeated: true })))
  }

  /** Resolves when all runs that begin with these are kept. */
  async messages(batch: Packed<TopicMessage>): Promise<void> {
    if (this.#topics.length === 0) return
    const kept: Promise<void>[] = []
    for (const { row, payload } of unpack(batch)) {
      const { topic, uid = randomUUID(), isRepeated = false } = row
      if (!this.#topics.some(({ filter }) => matchesFilter(topic, filter))) continue
      if (payload.length > payloadBytesMax) {
        this.#refuse(topic, payload.length)
        continue
      }
      kept.push(this.message({ topic, payload: textOf(payload) }, { key: uid, isRepeated }))
    }
    await Promise.all(kept)
  }

  /** Resolves when all runs that begin with it are kept. */
  async message(message: { readonly topic: string; readonly payload: string }, cause: StartCause): Promise<void> {
    const wanting = this.#topics.filter(({ filter }) => matchesFilter(message.topic, filter))
    await Promise.all(wanting.map((listener) => listener.take(message, cause)))
  }

  /** Whoever sent it has no answer, and is acknowledged all the same: it would not be smaller the next time. */
  #refuse(topic: string, bytes: number): void {
    this.#dropped += 1
    const what = `A message of ${bytes} bytes on ${topic.slice(0, topicCharsMax)} begins no run: ${payloadBytesMax} are taken.`
    const fault = new Fault('flow.message-too-large', what, { remedy: 'Send less, or where the rest can be fetched.' })
    for (const { filter, refuse } of this.#topics) if (matchesFilter(topic, filter)) refuse(fault)
  }

  metrics(): readonly Metric[] {
    if (this.#topics.length === 0) return []
    const help = 'Messages that flows listen to, and that were dropped because they were too large.'
    return [{ name: 'lineside_flow_messages_dropped_total', help, type: 'counter', value: this.#dropped }]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync()
  }

  #addTopic(trigger: TopicTrigger, fire: Fire, refuse: Refuse): void {
    const { data, clock } = this.#options
    this.#topics.push({ ...topicListener(trigger, { site: data.site, clock, fire }), refuse })
  }

  async #add(flow: string, trigger: Exclude<FlowTrigger, TopicTrigger>, fire: Fire): Promise<void> {
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
    const watch = this.#parts.use(
      new Trigger({ trigger, tags: table, clock, fire: (sample) => detached(fire(tagTrigger(trigger, sample))) }),
    )
    this.#parts.use(watchers.watch(watch.watched, () => watch.look()))
  }

  async #addTimed(flow: string, trigger: TimedTrigger, fire: Fire): Promise<void> {
    const { clock, life } = this.#options
    const book = trigger.missed === 'skip' ? undefined : await openMomentBook(flow, trigger, this.#options)
    const tell = async (moments: readonly EpochMs[]): Promise<void> => {
      await Promise.all(moments.map((dueMs) => fire({ kind: trigger.kind, time: isoTime(dueMs) }, momentCause(dueMs))))
      const last = moments.at(-1)
      if (last !== undefined && !life.aborted) book?.done(last)
    }
    this.#running.push(
      this.#parts.use(await startTimed({ trigger, clock, doneMs: book?.doneMs, fire: (moments) => detached(tell(moments)) })),
    )
  }
}

/** Of the triggers of a flow each begins runs of its own. */
function firedAt(place: number, fire: Fire): Fire {
  return (told, cause) => fire(told, cause && { ...cause, key: `${place} ${cause.key}` })
}

/** Each moment has one run, also where the clock is set back, or the power fails before it is noted. */
function momentCause(dueMs: EpochMs): StartCause {
  return { key: isoTime(dueMs), isRepeated: true }
}

/** Nobody waits for it: what goes wrong is told by whoever begins the run. */
function detached(kept: Promise<void>): void {
  kept.catch(() => {})
}

function textOf(payload: Uint8Array): string {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8')
}

function tagTrigger({ tag }: TagTrigger, sample: Sample): Readonly<Record<string, unknown>> {
  const [device] = tag.split('/')
  return { kind: 'tag', tag, device, value: kept(sample.value), quality: sample.quality, time: isoTime(sample.sourceMs) }
}

/** As JSON carries it, but for 64-bit integers: the journal keeps them, and a run must be able to compare them. */
function kept(value: TagValue | null): unknown {
  return Array.isArray(value) ? value.map(keptScalar) : keptScalar(value as Scalar | null)
}

function keptScalar(value: Scalar | null): unknown {
  const plain = jsonValue(value)
  return typeof value === 'bigint' && typeof plain === 'string' ? value : plain
}
