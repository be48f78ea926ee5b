import { type EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Aedes } from 'aedes'
import { writeToStream } from 'mqtt-packet'
import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import { firstFailure, type Running, startLoop } from '../../base/running.ts'
import type { LocalMessage } from '../../control/contract.ts'
import { Clients, type DoorKeeper, incidentKinds, type Receive } from './clients.ts'
import type { MqttConfig } from './config.ts'
import type { ConnectedClient } from './connected-client.ts'
import { Incidents } from './incidents.ts'
import { PacketGate } from './packet-gate.ts'
import { type AedesPersistence, type Bounds, boundPersistence } from './persistence.ts'
import { Router } from './router.ts'
import { ValueFanOut, type ValueSource } from './values.ts'

/** The embedded MQTT broker, seen from inside. Nothing here ever waits for a subscriber. */
export interface Broker extends Running {
  readonly port: number
  /** Resolves when each message is retained, queued for who is away, and handed to who is here. */
  publish(messages: readonly LocalMessage[]): Promise<void>
  /** Serves current values as retained topics; the answer is to be called with the places that changed. */
  serveValues(source: ValueSource): (places: Iterable<number>) => void
  /** No client may publish under `prefix`, except what `receive` takes. */
  own(prefix: string, receive: Receive): Disposable
  metrics(): readonly Metric[]
}

export interface BrokerOptions {
  readonly config: MqttConfig
  readonly access: DoorKeeper
  readonly clock: Clock
  readonly log: Log
}

const aedesLimits = {
  /** From the first byte to a whole CONNECT. */
  connectTimeout: 5_000,
  /** aedes' own idea of a stalled client is any that has not emptied its socket's queue for this long, however fast it reads. Ours comes first. */
  drainTimeout: 600_000,
  maxClientsIdLength: 256,
} as const
const sweepPauseMs = 1_000
/** For the last words (`offline`) to reach those who read. */
const partingMs = 500
const partingPauseMs = 10

// The library would keep a buffer ready for each number of 16 bits: 8 MB, to save some nanoseconds a packet.
writeToStream.cacheNumbers = false

export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { config, clock, log } = options
  const incidents = new Incidents({ log, clock })
  const router = new Router<ConnectedClient>()
  const clients = new Clients({ config, access: options.access, router, clock, incidents })
  await using parts = new AsyncDisposableStack()
  const aedes = new Aedes({ ...clients.hooks(), mq: router, ...aedesLimits })
  await aedes.listen()
  const sockets = new Set<Socket>()
  parts.defer(async () => {
    await closeAedes(aedes)
    for (const socket of sockets) socket.destroy()
  })
  const broken = Promise.withResolvers<never>()
  const emitter: EventEmitter = aedes
  emitter.on('error', broken.reject)
  clients.follow(aedes)
  const bounds = boundPersistence(persistenceOf(aedes), config.limits)
  const server = parts.use(await openServer({ aedes, sockets, incidents, config, clock }))
  server.net.on('error', broken.reject)
  const sweeping = parts.use(startLoop((signal) => sweepForever(clients, clock, signal)))
  log.info('The MQTT broker listens.', { host: config.host, port: server.port })
  const started = parts.move()
  return {
    port: server.port,
    failure: firstFailure([sweeping, { failure: broken.promise }]),
    ...publishing({ aedes, clients, router, config, bounds, incidents }),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

async function sweepForever(clients: Clients, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(sweepPauseMs, signal)
    clients.dropStalled()
  }
}

interface Parts {
  readonly aedes: Aedes
  readonly clients: Clients
  readonly router: Router<ConnectedClient>
  readonly config: MqttConfig
  readonly bounds: Bounds
  readonly incidents: Incidents
}

function publishing({ aedes, clients, router, config, bounds, incidents }: Parts): Omit<Broker, 'port' | keyof Running> {
  let published = 0
  return {
    publish: async (messages) => {
      published += messages.length
      await Promise.all(messages.map((message) => publishOne(aedes, message)))
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
    own: (prefix, receive) => clients.own(prefix, receive),
    metrics: () => [
      ...clients.metrics(),
      counter('lineside_mqtt_published_total', 'Messages published by this gateway, without tag values.', published),
      gauge('lineside_mqtt_retained', 'Retained messages, without tag values.', bounds.retained.size),
      gauge('lineside_mqtt_retained_bytes', 'Their size.', bounds.retained.bytes),
      counter('lineside_mqtt_retained_refused_total', 'Messages passed on, but not retained: no room.', bounds.retained.refused),
      gauge('lineside_mqtt_offline_messages', 'Messages kept for sessions until they are acknowledged.', bounds.offlineMessages()),
      counter('lineside_mqtt_offline_lost_total', 'Messages not kept for a session: no room.', bounds.offlineLost()),
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

function publishOne(aedes: Aedes, { topic, payload, qos, isRetained }: LocalMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    const packet = { cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain: isRetained, dup: false } as const
    aedes.publish(packet, (error) => (error ? reject(error) : resolve()))
  })
}

interface ServerOptions {
  readonly aedes: Aedes
  readonly sockets: Set<Socket>
  readonly incidents: Incidents
  readonly config: MqttConfig
  readonly clock: Clock
}

interface OpenServer extends AsyncDisposable {
  readonly net: Server
  readonly port: number
}

async function openServer(options: ServerOptions): Promise<OpenServer> {
  const { incidents, config, sockets, clock } = options
  const net = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) =>
    receiveConnection(socket, options),
  )
  net.maxConnections = config.limits.clientsMax
  net.on('drop', () => incidents.note(incidentKinds.tooMany, { clientsMax: config.limits.clientsMax }))
  const port = await listen(net, config)
  const close = async (): Promise<void> => {
    net.close() // no new ones; those who are here may read to the end
    await letRead(sockets, clock)
  }
  return { net, port, [Symbol.asyncDispose]: close }
}

function receiveConnection(socket: Socket, { aedes, sockets, incidents, config }: ServerOptions): void {
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket))
  const { packetBytesMax } = config.limits
  const gate = new PacketGate({ packetBytesMax })
  const read = socket.read.bind(socket)
  // aedes takes its bytes by `read`: the one place where they can be looked at before its parser gathers them.
  socket.read = (size?: number): unknown => {
    const chunk: unknown = read(size)
    if (!(chunk instanceof Uint8Array) || gate.admits(chunk)) return chunk
    incidents.note(incidentKinds.tooLarge, { address: socket.remoteAddress, packetBytesMax })
    socket.destroy()
    return null
  }
  aedes.handle(socket)
}

async function listen(server: Server, { port, host }: MqttConfig): Promise<number> {
  server.listen({ port, host })
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new Fault('mqtt.cannot-listen', `The MQTT broker cannot listen on ${host}:${port}.`, {
      remedy: 'End what uses this port (`ss -ltnp` names it), or set `mqtt: { port, host }` in lineside.yaml.',
      cause,
    })
  }
  return (server.address() as AddressInfo).port
}

async function letRead(sockets: ReadonlySet<Socket>, clock: Clock): Promise<void> {
  const until = clock.elapsed() + partingMs
  do await clock.sleep(partingPauseMs)
  while (clock.elapsed() < until && sockets.values().some((socket) => socket.writableLength > 0))
}

function closeAedes(aedes: Aedes): Promise<void> {
  return new Promise((resolve) => aedes.close(resolve))
}

function persistenceOf(aedes: Aedes): AedesPersistence {
  return (aedes as unknown as { readonly persistence: AedesPersistence }).persistence
}
