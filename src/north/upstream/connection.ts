import type { IConnackPacket, MqttClient } from 'mqtt'
import { Fault } from '../../base/fault.ts'
import type { Running } from '../../base/running.ts'
import { cannotConnect } from './cannot-connect.ts'
import type { UpstreamConfig } from './config.ts'
import { credentials } from './credentials.ts'
import type { UpstreamFormat, UpstreamPacket } from './format.ts'
import { type OwnDoor, refuseOwnBroker } from './own-broker.ts'

/** A message from the far broker. */
export interface FarMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly isRetained: boolean
  readonly properties: Readonly<Record<string, string | readonly string[]>>
}

/** What counts where MQTT 5 is spoken is said of each filter. */
export interface Wanted {
  readonly filter: string
  /** Whether our own messages are to come down by it. */
  readonly own: 'with-own' | 'without-own'
  /** Whether a message that comes while we are there says that it was retained, as its publisher had it. */
  readonly retain: 'as-published' | 'as-stored'
}

/** Why the far broker did not take a message, as MQTT 5 says it in a PUBACK. */
export interface Refusal {
  readonly code: number
  readonly message: string
}

/** A connection to the far broker. Its `failure` rejects with a Fault as soon as it is lost; it never comes back by itself. */
export interface UpstreamConnection extends Running {
  readonly version: MqttVersion
  /** Messages that the far broker lets be under way at once. */
  readonly inflightMax: number
  /** The largest packet that it takes. */
  readonly packetBytesMax: number
  /** Calls back when the far broker has acknowledged or refused, and never if the connection is lost before that. */
  publish(packet: UpstreamPacket, onAnswer: (refusal?: Refusal) => void): void
  /** At QoS 0: may be lost. */
  whisper(packet: UpstreamPacket): void
  /** Asks for messages at QoS 1; gives the filters that the far broker refused. */
  subscribe(filters: readonly Wanted[]): Promise<readonly string[]>
  onMessage(listener: (message: FarMessage) => void): void
  /** Whether it was the far broker that ended it, in good order as far as TCP goes. */
  isHungUp(): boolean
}

/** As the protocol numbers them: 4 is 3.1.1. */
export type MqttVersion = 4 | 5

export interface ConnectOptions {
  readonly config: UpstreamConfig
  readonly version: MqttVersion
  readonly clientId: string
  readonly format: Pick<UpstreamFormat, 'will'>
  /** Of the embedded broker, which is nobody's upstream. */
  readonly ownDoors: readonly OwnDoor[]
}

const connectTimeoutMsMax = 10_000
/** What MQTT allows at most. */
const protocolInflightMax = 65_535
const protocolBytesMax = 268_435_460
/** The largest message that we take from above. */
const receivedBytesMax = 1024 ** 2
const receivedInflightMax = 100

/** Connects once; the signal limits connecting only. Throws the Fault `upstream.cannot-connect`, `upstream.version` where the far broker speaks another MQTT, or `upstream.own-broker`. */
export async function connectUpstream(options: ConnectOptions, signal: AbortSignal): Promise<UpstreamConnection> {
  const { config, version } = options
  const client = await openClient(options) // loaded where an upstream is, and nowhere else
  const connected = Promise.withResolvers<IConnackPacket>()
  const lost = Promise.withResolvers<never>()
  lost.promise.catch(() => {})
  let reason: unknown
  let isHungUp = false
  client.stream.once('end', () => {
    isHungUp = true
  })
  client.on('connect', (packet) => {
    // The library leaves Nagle's algorithm on: with a peer that delays its acknowledgements it holds small messages back for up to 40 ms.
    if ('setNoDelay' in client.stream && typeof client.stream.setNoDelay === 'function') client.stream.setNoDelay(true)
    connected.resolve(packet)
  })
  client.on('error', (error) => {
    reason ??= error
  })
  client.on('close', () => {
    const isWrong = version === 5 && (reason === undefined ? isHungUp : isWrongVersion(reason))
    connected.reject(isWrong ? wrongVersion(config) : cannotConnect(`The upstream broker ${config.url}`, reason))
    lost.reject(wasLost(config, reason))
  })
  const stop = (): void => connected.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const { properties } = await connected.promise
    refuseOwnBroker(config.url, client.stream, options.ownDoors)
    return {
      version,
      inflightMax: properties?.receiveMaximum ?? protocolInflightMax,
      packetBytesMax: properties?.maximumPacketSize ?? protocolBytesMax,
      failure: lost.promise,
      isHungUp: () => isHungUp && reason === undefined,
      ...talking(client, version),
      [Symbol.asyncDispose]: () => end(client),
    }
  } catch (error) {
    void end(client)
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** A fresh client for each connection: a used one would send again what its own store holds, in its own order. The outbox alone decides that. */
async function openClient({ config, version, clientId, format }: ConnectOptions): Promise<MqttClient> {
  const { connect } = await import('mqtt')
  const { will } = format
  return connect(config.url, {
    clientId,
    clean: true,
    protocolVersion: version,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    connectTimeout: Math.min(connectTimeoutMsMax, config.keepaliveMs),
    keepalive: Math.ceil(config.keepaliveMs / 1_000),
    will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: will.isRetained },
    ...(version === 5 ? { properties: { receiveMaximum: receivedInflightMax, maximumPacketSize: receivedBytesMax } } : {}),
    ...(await credentials(config)),
  })
}

