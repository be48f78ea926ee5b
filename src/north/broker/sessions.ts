import { type Clock, epochMs } from '../../base/clock.ts'
import { unpack } from '../../base/packed.ts'
import type { QueuedMessage, SessionChanges } from '../../store/contract.ts'
import type { MqttLimits } from './config.ts'
import { Incoming } from './incoming.ts'
import { bearEntries, entriesOf } from './kept-payload.ts'
import { bytesOf, type PendingChanges } from './pending-changes.ts'
import { type KeptPacket, Retained } from './retained.ts'
import { type Entry, type OutgoingPacket, outgoing, type QueuedPacket, Session, type SubscriptionRecord } from './session.ts'
import { SubscriptionIndex } from './subscription-index.ts'
import { Wills } from './wills.ts'

export interface Subscriber {
  readonly clientId: string
  readonly qos?: number
}

interface SessionsOptions {
  readonly limits: MqttLimits
  readonly pending: PendingChanges
  readonly clock: Clock
  readonly transient: readonly string[]
  /** Something is pending that nobody waits for. */
  readonly changed: () => void
}

type Change = 'changed' | 'unchanged'

/** 2020-01-01. Before it, a gateway has not asked for the time yet, and no session can be told to be old. */
const plausibleMs = 1_577_836_800_000

