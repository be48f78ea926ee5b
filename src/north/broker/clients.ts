import { Socket } from 'node:net'
import type { Aedes, AedesOptions, AedesPublishPacket, AuthenticateError, Client, PublishPacket, Subscription } from 'aedes'
import type { Clock } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'
import type { Metric } from '../../base/metric.ts'
import { type Role, roleAllows } from '../../model/tag.ts'
import { matchesFilter } from '../../model/topic.ts'
import type { MqttConfig } from './config.ts'
import { ConnectedClient } from './connected-client.ts'
import type { Incidents } from './incidents.ts'
import type { Deliver, Router } from './router.ts'
import type { ValueFanOut } from './values.ts'

/** Each a sentence for the log and, by its key, a label in the metrics. */
export const incidentKinds = {
  tooMany: 'An MQTT client was turned away: too many are connected.',
  tooLarge: 'An MQTT client was disconnected: it sent a packet that is too large.',
  notAdmitted: 'An MQTT client was not let in.',
  identifier: 'An MQTT client was not let in: its client id does not fit the session it asks for.',
  tooManySessions: 'An MQTT client was not let in: too many sessions are kept.',
  malformed: 'An MQTT client was disconnected: it broke the protocol or fell silent.',
  stalled: 'An MQTT client was disconnected: it reads nothing.',
  overrun: 'An MQTT client was disconnected: more waits for it than may.',
  skipped: 'A slow MQTT client was spared messages.',
  notPublished: 'A message of an MQTT client was not passed on: it may not publish there.',
  notSubscribed: 'A subscription of an MQTT client was refused.',
} as const

/** Where a refused message goes, so that its client is acknowledged as MQTT 3.1.1 wants it, and nobody gets it. No client may subscribe to it. */
const nowhere = '$nowhere'
const clientIdMax = 256
/** Wildcards, which only a will can bring this far, and control characters: mosquitto's clients hang up where they are sent one. */
const unfit = /[+#]|\p{Cc}/u
/** MQTT 3.2.2.3. */
const returnCodes = { identifier: 2, unavailable: 3, credentials: 4, notAuthorized: 5 } as const

/** What a client has published under an owned prefix. `passOn` hands it to subscribers too; `discard` counts it as refused. */
export type Receive = (message: ReceivedMessage) => 'passOn' | 'discard'

export interface ReceivedMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly by: { readonly name: string; readonly role: Role }
}

/** Who may come in. */
export interface DoorKeeper {
  admit(credentials: {
    readonly user?: string
    readonly password?: Uint8Array
    readonly remoteAddress?: string
  }): { readonly isAdmitted: true; readonly role: Role } | { readonly isAdmitted: false; readonly fault: Fault }
}

export interface ClientsOptions {
  readonly config: MqttConfig
  readonly access: DoorKeeper
  readonly router: Router<ConnectedClient>
  readonly clock: Clock
  readonly incidents: Incidents
}

/** Everybody who is connected, and what each may do: aedes' hooks. */
export class Clients {
  readonly #options: ClientsOptions
  /** Also those that have gone, as long as aedes speaks of them: their wills come last. */
  readonly #known = new WeakMap<Client, ConnectedClient>()
  readonly #connected = new Set<ConnectedClient>()
  readonly #broken = new WeakSet<Client>()
  readonly #claims = new WeakMap<Client, 'fits' | 'doesNotFit'>()
  /** Client ids with a session that outlives the connection. */
  readonly #sessions = new Set<string>()
  readonly #owners: { readonly prefix: string; readonly receive: Receive }[] = []
  #values: ValueFanOut | undefined
  #received = 0

  constructor(options: ClientsOptions) {
    this.#options = options
  }

