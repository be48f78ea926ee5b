import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { Aedes, type PublishPacket } from 'aedes'
import { writeToStream } from 'mqtt-packet'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import { firstFailure, type Running, startLoop } from '../../base/running.ts'
import type { LocalMessage } from '../../control/contract.ts'
import type { SiteEvent } from '../../model/event.ts'
import { isPublishable } from '../../model/topic.ts'
import { Acceptance } from './acceptance.ts'
import { Clients } from './clients.ts'
import type { MqttConfig } from './config.ts'
import type { ConnectedClient } from './connected-client.ts'
import type { DoorKeeper, Receive, ReceivedMessage } from './door-keeper.ts'
import { openDoors } from './doors.ts'
import { Doorway } from './doorway.ts'
import { Incidents, incidentKinds } from './incidents.ts'
import { type Keeping, startKeeping } from './keeping.ts'
import { Router } from './router.ts'
import type { SessionStore } from './session-keeper.ts'
import { Sys, type SysCounts } from './sys.ts'
import { serveSys } from './sys-serving.ts'
import { type TapOptions, Taps } from './taps.ts'
import { ValueFanOut, type ValueSource } from './values.ts'
import type { Will } from './wills.ts'

/** The embedded MQTT broker, seen from inside. Nothing here ever waits for a subscriber. */
export interface Broker extends Running {
  readonly port: number
  readonly tlsPort: number | undefined
  readonly websocketPort: number | undefined
  /** Speaks MQTT with somebody whom the kernel has let in. */
  receivePrivate(socket: Socket): void
  /** Resolves when each message is handed to who is here, and on the disk for who is away; rejects with `mqtt.not-kept` where only the latter fails. */
  publish(messages: readonly LocalMessage[]): Promise<void>
  /** Serves current values as retained topics; the answer is to be called with the places that changed. */
  serveValues(source: ValueSource): (places: Iterable<number>) => void
  /** No client may publish under `prefix`, except what `receive` takes; `forbidden` hears of what somebody's own rules do not let him. */
  own(prefix: string, receive: Receive, forbidden?: (message: ReceivedMessage) => void): Disposable
  /** Calls back with every message below `prefix` that has been published, wills and our own among them; must not block. */
  watch(prefix: string, listener: (topic: string, payload: Uint8Array) => void): Disposable
  metrics(): readonly Metric[]
}

export interface BrokerOptions {
  readonly config: MqttConfig
  readonly access: DoorKeeper
  readonly clock: Clock
  readonly log: Log
  /** Where sessions, retained messages and wills outlive this broker. */
  readonly store: SessionStore
  /** Retained topics below these are told anew at each start by who publishes them: they are not stored. */
  readonly transient?: readonly string[]
  /** Into the journal. */
  readonly record?: (event: SiteEvent) => void
  /** Who is to have messages kept before they are acknowledged: the routes. */
  readonly taps?: TapOptions
}

const noTaps: TapOptions = { filters: [], deliver: async () => {} }

const aedesLimits = {
  /** From the first byte to a whole CONNECT. */
  connectTimeout: 5_000,
  /** aedes' own idea of a stalled client is any that has not emptied its socket's queue for this long, however fast it reads. Ours comes first. */
  drainTimeout: 600_000,
  maxClientsIdLength: 256,
} as const
const sweepPauseMs = 1_000
const expiryPauseMs = 60_000
/** For clients that were connected when the broker was killed to come back; then their wills are published. */
const formerWillsAfterMs = 60_000
/** For the last words (`offline`) to reach those who read. */
const partingMs = 500
const partingPauseMs = 10

// The library would keep a buffer ready for each number of 16 bits: 8 MB, to save some nanoseconds a packet.
writeToStream.cacheNumbers = false

