import type { Duplex } from 'node:stream'
import type { Aedes, AedesOptions, AedesPublishPacket, AuthenticateError, Client, PublishPacket, Subscription } from 'aedes'
import type { Clock } from '../../base/clock.ts'
import type { Metric } from '../../base/metric.ts'
import { isSoundFilter } from '../../model/topic.ts'
import { type Acceptance, divert } from './acceptance.ts'
import { lower, qosFor, subscriptionsOf, unsubscribe, willOf } from './aedes-client.ts'
import { AedesWay } from './aedes-way.ts'
import { watchBreaches } from './breaches.ts'
import type { MqttConfig } from './config.ts'
import { ConnectedClient } from './connected-client.ts'
import { Delivery } from './delivery.ts'
import type { DoorKeeper } from './door-keeper.ts'
import type { Doorway } from './doorway.ts'
import { Entry } from './entry.ts'
import { type Incidents, incidentKinds } from './incidents.ts'
import { Lanes } from './lanes.ts'
import { isOffered } from './offered.ts'
import { type Owner, Ownership } from './ownership.ts'
import type { Persistence } from './persistence.ts'
import type { PublishBytes } from './publish-bytes.ts'
import type { Router } from './router.ts'
import type { Sessions } from './sessions.ts'
import type { MessageCounts } from './sys.ts'
import type { ValueFanOut } from './values.ts'

export interface ClientsOptions {
  readonly config: MqttConfig
  readonly access: DoorKeeper
  readonly router: Router<ConnectedClient>
  readonly clock: Clock
  readonly incidents: Incidents
  readonly doorway: Pick<Doorway, 'wireOf' | 'arrived'>
  readonly sessions: Sessions
  readonly persistence: Pick<Persistence, 'granting'>
  readonly acceptance: Acceptance
}