  hooks(): AedesOptions {
    return {
      preConnect: (client, packet, done) => {
        const isNameless = packet.clientId === '' && packet.clean === false
        this.#claims.set(client, isNameless || packet.clientId.length > clientIdMax ? 'doesNotFit' : 'fits')
        done(null, true)
      },
      authenticate: (client, user, password, done) => {
        const refusal = this.#enter(client, { user, password })
        done(refusal ?? null, refusal === undefined)
      },
      authorizePublish: (client, packet, done) => {
        if (client !== null) this.#publish(client, packet)
        done(null)
      },
      authorizeSubscribe: (client, subscription, done) => done(null, this.#maySubscribe(client, subscription) ? subscription : null),
      authorizeForward: (client, packet) => this.#forward(client, packet),
    }
  }

  follow(aedes: Aedes): void {
    aedes.on('connackSent', (_packet, client) => this.#ready(client))
    aedes.on('subscribe', (subscriptions, client) => this.#subscribed(client, subscriptions))
    aedes.on('unsubscribe', (filters, client) => {
      for (const filter of filters) this.#known.get(client)?.filters.delete(filter)
    })
    const broken = (client: Client, error: Error): void => {
      // Gone, or refused by us and noted as such; and of one client aedes may tell several times.
      if (isOrdinaryEnd(error) || 'returnCode' in error || this.#broken.has(client)) return
      this.#broken.add(client)
      this.#options.incidents.note(incidentKinds.malformed, { client: client.id, error: error.message })
    }
    aedes.on('clientError', broken)
    aedes.on('connectionError', broken)
  }

  own(prefix: string, receive: Receive): Disposable {
    const owner = { prefix, receive }
    this.#owners.push(owner)
    return { [Symbol.dispose]: () => void this.#owners.splice(this.#owners.indexOf(owner), 1) }
  }

  serve(values: ValueFanOut): void {
    this.#values = values
    for (const client of this.#connected) values.offer(client.reader, [...client.filters], 'retained')
  }

  dropStalled(): void {
    const now = this.#options.clock.elapsed()
    for (const client of this.#connected) if (client.isStalled(now)) this.#drop(client, incidentKinds.stalled)
  }

  metrics(): readonly Metric[] {
    const help = 'Tag values that a slow client did not see because newer ones came.'
    return [
      { name: 'lineside_mqtt_clients', help: 'Clients connected.', type: 'gauge', value: this.#connected.size },
      { name: 'lineside_mqtt_sessions', help: 'Sessions that outlive their connection.', type: 'gauge', value: this.#sessions.size },
      { name: 'lineside_mqtt_received_total', help: 'Messages published by clients.', type: 'counter', value: this.#received },
      { name: 'lineside_mqtt_values_sent_total', help: 'Tag values sent to clients.', type: 'counter', value: this.#values?.sent ?? 0 },
      { name: 'lineside_mqtt_values_overtaken_total', help, type: 'counter', value: this.#values?.overtaken ?? 0 },
    ]
  }

  #enter(
    client: Client,
    shown: { readonly user: string | undefined; readonly password: Buffer | undefined },
  ): AuthenticateError | undefined {
    const { access, incidents, config, clock } = this.#options
    const socket = client.conn
    if (!(socket instanceof Socket)) throw new Error('a client without a socket')
    if (socket.destroyed) return refusal(returnCodes.unavailable) // it has gone, and its address with it
    const { remoteAddress } = socket
    const fields = { client: client.id, address: remoteAddress }
    if (this.#claims.get(client) !== 'fits') return refuse(incidents, incidentKinds.identifier, { fields, code: returnCodes.identifier })
    const { user, password } = shown
    const admission = access.admit({
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { password }),
      ...(remoteAddress === undefined ? {} : { remoteAddress }),
    })
    if (!admission.isAdmitted) {
      const code = user === undefined ? returnCodes.notAuthorized : returnCodes.credentials
      const why = { code: admission.fault.code, remedy: admission.fault.remedy }
      return refuse(incidents, incidentKinds.notAdmitted, { fields: { ...fields, ...why }, code })
    }
    if (client.clean) this.#sessions.delete(client.id)
    else if (!this.#sessions.has(client.id) && this.#sessions.size >= config.limits.sessionsMax) {
      return refuse(incidents, incidentKinds.tooManySessions, { fields, code: returnCodes.unavailable })
    } else this.#sessions.add(client.id)
    const name = user ?? client.id
    const connected = new ConnectedClient({ aedes: client, socket, role: admission.role, name, now: clock.elapsed() })
    this.#known.set(client, connected)
    this.#connected.add(connected)
    socket.on('close', () => this.#connected.delete(connected))
    return undefined
  }

  /** The client has its CONNACK. Where a session goes on, its subscriptions stand already and its values may have changed meanwhile. */
  #ready(aedes: Client): void {
    const client = this.#known.get(aedes)
    if (client === undefined) return
    client.socket.on('drain', () => this.#values?.catchUp(client.reader))
    const restored = Object.keys(subscriptionsOf(aedes))
    for (const filter of restored) client.filters.add(filter)
    this.#introduce(client)
    this.#values?.offer(client.reader, restored, 'live')
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

  #maySubscribe(aedes: Client, { topic }: Subscription): boolean {
    const client = this.#known.get(aedes)
    if (client === undefined) return false
    const isFull = !client.filters.has(topic) && client.filters.size >= this.#options.config.limits.subscriptionsMax
    // `$share/…` is not offered: taken literally it would look granted and never deliver. Other `$` topics are the broker's own affairs.
    if (isFull || topic.startsWith('$')) {
      this.#options.incidents.note(incidentKinds.notSubscribed, { client: aedes.id, filter: topic.slice(0, 200) })
      return false
    }
    client.filters.add(topic)
    return true
  }

  /** Changes the packet where it may not be published as it is: an error would close the connection, and the client would come back and try again. */
  #publish(aedes: Client, packet: PublishPacket): void {
    this.#received += 1
    const owner = this.#owners.find(({ prefix }) => packet.topic.startsWith(prefix))
    const client = this.#known.get(aedes)
    // A closed client publishes its will: it must not command anything, least of all because a cable broke.
    const isTaken = client !== undefined && this.#verdict(client, packet, owner?.receive) === 'passOn'
    if (isTaken && owner !== undefined) packet.retain = false
    if (isTaken) return
    this.#options.incidents.note(incidentKinds.notPublished, { client: aedes.id, topic: packet.topic.slice(0, 200) })
    packet.topic = nowhere
    packet.payload = Buffer.alloc(0)
    packet.retain = false
  }

  #verdict(client: ConnectedClient, { topic, payload }: PublishPacket, receive: Receive | undefined): 'passOn' | 'discard' {
    if (unfit.test(topic) || topic === '') return 'discard'
    if (receive === undefined) return roleAllows(client.role, 'operator') && !topic.startsWith('$') ? 'passOn' : 'discard'
    if (client.aedes.closed) return 'discard'
    return receive({ topic, payload: Buffer.from(payload), by: { name: client.name, role: client.role } })
  }

  /** The last look before a packet is written to a client: its socket has room, and the QoS is one it was granted. */
  #forward(aedes: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    const client = this.#known.get(aedes)
    if (client === undefined) return packet
    const { unreadBytesMax } = this.#options.config.limits
    const unread = client.socket.writableLength
    if (unread > unreadBytesMax) this.#drop(client, incidentKinds.overrun)
    else if (packet.qos === 0 && unread > unreadBytesMax / 4) this.#options.incidents.note(incidentKinds.skipped, { client: aedes.id })
    else {
      // aedes looks the granted QoS up by the topic, so that it finds none for a filter with wildcards.
      if (packet.qos > 0 && (packet.retain || packet.qos === 2)) packet.qos = lower(packet.qos, qosFor(aedes, packet.topic))
      return packet
    }
    return null
  }

  #drop(client: ConnectedClient, sentence: string): void {
    const { aedes, socket } = client
    if (!this.#connected.delete(client)) return
    this.#options.incidents.note(sentence, { client: aedes.id, address: socket.remoteAddress, unreadBytes: socket.writableLength })
    socket.destroy()
  }
}

function refuse(
  incidents: Incidents,
  sentence: string,
  { fields, code }: { readonly fields: Readonly<Record<string, unknown>>; readonly code: number },
): AuthenticateError {
  incidents.note(sentence, fields)
  return refusal(code)
}

function refusal(returnCode: number): AuthenticateError {
  return Object.assign(new Error('refused'), { returnCode })
}

/** aedes keeps them on the client, but does not declare them. */
function subscriptionsOf(client: Client): Readonly<Record<string, { readonly func: Deliver; readonly qos: number }>> {
  return (client as unknown as { readonly subscriptions: Readonly<Record<string, { readonly func: Deliver; readonly qos: number }>> })
    .subscriptions
}

/** The highest QoS that the client was granted for this topic. */
function qosFor(client: Client, topic: string): number {
  let highest = 0
  for (const [filter, { qos }] of Object.entries(subscriptionsOf(client))) {
    if (qos > highest && matchesFilter(topic, filter)) highest = qos
    if (highest === 2) break
  }
  return highest
}

function lower(qos: 0 | 1 | 2, ceiling: number): 0 | 1 | 2 {
  if (ceiling === 0) return 0
  return ceiling < qos ? 1 : qos
}

/** A peer that went without a word is everyday life, not an incident. */
function isOrdinaryEnd(error: Error): boolean {
  const code = 'code' in error ? error.code : undefined
  return code === 'ECONNRESET' || code === 'EPIPE' || error.message === 'connection closed'
}