export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { config, clock, log, access } = options
  const incidents = new Incidents(options)
  const router = new Router<ConnectedClient>({ deliver: (client, packet, qos) => clients.deliver(client, packet, qos) })
  const doorway = new Doorway({ limits: config.limits, incidents, clock, receive: ({ stream }) => void aedes.handle(stream) })
  await using parts = new AsyncDisposableStack()
  const keeping = parts.use(await startKeeping({ transient: [], ...options, onMended: () => clients.dropRefused() }))
  const { sessions, persistence } = keeping
  const onRefused = (client: ConnectedClient): void => incidents.note(incidentKinds.notKept, client.who)
  const taps = parts.use(new Taps({ ...(options.taps ?? noTaps), clock, log, onDrained: () => clients.dropRefused() }))
  const acceptance = new Acceptance({ sessions, keeper: keeping.keeper, taps, onRefused })
  const clients = new Clients({ config, access, router, clock, incidents, doorway, sessions, persistence, acceptance })
  const aedes = new Aedes({ ...clients.hooks(), mq: router, persistence, ...aedesLimits })
  await aedes.listen()
  acceptance.follow(aedes)
  parts.defer(async () => {
    await closeAedes(aedes)
    doorway.closeAll()
  })
  const broken = Promise.withResolvers<never>()
  const emitter: EventEmitter = aedes
  emitter.on('error', broken.reject)
  clients.follow(aedes)
  const sys = new Sys({ counts: () => sysCounts({ clients, doorway, keeping }), clock })
  serveSys(persistence, sys)
  parts.defer(() => letRead(doorway, clock))
  const doors = parts.use(await openDoors({ config, doorway, incidents, clock, log }))
  parts.use(access.onChange(() => clients.dropRevoked()))
  const sweeping = parts.use(startLoop((signal) => sweepForever({ aedes, clients, keeping, acceptance, taps, doorway, clock }, signal)))
  const telling = parts.use(startLoop((signal) => tellForever({ sys, clients, aedes, clock, sysMs: config.sysMs }, signal)))
  const started = parts.move()
  return {
    port: doors.port,
    tlsPort: doors.tlsPort,
    websocketPort: doors.websocketPort,
    receivePrivate: (socket) => doorway.open({ door: 'private', socket }),
    failure: firstFailure([sweeping, telling, doors, keeping, taps, { failure: broken.promise }]),
    ...publishing({ aedes, clients, router, config, keeping, acceptance, taps, incidents }),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

interface Sweeping {
  readonly aedes: Aedes
  readonly keeping: Keeping
  readonly acceptance: Acceptance
  readonly taps: Taps
  readonly clients: Clients
  readonly doorway: Doorway
  readonly clock: Clock
}

async function sweepForever({ aedes, clients, keeping, acceptance, taps, doorway, clock }: Sweeping, signal: AbortSignal): Promise<void> {
  const { sessions } = keeping
  const begun = clock.elapsed()
  let expiredAt = begun
  while (!signal.aborted) {
    await clock.sleep(sweepPauseMs, signal)
    clients.dropStalled()
    doorway.sweep()
    acceptance.unblock()
    const now = clock.elapsed()
    if (now - begun > formerWillsAfterMs && sessions.isRestored) {
      for (const will of sessions.wills.takeFormer()) {
        void taps.take(will)
        aedes.publish(packetOf(will), () => {})
      }
    }
    if (now - expiredAt < expiryPauseMs) continue
    expiredAt = now
    sessions.expire()
  }
}

interface Telling {
  readonly sys: Sys
  readonly clients: Clients
  readonly aedes: Aedes
  readonly clock: Clock
  readonly sysMs: number
}

/** The averages have to go on; whether anybody reads is looked at before a text is made. */
async function tellForever({ sys, clients, aedes, clock, sysMs }: Telling, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(sysMs, signal)
    sys.tick()
    if (!clients.isSysRead()) continue
    for (const { topic, payload } of sys.messages()) await publishOne(aedes, { topic, payload, qos: 0, isRetained: false })
  }
}

function sysCounts({ clients, doorway, keeping }: Pick<Sweeping, 'clients' | 'doorway' | 'keeping'>): SysCounts {
  const { retained, counts, all } = keeping.sessions
  const { connected, connectedMax, connects, received, receivedBytes, sent, sentBytes, dropped } = clients.counts
  const { sockets, bytesRead, bytesWritten, packets, replies } = doorway.traffic()
  const publishSent = sent + clients.valuesSent
  return {
    clientsConnected: connected,
    clientsMaximum: connectedMax,
    connects,
    expired: counts.expired,
    sessions: all.size,
    subscriptions: clients.subscriptions(),
    sockets,
    bytesReceived: bytesRead,
    bytesSent: bytesWritten,
    messagesReceived: packets,
    messagesSent: publishSent + replies,
    publishReceived: received,
    publishReceivedBytes: receivedBytes,
    publishSent,
    publishSentBytes: sentBytes,
    publishDropped: dropped,
    retained: retained.size,
    stored: retained.size + counts.messages,
    storedBytes: retained.bytes + counts.bytes,
  }
}

