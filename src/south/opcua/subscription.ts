import {
  AttributeIds,
  type ClientSession,
  type ClientSessionRawSubscriptionService,
  type CreateMonitoredItemsRequestLike,
  DataChangeNotification,
  type DataValue,
  MonitoringMode,
  type NodeId,
  type PublishResponse,
  StatusChangeNotification,
  TimestampsToReturn,
} from 'node-opcua-client'
import type { Fault } from '../../base/fault.ts'
import type { OpcuaConfig } from './config.ts'
import { connectionLost, errorText } from './faults.ts'
import { statusName, statusOf } from './quality.ts'
import type { Requests } from './requests.ts'

export interface SubscriptionOptions {
  readonly requests: Requests
  readonly config: OpcuaConfig
  readonly onValues: (values: readonly MonitoredValue[]) => void
  /** Told at each sign of life of the subscription. */
  readonly onHeard: () => void
  readonly onLost: (fault: Fault) => void
  readonly ended: AbortSignal
}

export interface MonitoredValue {
  /** The tag's position. */
  readonly tag: number
  readonly data: DataValue
}

/** What the library's session can do, but leaves out of its type. */
type RawSession = ClientSession &
  ClientSessionRawSubscriptionService & {
    createMonitoredItems(options: CreateMonitoredItemsRequestLike): Promise<{ readonly results: readonly CreateResult[] | null }>
    publish(options: object): Promise<PublishResponse>
  }

interface CreateResult {
  readonly statusCode: { readonly value: number; isGoodish(): boolean }
}

/** Requests that wait at the server for something to report: one on its way, one to answer at once, one in reserve. */
const publishesWaiting = 3
/** Intervals without a report after which the server sends a sign of life, and without a request after which it forgets us. */
const keepAliveCount = 2
const lifetimeCount = 60
/** Values in one report; more come in the next, so that no report holds the loop for long. */
const notificationsPerReport = 5_000
const uint32Max = 0xffff_ffff

/** One subscription with our own publish loop: we see each answer, and so each silence. */
export class Subscription {
  /** ms within which the server should have been heard, by its own word. */
  readonly heartbeatMs: number
  readonly #options: SubscriptionOptions
  readonly #id: number
  readonly #timeoutHintMs: number
  #acknowledge: { readonly subscriptionId: number; readonly sequenceNumber: number }[] = []
  #lastSequence: number | undefined
  #publishesMax = publishesWaiting
  #waiting = 0

  private constructor(
    options: SubscriptionOptions,
    made: { readonly id: number; readonly intervalMs: number; readonly keepAlives: number },
  ) {
    this.#options = options
    this.#id = made.id
    this.heartbeatMs = made.intervalMs * made.keepAlives
    this.#timeoutHintMs = Math.min(uint32Max, this.heartbeatMs * publishesWaiting * 2 + 10_000)
  }

  static async create(options: SubscriptionOptions): Promise<Subscription> {
    const answer = await options.requests.ask('a new subscription', (session) =>
      (session as RawSession).createSubscription({
        requestedPublishingInterval: options.config.opcua.publishing,
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

  /** Asks for reports of all these nodes; the status code of each, 0 where it will be reported. */
  async monitor(items: readonly { readonly tag: number; readonly node: NodeId }[], limit: number): Promise<readonly number[]> {
    const { requests, config } = this.#options
    const results = await requests.chunked(items, {
      what: 'new monitored items',
      limit,
      send: async (session, chunk) => {
        const answer = await (session as RawSession).createMonitoredItems({
          subscriptionId: this.#id,
          timestampsToReturn: TimestampsToReturn.Both,
          itemsToCreate: chunk.map(({ tag, node }) => ({
            itemToMonitor: { nodeId: node, attributeId: AttributeIds.Value },
            monitoringMode: MonitoringMode.Reporting,
            requestedParameters: {
              clientHandle: tag + 1, // some servers take 0 for none
              samplingInterval: config.opcua.sampling ?? config.opcua.publishing,
              queueSize: config.opcua.queue,
              discardOldest: true,
            },
          })),
        })
        return answer.results ?? []
      },
    })
    return results.map((result) => (result.statusCode.isGoodish() ? 0 : statusOf(result.statusCode.value)))
  }

  #publish(): void {
    while (this.#waiting < this.#publishesMax && !this.#options.ended.aborted) {
      this.#waiting += 1
      const subscriptionAcknowledgements = this.#acknowledge
      this.#acknowledge = []
      const session = this.#options.requests.session as RawSession
      session.publish({ requestHeader: { timeoutHint: this.#timeoutHintMs }, subscriptionAcknowledgements }).then(
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
    if (/BadTooManyPublishRequests/.test(text) && this.#publishesMax > 1) this.#publishesMax -= 1
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
    for (const notification of notificationData) {
      if (notification instanceof DataChangeNotification) this.#report(notification)
      if (notification instanceof StatusChangeNotification) {
        this.#lost(`the server ended the subscription: ${statusName(statusOf(notification.status.value))}`)
      }
    }
  }

  #report(notification: DataChangeNotification): void {
    const items = notification.monitoredItems ?? []
    this.#options.onValues(items.map((item) => ({ tag: item.clientHandle - 1, data: item.value })))
  }

  #lost(why: string): void {
    this.#options.onLost(connectionLost(this.#options.config.connection.url, why))
  }
}

/** They wrap to 1, not to 0 (OPC 10000-4, 7.21). */
function nextSequence(last: number): number {
  return last === uint32Max ? 1 : last + 1
}
