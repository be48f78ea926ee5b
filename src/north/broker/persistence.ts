import { Readable } from 'node:stream'
import type { IncomingPacket } from './incoming.ts'
import type { KeptPacket } from './retained.ts'
import type { OutgoingPacket, QueuedPacket, SubscriptionRecord } from './session.ts'
import type { Sessions, Subscriber } from './sessions.ts'
import { Settled } from './settled.ts'
import type { Matched } from './subscription-index.ts'
import type { Will } from './wills.ts'

export interface ClientName {
  readonly id: string
}

interface Identified {
  readonly messageId?: number | undefined
}

/** What aedes asks of a persistence, by the names and in the shapes of aedes-persistence 11. What changes on the disk is waited for where a client is told so next. */
export class Persistence {
  readonly #sessions: Sessions
  /** Resolves when everything so far is on the disk. */
  readonly #kept: () => Promise<void>
  /** aedes hands over all filters of a SUBSCRIBE for each of them that was granted: only that one counts. */
  readonly #granted = new WeakMap<object, SubscriptionRecord>()

  constructor({ sessions, kept }: { readonly sessions: Sessions; readonly kept: () => Promise<void> }) {
    this.#sessions = sessions
    this.#kept = kept
  }

  get broker(): { readonly id: string } {
    return this.#sessions.broker
  }

  async setup(broker: { readonly id: string }): Promise<void> {
    this.#sessions.broker = broker
  }

  granting(client: object, subscription: SubscriptionRecord): void {
    this.#granted.set(client, subscription)
  }

  storeRetained(packet: KeptPacket): PromiseLike<void> {
    this.#sessions.retain(packet)
    return new Settled(undefined)
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.#sessions.retained.matching(filters))
  }

  createRetainedStream(filter: string): Readable {
    return this.createRetainedStreamCombi([filter])
  }

  addSubscriptions(client: ClientName, subscriptions: readonly SubscriptionRecord[]): PromiseLike<void> {
    const granted = this.#granted.get(client)
    return this.#whenOnDisk(this.#sessions.subscribe(client.id, granted === undefined ? subscriptions : [granted]))
  }

  removeSubscriptions(client: ClientName, filters: readonly string[]): PromiseLike<void> {
    return this.#whenOnDisk(this.#sessions.unsubscribe(client.id, filters))
  }

  subscriptionsByClient(client: ClientName): PromiseLike<readonly SubscriptionRecord[]> {
    return new Settled([...(this.#sessions.find(client.id)?.subscriptions.values() ?? [])])
  }

  subscriptionsByTopic(topic: string): PromiseLike<readonly Matched[]> {
    return new Settled(this.#sessions.subscriptions.match(topic))
  }

  cleanSubscriptions(client: ClientName): PromiseLike<void> {
    this.#sessions.end(client.id)
    return new Settled(undefined)
  }

  countOffline(): PromiseLike<{ readonly subsCount: number; readonly clientsCount: number }> {
    const clientsCount = [...this.#sessions.all.values()].filter(({ subscriptions }) => subscriptions.size > 0).length
    return new Settled({ subsCount: this.#sessions.subscriptions.size, clientsCount })
  }

  getClientList(filter: string): Readable {
    const subscribed = [...this.#sessions.all.values()].filter(({ subscriptions }) => subscriptions.has(filter))
    return Readable.from(subscribed.map(({ client }) => client))
  }

  outgoingEnqueue(subscriber: Subscriber, packet: QueuedPacket): PromiseLike<void> {
    return this.outgoingEnqueueCombi([subscriber], packet)
  }

  outgoingEnqueueCombi(subscribers: readonly Subscriber[], packet: QueuedPacket): PromiseLike<void> {
    this.#sessions.enqueue(subscribers, packet)
    return new Settled(undefined)
  }

  outgoingUpdate(client: ClientName, packet: OutgoingPacket | (QueuedPacket & Identified)): PromiseLike<void> {
    return this.#whenOnDisk(this.#sessions.sending(client.id, packet))
  }

  outgoingClearMessageId(client: ClientName, packet: Identified): PromiseLike<OutgoingPacket | undefined> {
    return new Settled(this.#sessions.acknowledged(client.id, packet.messageId))
  }

  outgoingStream(client: ClientName & { _nextId?: number }): Readable {
    const session = this.#sessions.find(client.id)
    // Else aedes begins anywhere, and an identifier may come to mean two messages.
    if (session?.lastPacketId !== undefined && client._nextId !== undefined) client._nextId = (session.lastPacketId % 65_535) + 1
    return Readable.from(session?.takeBacklog() ?? [])
  }

  async incomingStorePacket(client: ClientName, packet: IncomingPacket): Promise<void> {
    this.#sessions.incoming.store(client.id, packet)
  }

  async incomingGetPacket(client: ClientName, packet: Identified): Promise<IncomingPacket> {
    return this.#sessions.incoming.get(client.id, packet.messageId)
  }

  async incomingDelPacket(client: ClientName, packet: Identified): Promise<void> {
    if (this.#sessions.incoming.remove(client.id, packet.messageId) === 'onDisk') await this.#kept()
  }

  async cleanIncoming(client: ClientName): Promise<void> {
    this.#sessions.incoming.forget(client.id)
  }

  async putWill(client: ClientName, will: Will): Promise<void> {
    this.#sessions.wills.put(client, will)
  }

  async getWill(client: ClientName): Promise<Will | undefined> {
    return this.#sessions.wills.get(client.id)
  }

  async delWill(client: ClientName): Promise<Will | undefined> {
    return this.#sessions.wills.remove(client.id)
  }

  streamWill(brokers: Readonly<Record<string, unknown>> = {}): Readable {
    return Readable.from(this.#sessions.wills.of(brokers))
  }

  async destroy(): Promise<void> {} // the store goes on without its broker

  #whenOnDisk(change: 'changed' | 'unchanged'): PromiseLike<void> {
    return change === 'changed' ? this.#kept() : new Settled(undefined)
  }
}