type Talking = Pick<UpstreamConnection, 'publish' | 'whisper' | 'subscribe' | 'onMessage'>

function talking(client: MqttClient, version: MqttVersion): Talking {
  const send = (packet: UpstreamPacket, qos: 0 | 1, done: (error?: Error | null) => void): void => {
    const body = typeof packet.payload === 'string' ? packet.payload : Buffer.from(packet.payload)
    const properties =
      version === 5 && packet.properties !== undefined ? { properties: { userProperties: { ...packet.properties } } } : undefined
    client.publish(packet.topic, body, { qos, retain: packet.isRetained, ...properties }, done)
  }
  return {
    publish: (packet, onAnswer) =>
      send(packet, 1, (error) => {
        if (!error) return onAnswer()
        const code = 'code' in error ? error.code : undefined
        if (typeof code === 'number' && code >= 0x80) onAnswer({ code, message: error.message })
      }),
    whisper: (packet) => send(packet, 0, () => {}),
    subscribe: (filters) => subscribe(client, filters, version),
    onMessage: (listener) => {
      client.on('message', (topic, payload, { retain, properties }) =>
        listener({ topic, payload, isRetained: retain, properties: { ...properties?.userProperties } }),
      )
    },
  }
}

function subscribe(client: MqttClient, wanted: readonly Wanted[], version: MqttVersion): Promise<readonly string[]> {
  const options = ({ own, retain }: Wanted) => (version === 5 ? { nl: own === 'without-own', rap: retain === 'as-published' } : {})
  const filters = Object.fromEntries(wanted.map((one) => [one.filter, { qos: 1 as const, ...options(one) }]))
  return new Promise((resolve) => {
    client.subscribe(filters, (error, granted) => {
      if (error) return resolve(Object.keys(filters))
      resolve((granted ?? []).flatMap(({ topic, qos }) => (qos >= 0x80 ? [topic] : [])))
    })
  })
}

/** DISCONNECT where the socket takes it at once, so that the far broker keeps our will to itself. */
function end(client: MqttClient): Promise<void> {
  if (client.connected) client.stream.write(Buffer.from([0xe0, 0]))
  return new Promise((resolve) => {
    client.end(true, {}, () => resolve())
  })
}

/** CONNACK 1 of MQTT 3, 0x84 of MQTT 5. */
function isWrongVersion(reason: unknown): boolean {
  const code = reason instanceof Error && 'code' in reason ? reason.code : undefined
  return code === 1 || code === 0x84
}

function wrongVersion(config: UpstreamConfig): Fault {
  return new Fault('upstream.version', `The upstream broker ${config.url} does not take MQTT 5.`, {
    remedy: 'Nothing is lost. Set `version: 3.1.1` at this upstream, or leave `version` out: then 3.1.1 is tried by itself.',
    isRetryable: true,
  })
}

function wasLost(config: UpstreamConfig, cause: unknown): Fault {
  return new Fault('upstream.lost', `The connection to the upstream broker ${config.url} was lost.`, {
    remedy: 'Nothing is lost meanwhile; it is called again by itself.',
    isRetryable: true,
    ...(cause === undefined ? {} : { cause }),
  })
}