/** What the broker keeps for its clients: in memory, bounded; what has to outlive the broker goes to the store by way of `pending`. */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #sessions = new Map<string, Session>()
  readonly all: ReadonlyMap<string, Session> = this.#sessions
  readonly subscriptions = new SubscriptionIndex()
  readonly retained: Retained
  readonly incoming: Incoming
  readonly wills: Wills
  broker: { readonly id: string } = { id: '' }
  readonly #counts = { messages: 0, bytes: 0, lost: 0, expired: 0 }
  #lastId = 0
  #isRestored = false

  constructor(options: SessionsOptions) {
    this.#options = options
    const { limits, pending, changed, transient } = options
    const { retainedMax: messagesMax, retainedBytesMax: bytesMax } = limits
    this.retained = new Retained({ messagesMax, bytesMax, pending, changed, transient })
    this.incoming = new Incoming({ limits, pending })
    this.wills = new Wills({ pending, changed, brokerId: () => this.broker.id })
  }

  /** False until what the store holds is in memory: so long nobody knows who depends on what. */
  get isRestored(): boolean {
    return this.#isRestored
  }

  get pendingBytes(): number {
    return this.#options.pending.queuedBytes
  }

  /** `lost`: not kept for a session, for want of room. */
  get counts(): Readonly<Record<'messages' | 'bytes' | 'lost' | 'expired', number>> {
    return this.#counts
  }

  find(client: string): Session | undefined {
    return this.#sessions.get(client)
  }

  mayOpen(client: string): boolean {
    return this.#sessions.has(client) || this.#sessions.size < this.#options.limits.sessionsMax
  }

  /** Under the client id of another user's session begins a new one: what was kept for him is nobody else's business. */
  arrive(client: string, owner: object, user: string | null = null): 'tookOver' | 'mayGoOn' {
    const isOfOther = this.#sessions.get(client)?.isOfOtherThan(user) === true
    if (isOfOther) this.end(client)
    const session = this.#open(client)
    session.arrive(owner, user)
    this.#note(session)
    return isOfOther ? 'tookOver' : 'mayGoOn'
  }

  leave(client: string, owner: object): void {
    const session = this.#sessions.get(client)
    if (session?.owner !== owner) return
    session.leave(this.#options.clock.now())
    if (session.isEmpty && !this.incoming.has(client)) this.end(client)
    else this.#note(session)
  }

  /** With all that belongs to it. */
  end(client: string): void {
    const session = this.#sessions.get(client)
    if (session === undefined) return
    for (const entry of session.entries()) this.#remove(session, entry)
    for (const filter of session.subscriptions.keys()) this.subscriptions.remove(client, filter)
    this.incoming.forget(client)
    this.#sessions.delete(client)
    if (session.isNoted) this.#options.pending.forget(client)
    this.#options.changed()
  }

  /** Ends those whose clients have been away for too long. */
  expire(): void {
    const { clock, limits } = this.#options
    const now = clock.now()
    if (now < plausibleMs) return
    for (const session of this.#sessions.values()) {
      if (session.awayMs === undefined) continue
      if (session.awayMs < plausibleMs) session.leave(now)
      if (now - session.awayMs <= limits.sessionAgeMs) continue
      this.end(session.client)
      this.#counts.expired += 1
    }
  }

  subscribe(client: string, subscriptions: readonly SubscriptionRecord[]): Change {
    const session = this.#open(client)
    const isNew = subscriptions.filter(({ topic, qos }) => session.subscriptions.get(topic)?.qos !== qos)
    for (const subscription of subscriptions) this.#subscribe(session, subscription)
    this.#note(session)
    for (const { topic, qos } of isNew) this.#options.pending.subscription({ client, filter: topic, qos })
    return isNew.length > 0 ? 'changed' : 'unchanged'
  }

  unsubscribe(client: string, filters: readonly string[]): Change {
    const session = this.#sessions.get(client)
    const gone = filters.filter((filter) => session?.subscriptions.delete(filter))
    for (const filter of gone) {
      this.subscriptions.remove(client, filter)
      this.#options.pending.subscription({ client, filter, qos: null })
    }
    return gone.length > 0 ? 'changed' : 'unchanged'
  }

  /** A QoS 2 message of a client, of which the same identifier once more is to be known; also by the next life of the broker where that has to keep it. */
  receive(client: string, packetId: number, lasts: 'onDisk' | 'inMemory'): void {
    if (lasts === 'onDisk') this.#note(this.#open(client), 'also where it is empty')
    this.incoming.storeId(client, packetId, lasts)
  }

  /** Keeps a message for everybody who depends on it, before anybody has seen it; `unchanged` where nobody does. */
  keepFirst(packet: KeptPacket & { readonly payload: Uint8Array }, depending: readonly Subscriber[]): Change {
    const entries = this.#queueFor(depending, packet)
    const isStored = packet.retain === true && this.retained.store({ ...packet })
    bearEntries(packet.payload, entries)
    return entries.length > 0 || isStored ? 'changed' : 'unchanged'
  }

  retain(packet: KeptPacket): void {
    const isStored = entriesOf(packet.payload) !== undefined
    if (!isStored) this.retained.store({ ...packet })
  }

  /** The message is on its way through aedes and has its number there. */
  enqueue(subscribers: readonly Subscriber[], packet: QueuedPacket): void {
    const number = { brokerId: packet.brokerId ?? this.broker.id, counter: packet.brokerCounter ?? 0 }
    for (const entry of entriesOf(packet.payload) ?? this.#queueFor(subscribers, packet))
      this.#sessions.get(entry.client)?.show(entry, number)
  }

  /** A message, or the release of its identifier, is about to be written to its client. `changed`: QoS 2, and it must be on the disk first. */
  sending(client: string, packet: OutgoingPacket | (QueuedPacket & { readonly messageId?: number | undefined })): Change {
    const session = this.#sessions.get(client)
    const isRelease = 'cmd' in packet && packet.cmd === 'pubrel'
    const entry = 'topic' in packet && !isRelease ? session?.findNumber(packet.brokerCounter) : session?.findSent(packet.messageId)
    // Not an error, which would close the connection: what had no room in the queue is sent all the same, only without a second try.
    if (session === undefined || entry === undefined || packet.messageId === undefined) return 'unchanged'
    const isKnown = entry.packetId === packet.messageId && entry.isReleased === isRelease
    session.send(entry, packet.messageId)
    entry.isReleased ||= isRelease
    if (isKnown || entry.qos < 2) return 'unchanged' // QoS 1 may come twice, also under two identifiers
    this.#options.pending.sent(entry)
    return 'changed'
  }

  acknowledged(client: string, packetId: number | undefined): OutgoingPacket | undefined {
    const session = this.#sessions.get(client)
    const entry = session?.findSent(packetId)
    if (session === undefined || entry === undefined) return undefined
    this.#remove(session, entry)
    this.#options.pending.settle(entry)
    this.#options.changed()
    return outgoing(entry)
  }

  /** A page of what the store holds. What does not fit any more is taken out of the store. */
  restore({ sessions = [], subscriptions = [], queued, received = [], retained, wills }: Partial<SessionChanges>): void {
    const { clock, limits, pending } = this.#options
    // Who was here last comes first, should there be more than may be.
    for (const { client, awayMs, user } of [...sessions].sort((a, b) => (b.awayMs ?? Number.MAX_VALUE) - (a.awayMs ?? Number.MAX_VALUE))) {
      if (this.mayOpen(client)) this.#open(client).restored(awayMs === null ? clock.now() : epochMs(awayMs), user)
      else pending.forget(client)
    }
    for (const { client, filter, qos } of subscriptions) {
      const session = this.#sessions.get(client)
      const isFull = session === undefined || session.subscriptions.size >= limits.subscriptionsMax
      if (isFull || qos === null) pending.subscription({ client, filter, qos: null })
      else this.#subscribe(session, { topic: filter, qos })
    }
    if (queued !== undefined) for (const { row, payload } of unpack(queued)) this.#restoreMessage(row, payload)
    for (const { client, packetId } of received) this.incoming.restore(client, packetId, this.#sessions.has(client))
    if (retained !== undefined) for (const { row, payload } of unpack(retained)) this.retained.restore(row, payload)
    if (wills !== undefined) for (const { row, payload } of unpack(wills)) this.wills.restore(row, payload)
    if (!pending.isEmpty) this.#options.changed()
  }

  restored(): void {
    this.#isRestored = true
  }

  /** Into a fresh file. */
  repeatAll(): void {
    const { pending } = this.#options
    for (const session of this.#sessions.values()) {
      this.#note(session)
      for (const { topic, qos } of session.subscriptions.values()) pending.subscription({ client: session.client, filter: topic, qos })
      for (const entry of session.entries()) pending.queue(entry)
    }
    this.retained.repeatAll()
    this.incoming.repeatAll()
    this.wills.repeatAll()
    this.#options.changed()
  }

  #open(client: string): Session {
    const known = this.#sessions.get(client)
    if (known !== undefined) return known
    const session = new Session(client)
    this.#sessions.set(client, session)
    return session
  }

  /** A client that only publishes has nothing to come back to: it costs no row. */
  #note(session: Session, which?: 'also where it is empty'): void {
    if (session.isEmpty && !session.isNoted && which === undefined) return
    session.isNoted = true
    this.#options.pending.session({ client: session.client, awayMs: session.awayMs ?? null, user: session.user })
    this.#options.changed()
  }

  #subscribe(session: Session, subscription: SubscriptionRecord): void {
    session.subscriptions.set(subscription.topic, { ...subscription })
    this.subscriptions.add(session.client, subscription)
  }

  /** Once for each client, with the highest QoS of its filters, as far as there is room. */
  #queueFor(subscribers: readonly Subscriber[], packet: QueuedPacket): readonly Entry[] {
    const highest = new Map<string, number>()
    for (const { clientId, qos = 2 } of subscribers) highest.set(clientId, Math.max(qos, highest.get(clientId) ?? 0))
    const entries = [...highest].map(([client, qos]) => this.#queue(this.#open(client), packet, Math.min(qos, packet.qos ?? 0)))
    const taken = entries.filter((entry) => entry !== undefined)
    for (const entry of taken) this.#options.pending.queue(entry)
    if (taken.length > 0) this.#options.changed()
    return taken
  }

  #queue(session: Session, { topic, payload }: QueuedPacket, qos: number): Entry | undefined {
    this.#lastId += 1
    const bytes = bytesOf(payload).length
    const state = { brokerId: '', number: undefined, packetId: undefined, isReleased: false, isGone: false, isRepeat: false }
    const entry: Entry = { id: this.#lastId, client: session.client, topic, payload, bytes, qos, ...state }
    return this.#add(session, entry) ? entry : undefined
  }

  #add(session: Session, entry: Entry): boolean {
    const { offlineMessagesMax, offlineBytesMax } = this.#options.limits
    if (session.size >= offlineMessagesMax || this.#counts.bytes + entry.bytes > offlineBytesMax) {
      this.#counts.lost += 1
      return false
    }
    this.#counts.messages += 1
    this.#counts.bytes += entry.bytes
    session.add(entry)
    return true
  }

  #remove(session: Session, entry: Entry): void {
    this.#counts.messages -= 1
    this.#counts.bytes -= entry.bytes
    session.remove(entry)
  }

  #restoreMessage({ id, client, topic, qos, packetId, isReleased }: QueuedMessage, payload: Uint8Array): void {
    const session = this.#sessions.get(client)
    this.#lastId = Math.max(this.#lastId, id)
    const own = Buffer.from(payload) // a view would keep the whole page in memory
    // The numbers that the former broker gave are over: below zero there are none of this one's.
    const state = { brokerId: 'restored', number: -id, packetId: packetId ?? undefined, isReleased, isGone: false, isRepeat: false }
    const entry: Entry = { id, client, topic, payload: own, bytes: own.length, qos, ...state }
    if (session?.has(id)) return // read before, by a try that failed later
    if (session === undefined || !this.#add(session, entry)) this.#options.pending.settle(entry)
    else session.lastPacketId = packetId ?? session.lastPacketId
  }
}
