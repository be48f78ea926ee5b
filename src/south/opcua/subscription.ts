import {
  AttributeIds,
  type ClientSession,
  type ClientSessionRawSubscriptionService,
  type CreateMonitoredItemsRequestLike,
  DataChangeNotification,
  type DataValue,
  type EventFilter,
  EventNotificationList,
  MonitoringMode,
  type NodeId,
  type PublishResponse,
  StatusChangeNotification,
  TimestampsToReturn,
  type Variant,
} from 'node-opcua-client'
import type { Fault } from '../../base/fault.ts'
import { connectionLost, errorText } from './faults.ts'
import { filterOf, type Item } from './items.ts'
import { statusName, statusOf } from './quality.ts'
import type { Requests } from './requests.ts'

export interface SubscriptionOptions {
  readonly requests: Requests
  readonly url: string
  readonly publishingMs: number
  /** Told at each sign of life of the subscription. */
  readonly onHeard: () => void
  readonly onLost: (fault: Fault) => void
  readonly ended: AbortSignal
}

/** As the library decodes it: nothing is made per value on the way. */
export interface MonitoredValue {
  readonly clientHandle: number
  readonly value: DataValue
}

export type EventFields = readonly Variant[]

/** What the library's session can do, but leaves out of its type. */
type RawSession = ClientSession &
  ClientSessionRawSubscriptionService & {
    createMonitoredItems(options: CreateMonitoredItemsRequestLike): Promise<{ readonly results: readonly CreateResult[] | null }>
    modifyMonitoredItems(options: object): Promise<{ readonly results: readonly unknown[] | null }>
    publish(options: object): Promise<PublishResponse>
  }

interface CreateResult {
  readonly statusCode: { readonly value: number; isGoodish(): boolean }
  readonly monitoredItemId: number
  readonly revisedSamplingInterval: number
}

/** Requests that wait at the server for something to report: one on its way, one to answer at once, one in reserve. */
const publishesWaiting = 3
/** As many, at most, for a server that has more to say than fits into its reports: 20,000 values in those of 1,000 that some make, whatever is asked for. */
const publishesWaitingMax = 20
/** Intervals without a report after which the server sends a sign of life, and without a request after which it forgets us. */
const keepAliveCount = 2
const lifetimeCount = 60
/** Values in one report; more come in the next. A server that takes it puts 10,000 at 10 Hz into one. */
const notificationsPerReport = 12_000
const uint32Max = 0xffff_ffff

/** One subscription with our own publish loop: we see each answer, and so each silence. */
export class Subscription {
  /** ms within which the server should have been heard, by its own word. */
  readonly heartbeatMs: number
  readonly #options: SubscriptionOptions
  readonly #id: number
  #acknowledge: { readonly subscriptionId: number; readonly sequenceNumber: number }[] = []
  #lastSequence: number | undefined
  #publishes = publishesWaiting
  #publishesMax = publishesWaitingMax
  #onValues: (values: readonly MonitoredValue[]) => void = () => {}
  #onEvents: (events: readonly EventFields[]) => void = () => {}
  #waiting = 0
  /** Only that of the source: reading a second time of 100,000 values a second costs 3 % of a core. */
  #timestamps = TimestampsToReturn.Source
  readonly #monitored = new Map<NumberedItem, number>()
  /** Items that are asked for just now: their numbers come with the answer, and their first values may be there before it is looked at. */
  readonly #creating = new Set<Promise<unknown>>()
  /** ms, of the items that the server samples more rarely than was asked for. */
  readonly #slower = new Map<NumberedItem, number>()

  private constructor(
    options: SubscriptionOptions,
    made: { readonly id: number; readonly intervalMs: number; readonly keepAlives: number },
  ) {
    this.#options = options
    this.#id = made.id
    this.heartbeatMs = made.intervalMs * made.keepAlives
  }