interface Parts {
  readonly aedes: Aedes
  readonly clients: Clients
  readonly router: Router<ConnectedClient>
  readonly config: MqttConfig
  readonly keeping: Keeping
  readonly acceptance: Acceptance
  readonly taps: Taps
  readonly incidents: Incidents
}

function publishing({
  aedes,
  clients,
  router,
  config,
  keeping,
  acceptance,
  taps,
  incidents,
}: Parts): Pick<Broker, 'publish' | 'serveValues' | 'own' | 'watch' | 'metrics'> {
  let published = 0
  return {
    publish: async (asked) => {
      const messages = asked.filter(({ topic }) => {
        const isSound = isPublishable(topic) // an expression of the site may have made it of anything
        if (!isSound) incidents.note(incidentKinds.unfit, { topic: topic.slice(0, 200) })
        return isSound
      })
      published += messages.length
      await Promise.all(messages.map((message) => publishOne(aedes, message)))
      await Promise.all([keeping.ownKept(messages), taps.takeOwn(messages)])
    },
    serveValues: (source) => {
      const values = new ValueFanOut({
        source,
        readersOf: (topic) => router.clientsOf(topic).map((client) => client.reader),
        generation: () => router.generation,
        unreadBytesMax: config.limits.unreadBytesMax / 4,
      })
      clients.serve(values)
      return (places) => values.changed(places)
    },
    own: (prefix, receive, forbidden) => clients.own({ prefix, receive, forbidden }),
    watch: (prefix, listener) => watch(aedes, prefix, listener),
    metrics: () => [
      ...clients.metrics(),
      counter('lineside_mqtt_published_total', 'Messages published by this gateway, without tag values.', published),
      ...keeping.metrics(),
      ...taps.metrics(),
      gauge('lineside_mqtt_unkept', 'Messages that wait for the disk, and their publishers for the acknowledgement.', acceptance.waiting),
      counter('lineside_mqtt_unkept_refused_total', 'Messages not taken, for they could not be kept.', acceptance.refused),
      ...Object.entries(incidentKinds).map(([kind, sentence]) => ({
        ...counter('lineside_mqtt_incidents_total', 'What clients did that the broker did not let pass.', incidents.count(sentence)),
        labels: { kind },
      })),
    ],
  }
}

function counter(name: string, help: string, value: number): Metric {
  return { name, help, type: 'counter', value }
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, help, type: 'gauge', value }
}

function watch(aedes: Aedes, prefix: string, listener: (topic: string, payload: Uint8Array) => void): Disposable {
  const hear = ({ topic, payload }: { readonly topic: string; readonly payload: string | Buffer }): void => {
    if (topic.startsWith(prefix)) listener(topic, Buffer.from(payload as Buffer))
  }
  aedes.on('publish', hear)
  return { [Symbol.dispose]: () => void aedes.off('publish', hear) }
}

function publishOne(aedes: Aedes, { topic, payload, qos, isRetained }: LocalMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    aedes.publish(packetOf({ topic, payload, qos, retain: isRetained }), (error) => (error ? reject(error) : resolve()))
  })
}

async function letRead(doorway: Doorway, clock: Clock): Promise<void> {
  const until = clock.elapsed() + partingMs
  do await clock.sleep(partingPauseMs)
  while (clock.elapsed() < until && !doorway.isEmpty())
}

function closeAedes(aedes: Aedes): Promise<void> {
  return new Promise((resolve) => aedes.close(resolve))
}

function packetOf({ topic, payload, qos = 0, retain = false }: Will): PublishPacket {
  return { cmd: 'publish', topic, payload: Buffer.from(payload as string), qos: qos as 0 | 1 | 2, retain, dup: false }
}