/** Everybody who is connected, and what each may do: aedes' hooks. */
export class Clients {
  readonly #options: ClientsOptions
  /** Also those that have gone, as long as aedes speaks of them: their wills come last. */
  readonly #known = new WeakMap<Client, ConnectedClient>()
  readonly #connected = new Set<ConnectedClient>()
  readonly #way = new AedesWay()
  readonly #entry: Entry
  readonly #ownership = new Ownership()
  readonly #delivery: Delivery
  readonly #lanes: Lanes
  readonly #counts: MessageCounts = {
    connected: 0,
    connectedMax: 0,
    connects: 0,
    received: 0,
    receivedBytes: 0,
    sent: 0,
    sentBytes: 0,
    dropped: 0,
  }
  #values: ValueFanOut | undefined

  constructor(options: ClientsOptions) {
    this.#options = options
    const isFull = (id: string): boolean =>
      this.#connected.size >= options.config.limits.clientsMax && !this.#connected.values().some(({ aedes }) => aedes.id === id)
    this.#entry = new Entry({ ...options, isFull })
    const { limits } = options.config
    this.#delivery = new Delivery({ ...options, limits, counts: this.#counts, drop: (client, sentence) => this.#drop(client, sentence) })
    this.#lanes = new Lanes({ ...options, ownership: this.#ownership, counts: this.#counts })
  }

  get counts(): Readonly<MessageCounts> {
    return { ...this.#counts, connected: this.#connected.size }
  }

  get valuesSent(): number {
    return this.#values?.sent ?? 0
  }

  isSysRead(): boolean {
    return this.#connected.values().some(({ filters }) => filters.values().some((filter) => filter.startsWith('$SYS')))
  }

  subscriptions(): number {
    return this.#connected.values().reduce((sum, { filters }) => sum + filters.size, 0)
  }

  hooks(): AedesOptions {
    return {
      preConnect: (client, packet, done) => {
        const flaw = this.#entry.claim(client, packet)
        done(flaw ?? null, flaw === undefined)
      },
      authenticate: (client, user, password, done) => {
        void this.#enter(client, { user, password }).then((refusal) => done(refusal ?? null, refusal === undefined))
      },
      authorizePublish: (client, packet, done) => {
        const connected = client === null ? undefined : this.#known.get(client)
        if (client === null || connected === undefined) return done(null)
        const { acceptance } = this.#options
        if (packet.qos === 1) this.#way.enter(connected, packet)
        if (acceptance.refuses(connected, packet, done)) return
        if (!acceptance.isRepeated(connected, packet)) this.#publish(connected, packet)
        acceptance.admit(connected, packet, done)
      },
      published: (packet, client, done) => {
        if (client !== null) this.#way.leave(this.#known.get(client), packet)
        done()
      },
      authorizeSubscribe: (client, subscription, done) => done(null, this.#maySubscribe(client, subscription) ? subscription : null),
      authorizeForward: (client, packet) => this.#forward(client, packet),
    }
  }

  follow(aedes: Aedes): void {
    this.#lanes.follow(aedes)
    aedes.on('connackSent', (_packet, client) => this.#ready(client))
    aedes.on('subscribe', (subscriptions, client) => this.#subscribed(client, subscriptions))
    aedes.on('unsubscribe', (filters, client) => {
      for (const filter of filters) this.#known.get(client)?.filters.delete(filter)
    })
    aedes.on('ack', (_packet, client) => {
      const known = this.#known.get(client)
      if (known !== undefined && known.unacknowledged > 0) known.unacknowledged -= 1
    })
    watchBreaches(aedes, { ...this.#options, find: (client) => this.#known.get(client) })
  }

  own(owner: Owner): Disposable {
    return this.#ownership.own(owner)
  }

  /** To a client without a session. */
  deliver(client: ConnectedClient, packet: PublishBytes, qos: number): void {
    this.#delivery.deliver(client, packet, qos)
  }

  serve(values: ValueFanOut): void {
    this.#values = values
    for (const client of this.#connected) values.offer(client.reader, [...client.filters], 'retained')
  }

  dropStalled(): void {
    const now = this.#options.clock.elapsed()
    for (const client of this.#connected) if (client.isStalled(now)) this.#drop(client, incidentKinds.stalled)
  }

  /** Whoever may not come in any more has to go. */
  dropRevoked(): void {
    for (const client of this.#connected) if (!client.admission.isValid()) this.#drop(client, incidentKinds.revoked)
  }

  /** Those whose messages were refused for want of a disk: it is there again, and they may send them again. */
  dropRefused(): void {
    for (const client of this.#connected) {
      if (!client.isRefused) continue
      this.#options.incidents.note(incidentKinds.kept, client.who)
      client.wire.outgoing.end() // when it has what was written to it: acknowledgements
    }
  }

  metrics(): readonly Metric[] {
    const help = 'Tag values that a slow client did not see because newer ones came.'
    return [
      { name: 'lineside_mqtt_clients', help: 'Clients connected.', type: 'gauge', value: this.#connected.size },
      {
        name: 'lineside_mqtt_sessions',
        help: 'Sessions that outlive their connection.',
        type: 'gauge',
        value: this.#options.sessions.all.size,
      },
      { name: 'lineside_mqtt_received_total', help: 'Messages published by clients.', type: 'counter', value: this.#counts.received },
      { name: 'lineside_mqtt_values_sent_total', help: 'Tag values sent to clients.', type: 'counter', value: this.#values?.sent ?? 0 },
      { name: 'lineside_mqtt_values_overtaken_total', help, type: 'counter', value: this.#values?.overtaken ?? 0 },
    ]
  }

  async #enter(
    client: Client,
    shown: { readonly user: string | undefined; readonly password: Buffer | undefined },
  ): Promise<AuthenticateError | undefined> {
    const { doorway, clock, sessions } = this.#options
    const wire = doorway.wireOf(client.conn as Duplex)
    if (wire === undefined) return Object.assign(new Error('gone'), { returnCode: 3 }) // while its CONNECT was parsed
    doorway.arrived(wire)
    const admission = await this.#entry.enter({ client, wire, ...shown })
    if (!('isAdmitted' in admission)) return admission
    const isNameless = this.#entry.isNameless(client)
    const connected = new ConnectedClient({ aedes: client, isNameless, wire, admission, now: clock.elapsed() })
    this.#known.set(client, connected)
    this.#connected.add(connected)
    this.#counts.connects += 1
    this.#counts.connectedMax = Math.max(this.#counts.connectedMax, this.#connected.size)
    if (!client.clean && sessions.arrive(client.id, connected, admission.name) === 'tookOver') {
      this.#options.incidents.note(incidentKinds.tookOver, connected.who)
    }
    wire.stream.on('close', () => {
      this.#connected.delete(connected)
      sessions.leave(client.id, connected)
    })
    const will = willOf(client)
    if (will !== undefined && this.#ownership.verdict(connected, will, this.#ownership.ownerOf(will.topic)) === 'passOn')
      sessions.wills.permit(will)
    return undefined
  }

  /** The client has its CONNACK. Where a session goes on, its subscriptions stand already and its values may have changed meanwhile. */
  #ready(aedes: Client): void {
    const client = this.#known.get(aedes)
    if (client === undefined) return
    client.isIntroduced = true
    this.#lanes.open(client)
    client.wire.stream.on('drain', () => this.#values?.catchUp(client.reader))
    const restored = this.#stillAllowed(client)
    for (const filter of restored) client.filters.add(filter)
    this.#introduce(client)
    this.#values?.offer(client.reader, restored, 'live')
  }

  /** Its user's rights may have changed since the session was left. */
  #stillAllowed(client: ConnectedClient): readonly string[] {
    const restored = Object.keys(subscriptionsOf(client.aedes))
    const forbidden = restored.filter((filter) => !client.mayRead(filter))
    if (forbidden.length === 0) return restored
    this.#options.incidents.note(incidentKinds.notSubscribed, { ...client.who, filter: forbidden[0]?.slice(0, 200) })
    unsubscribe(client.aedes, forbidden)
    return restored.filter((filter) => !forbidden.includes(filter))
  }

  #subscribed(aedes: Client, subscriptions: readonly Subscription[]): void {
    const client = this.#known.get(aedes)
    if (client === undefined) return
    this.#introduce(client)
    const granted = subscriptions.filter(({ qos }) => Number(qos) !== 128).map(({ topic }) => topic)
    this.#values?.offer(client.reader, granted, 'retained')
  }

  #introduce(client: ConnectedClient): void {
    for (const { func, qos } of Object.values(subscriptionsOf(client.aedes))) this.#options.router.introduce(func, { client, qos })
  }

  #maySubscribe(aedes: Client, subscription: Subscription): boolean {
    const { topic } = subscription
    const client = this.#known.get(aedes)
    if (client === undefined) return false
    const isFull = !client.filters.has(topic) && client.filters.size >= this.#options.config.limits.subscriptionsMax
    if (isFull || !isSoundFilter(topic) || !isOffered(topic) || !client.mayRead(topic)) {
      this.#options.incidents.note(incidentKinds.notSubscribed, { ...client.who, filter: topic.slice(0, 200) })
      return false
    }
    client.filters.add(topic)
    this.#options.persistence.granting(aedes, subscription)
    return true
  }

  /** Changes the packet where it may not be published as it is: an error would close the connection, and the client would come back and try again. */
  #publish(client: ConnectedClient, packet: PublishPacket): void {
    this.#counts.received += 1
    this.#counts.receivedBytes += packet.payload.length
    const owner = this.#ownership.ownerOf(packet.topic)
    // A closed client publishes its will: it must not command anything, least of all because a cable broke.
    const isTaken = this.#ownership.verdict(client, packet, owner) === 'passOn'
    if (isTaken && owner !== undefined) packet.retain = false
    if (isTaken) return
    this.#options.incidents.note(incidentKinds.notPublished, { ...client.who, topic: packet.topic.slice(0, 200) })
    divert(packet)
  }

  /** The last look before a packet is written to a client: its socket has room, and the QoS is one it was granted. */
  #forward(aedes: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    const client = this.#known.get(aedes)
    if (client === undefined) return packet
    if (packet.topic.startsWith('$SYS/') && !packet.topic.startsWith('$SYS/broker/')) return null // what aedes tells its own like
    const session = packet.qos > 0 && !aedes.clean && !packet.retain ? this.#options.sessions.find(aedes.id) : undefined
    const isOfBacklog = packet.messageId !== undefined
    if (!isOfBacklog && session?.isSendingBacklog === true) return null // it waits there for its turn
    if (isOfBacklog && !client.mayRead(packet.topic)) return null // its user might when it came
    // aedes looks the granted QoS up by the topic, so that it finds none for a filter with wildcards.
    const qos = packet.qos > 0 && (packet.retain || packet.qos === 2) ? lower(packet.qos, qosFor(aedes, packet.topic)) : packet.qos
    if (this.#delivery.whyNot(client, packet.qos, isOfBacklog ? 'ofBacklog' : 'new') === undefined) {
      packet.qos = qos
      if (isOfBacklog && session?.findNumber(packet.brokerCounter)?.isRepeat === true) packet.dup = true
      if (qos > 0) client.unacknowledged += 1
      this.#counts.sent += 1
      this.#counts.sentBytes += packet.payload.length
      return packet
    }
    this.#counts.dropped += 1
    return isOfBacklog ? packet : null // what is not forwarded, aedes takes out of the queue: it goes to a closed connection instead
  }

  #drop(client: ConnectedClient, sentence: string): void {
    if (!this.#connected.delete(client)) return
    this.#options.incidents.note(sentence, { ...client.who, unreadBytes: client.wire.unreadBytes })
    client.wire.destroy()
  }
}