  static async create(options: SubscriptionOptions): Promise<Subscription> {
    const answer = await options.requests.ask('a new subscription', (session) =>
      (session as RawSession).createSubscription({
        requestedPublishingInterval: options.publishingMs,
        requestedMaxKeepAliveCount: keepAliveCount,
        requestedLifetimeCount: lifetimeCount,
        maxNotificationsPerPublish: notificationsPerReport,
        publishingEnabled: true,
      }),
    )
    const made = { id: answer.subscriptionId, intervalMs: answer.revisedPublishingInterval, keepAlives: answer.revisedMaxKeepAliveCount }
    const subscription = new Subscription(options, made)
    subscription.#publish()
    return subscription
  }

  get id(): number {
    return this.#id
  }

  onValues(listener: (values: readonly MonitoredValue[]) => void): void {
    this.#onValues = listener
  }

  onEvents(listener: (events: readonly EventFields[]) => void): void {
    this.#onEvents = listener
  }

  /** Asks for reports of these items; the status code of each, 0 where it will be reported. */
  async monitor(items: readonly NumberedItem[], limit: number): Promise<readonly number[]> {
    const monitored = this.#monitor(items, limit)
    this.#creating.add(monitored)
    try {
      return await monitored
    } finally {
      this.#creating.delete(monitored)
    }
  }

  async #monitor(items: readonly NumberedItem[], limit: number): Promise<readonly number[]> {
    const results = await this.#create(items.map(requestOf), limit)
    for (const [at, item] of items.entries()) {
      const result = results[at]
      if (!result?.statusCode.isGoodish()) continue
      this.#monitored.set(item, result.monitoredItemId)
      if (result.revisedSamplingInterval > item.samplingMs) this.#slower.set(item, result.revisedSamplingInterval)
    }
    return results.map(statusOfResult)
  }

  /** By the server's own word. */
  samplingMsOf(item: NumberedItem): number {
    return this.#slower.get(item) ?? item.samplingMs
  }

  /** From now on with the server's own time too: for a server whose sources give none. */
  async askServerTime(limit: number): Promise<void> {
    if (this.#timestamps === TimestampsToReturn.Both) return
    this.#timestamps = TimestampsToReturn.Both
    await Promise.allSettled(this.#creating)
    await this.#options.requests.chunked([...this.#monitored], {
      what: 'monitored items with another time',
      limit,
      send: async (session, chunk) => {
        const itemsToModify = chunk.map(([item, monitoredItemId]) => ({ monitoredItemId, requestedParameters: parametersOf(item) }))
        const request = { subscriptionId: this.#id, timestampsToReturn: this.#timestamps, itemsToModify }
        return (await (session as RawSession).modifyMonitoredItems(request)).results ?? []
      },
    })
  }

  /** Asks for the events of a notifier; the status code, 0 where they will come. */
  async monitorEvents(node: NodeId, filter: EventFilter): Promise<number> {
    const [result] = await this.#create([{ ...itemRequest(node, eventsHandle), ...eventParameters(filter) }], 1)
    return result === undefined ? 0 : statusOfResult(result)
  }

  async #create(itemsToCreate: readonly ItemRequest[], limit: number): Promise<readonly CreateResult[]> {
    return await this.#options.requests.chunked(itemsToCreate, {
      what: 'new monitored items',
      limit,
      send: async (session, chunk) => {
        const request = { subscriptionId: this.#id, timestampsToReturn: this.#timestamps, itemsToCreate: [...chunk] }
        const answer = await (session as RawSession).createMonitoredItems(request)
        return answer.results ?? []
      },
    })
  }

  #publish(): void {
    // Each waits its turn: where nothing changes, the server answers one of them a heartbeat.
    const timeoutHint = Math.min(uint32Max, this.heartbeatMs * this.#publishes * 2 + 10_000)
    while (this.#waiting < this.#publishes && !this.#options.ended.aborted) {
      this.#waiting += 1
      const subscriptionAcknowledgements = this.#acknowledge
      this.#acknowledge = []
      const session = this.#options.requests.session as RawSession
      session.publish({ requestHeader: { timeoutHint }, subscriptionAcknowledgements }).then(
        (response) => this.#answered(response),
        (error: unknown) => this.#refused(error),
      )
    }
  }

  #answered(response: PublishResponse): void {
    this.#waiting -= 1
    if (this.#options.ended.aborted) return
    this.#options.onHeard()
    try {
      this.#take(response)
    } catch (error) {
      this.#lost(`it sent a report that cannot be read (${errorText(error)})`)
    }
    this.#publish()
  }

  #refused(error: unknown): void {
    this.#waiting -= 1
    if (this.#options.ended.aborted) return
    const text = errorText(error)
    if (/BadTooManyPublishRequests/.test(text) && this.#publishes > 1) this.#publishesMax = this.#publishes -= 1
    else if (!/BadTimeout/.test(text)) this.#lost(`a publish request failed (${text})`)
    this.#publish()
  }

  #take(response: PublishResponse): void {
    const { sequenceNumber, notificationData } = response.notificationMessage
    if (response.subscriptionId !== this.#id || notificationData === null || notificationData.length === 0) return
    if (this.#lastSequence !== undefined && sequenceNumber !== nextSequence(this.#lastSequence)) {
      this.#lost(`report ${sequenceNumber} came after ${this.#lastSequence}`)
      return
    }
    this.#lastSequence = sequenceNumber
    this.#acknowledge.push({ subscriptionId: this.#id, sequenceNumber })
    // What a server cannot send for want of a request piles up in its queues, and they drop it.
    if (response.moreNotifications && this.#publishes < this.#publishesMax) this.#publishes += 1
    for (const notification of notificationData) {
      if (notification instanceof DataChangeNotification) this.#onValues(notification.monitoredItems ?? [])
      if (notification instanceof EventNotificationList)
        this.#onEvents((notification.events ?? []).map(({ eventFields }) => eventFields ?? []))
      if (notification instanceof StatusChangeNotification) {
        this.#lost(`the server ended the subscription: ${statusName(statusOf(notification.status.value))}`)
      }
    }
  }

  #lost(why: string): void {
    this.#options.onLost(connectionLost(this.#options.url, why))
  }
}

