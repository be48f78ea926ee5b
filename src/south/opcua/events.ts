import { AttributeIds, DataType, type NodeId, ObjectTypeIds, type Variant } from 'node-opcua-client'
import { type Clock, epochMs } from '../../base/clock.ts'
import { errorFields, type Log } from '../../base/log.ts'
import { DropOldestQueue } from '../../base/queue.ts'
import type { DeviceEvent, EventSource } from '../driver.ts'
import type { EventsConfig } from './config.ts'
import { type EventQuestion, eventQuestions } from './event-filter.ts'
import { statusName } from './quality.ts'
import type { Requests } from './requests.ts'
import type { EventFields, Subscription } from './subscription.ts'
import { tagValueOf } from './values.ts'

export interface EventFeedOptions {
  /** One object a device, over all its connections. */
  readonly config: EventsConfig
  readonly node: NodeId
  readonly subscription: Subscription
  readonly requests: Requests
  readonly clock: Clock
  readonly log: Log
}

/** Events that wait to be told: beyond it the oldest are dropped. */
const waitingMax = 2_000
/** Names of event types that are remembered: a server has a few dozen. */
const typesMax = 500
/** Ids of events that were told, so that a refresh after a reconnection tells none twice. */
const toldMax = 2_000
const told = new WeakMap<EventsConfig, Set<string>>()

/** ConditionRefresh of ConditionType (OPC 10000-9, 5.5.7), and the events around its answer. */
const refreshMethod = { objectId: 'i=2782', methodId: 'i=3875' } as const
const refreshTypes: ReadonlySet<string> = new Set(['i=2787', 'i=2788'])
const refreshRequired = 'i=2789'

/** The events and alarms of a server, as they come: at a bounded rate, with the names of their types. */
export class EventFeed implements EventSource {
  readonly #options: EventFeedOptions
  readonly #waiting = new DropOldestQueue<EventFields>({ sizeMax: waitingMax })
  readonly #typeNames = new Map<string, string>()
  readonly #told: Set<string>
  #names: readonly string[] = []
  #isTelling = false
  #second = { startMs: Number.NEGATIVE_INFINITY, count: 0 }
  #droppedByRate = 0
  count = 0

  constructor(options: EventFeedOptions) {
    this.#options = options
    this.#told = told.get(options.config) ?? new Set()
    told.set(options.config, this.#told)
  }

  get dropped(): number {
    return this.#waiting.dropped + this.#droppedByRate
  }

  async listen(report: (events: readonly DeviceEvent[]) => void, signal: AbortSignal): Promise<void> {
    const { subscription, log } = this.#options
    subscription.onEvents((events) => {
      for (const event of events) this.#waiting.push(event)
      if (!this.#isTelling) void this.#tellAll(report, signal)
    })
    try {
      await this.#ask()
      await this.#refresh()
    } catch (error) {
      if (!signal.aborted) log.warn('The OPC UA server does not tell its events.', errorFields(error))
    }
  }

  async #ask(): Promise<void> {
    const { subscription, node, config } = this.#options
    let status = 0
    for (const { names, filter } of eventQuestions(config.severity) satisfies readonly EventQuestion[]) {
      this.#names = names
      status = await subscription.monitorEvents(node, filter)
      if (status === 0) return
    }
    this.#options.log.warn('The OPC UA server does not tell its events.', { node: config.node, status: statusName(status) })
  }

  /** What is active now began before this connection. A server without conditions refuses, which is no news. */
  async #refresh(): Promise<void> {
    const { requests, subscription, log } = this.#options
    const inputArguments = [{ dataType: DataType.UInt32, value: subscription.id }]
    try {
      const result = await requests.ask('a refresh of its alarms', (session) => session.call({ ...refreshMethod, inputArguments }))
      log.debug('Asked for the alarms that are active.', { status: result.statusCode.name })
    } catch (error) {
      log.debug('The OPC UA server does not say which alarms are active.', errorFields(error))
    }
  }