export interface NumberedItem extends Item {
  /** From 1 on: some servers take 0 for none. */
  readonly handle: number
}

function statusOfResult({ statusCode }: CreateResult): number {
  return statusCode.isGoodish() ? 0 : statusOf(statusCode.value)
}

type ItemRequest = NonNullable<CreateMonitoredItemsRequestLike['itemsToCreate']>[number]

/** No item of a value has it. */
const eventsHandle = 0x7fff_ffff
/** Events that the server keeps between two reports. */
const eventsQueue = 1_000

function itemRequest(nodeId: NodeId, clientHandle: number): ItemRequest {
  const attributeId = clientHandle === eventsHandle ? AttributeIds.EventNotifier : AttributeIds.Value
  return { itemToMonitor: { nodeId, attributeId }, monitoringMode: MonitoringMode.Reporting, requestedParameters: { clientHandle } }
}

function requestOf(item: NumberedItem): ItemRequest {
  return { ...itemRequest(item.node, item.handle), requestedParameters: parametersOf(item) }
}

function parametersOf({ handle, samplingMs, queue, deadband }: NumberedItem): NonNullable<ItemRequest['requestedParameters']> {
  const filter = deadband === undefined ? {} : { filter: filterOf(deadband) }
  return { clientHandle: handle, samplingInterval: samplingMs, queueSize: queue, discardOldest: true, ...filter }
}

function eventParameters(filter: EventFilter): Pick<ItemRequest, 'requestedParameters'> {
  return { requestedParameters: { clientHandle: eventsHandle, samplingInterval: 0, queueSize: eventsQueue, discardOldest: true, filter } }
}

/** They wrap to 1, not to 0 (OPC 10000-4, 7.21). */
function nextSequence(last: number): number {
  return last === uint32Max ? 1 : last + 1
}