  async #tellAll(report: (events: readonly DeviceEvent[]) => void, signal: AbortSignal): Promise<void> {
    this.#isTelling = true
    while (this.#waiting.size > 0 && !signal.aborted) {
      const events: DeviceEvent[] = []
      for (const fields of this.#waiting.take(100)) {
        const event = await this.#eventOf(fields)
        if (event !== undefined && this.#mayTell()) events.push(event)
      }
      this.count += events.length
      if (events.length > 0 && !signal.aborted) report(events)
    }
    this.#isTelling = false
  }

  /** undefined for what is no news. */
  async #eventOf(fields: EventFields): Promise<DeviceEvent | undefined> {
    const field = (name: string): Variant | undefined => fields[this.#names.indexOf(name)]
    const typeId = field('eventType')?.value as NodeId | null | undefined
    const type = typeId?.toString() ?? ''
    if (type.endsWith(refreshRequired)) void this.#refresh()
    if (type.endsWith(refreshRequired) || [...refreshTypes].some((id) => type.endsWith(id))) return undefined
    const data = Object.fromEntries(this.#names.flatMap((name, at) => plainField(name, fields[at])))
    if (Number(data['severity'] ?? 0) < this.#options.config.severity && data['severity'] !== undefined) return undefined
    if (!this.#isNew(String(data['eventId'] ?? ''))) return undefined
    const timeMs = Number(field('time')?.value ?? Number.NaN)
    const eventType = typeId === null || typeId === undefined ? {} : { eventType: await this.#typeName(typeId) }
    return {
      type: 'opcua.event',
      timeMs: Number.isNaN(timeMs) ? this.#options.clock.now() : epochMs(timeMs),
      data: { ...data, ...eventType },
    }
  }

  #isNew(id: string): boolean {
    if (id === '') return true
    if (this.#told.has(id)) return false
    this.#told.add(id)
    if (this.#told.size > toldMax) for (const oldest of this.#told.values().take(toldMax / 10)) this.#told.delete(oldest)
    return true
  }

  /** A flood of events must not fill the journal. */
  #mayTell(): boolean {
    const { clock, config, log } = this.#options
    const now = clock.elapsed()
    if (now - this.#second.startMs >= 1_000) this.#second = { startMs: now, count: 0 }
    this.#second.count += 1
    if (this.#second.count <= config.perSecond) return true
    if (this.#droppedByRate === 0)
      log.warn('The OPC UA server tells more events than are taken; the others are dropped.', { perSecond: config.perSecond })
    this.#droppedByRate += 1
    return false
  }

  async #typeName(type: NodeId): Promise<string> {
    if (type.namespace === 0 && typeof type.value === 'number') return ObjectTypeIds[type.value] ?? type.toString()
    const id = type.toString()
    const known = this.#typeNames.get(id)
    if (known !== undefined) return known
    const name = await this.#askTypeName(type)
    if (this.#typeNames.size < typesMax) this.#typeNames.set(id, name)
    return name
  }

  async #askTypeName(type: NodeId): Promise<string> {
    const { requests } = this.#options
    try {
      const data = await requests.ask('the name of an event type', (session) =>
        session.read({ nodeId: type, attributeId: AttributeIds.BrowseName }),
      )
      const { name } = (data.value?.value ?? {}) as { readonly name?: string | null }
      return name ?? type.toString()
    } catch {
      return type.toString()
    }
  }
}

const textMax = 2_000
/** Of an event that is no branch of another. */
const nullNode = 'ns=0;i=0'

/** JSON-safe; nothing for a field that this kind of event does not have. */
function plainField(name: string, variant: Variant | undefined): readonly (readonly [string, unknown])[] {
  if (variant === undefined || variant.dataType === DataType.Null || variant.value === null || variant.value === undefined) return []
  const value = tagValueOf(variant)
  if (value === undefined || value === nullNode) return []
  if (value instanceof Uint8Array) return [[name, Buffer.from(value).toString('hex').slice(0, textMax)]]
  if (typeof value === 'bigint') return [[name, String(value)]]
  return [[name, typeof value === 'string' ? value.slice(0, textMax) : value]]
}
