import type { MqttClient } from 'mqtt'
import type { Clock } from '../../../base/clock.ts'
import { Fault } from '../../../base/fault.ts'
import type { Running } from '../../../base/running.ts'
import type { UpstreamConfig } from '../config.ts'
import { credentials } from '../credentials.ts'

/** A connection to one server. Its `failure` rejects with a Fault as soon as it is lost; it never comes back by itself. */
export interface Link extends Running {
  /** At QoS 0, not retained. */
  publish(topic: string, payload: Uint8Array): void
  /** Asks the server for a sign of life; gives the number of the question. */
  ping(): number
  /** The last question that was answered: the server has taken in all that was sent before it. */
  readonly answered: number
  /** Questions not yet answered. */
  readonly owed: number
  /** Publishes the death, so that nobody need wait for the will. */
  sayGoodbye(topic: string, payload: Uint8Array, clock: Clock): Promise<void>
}

export interface LinkOptions {
  readonly url: string
  readonly config: UpstreamConfig
  readonly clientId: string
  readonly will: { readonly topic: string; readonly payload: Uint8Array }
  readonly subscriptions: readonly string[]
  readonly onMessage: (topic: string, payload: Uint8Array) => void
  /** Something has changed: an answer came, or the connection is lost. */
  readonly onChange: () => void
}

const connectTimeoutMsMax = 10_000
const goodbyeMs = 1_000

/** Connects once, with a will of its own, and subscribes; the signal limits that alone. Throws the Fault `upstream.cannot-connect`. */
export async function connectLink(options: LinkOptions, signal: AbortSignal): Promise<Link> {
  const client = await openClient(options)
  const lost = Promise.withResolvers<never>()
  lost.promise.catch(() => {})
  const connected = Promise.withResolvers<void>()
  let reason: unknown
  client.on('connect', () => connected.resolve())
  client.on('error', (error) => {
    reason ??= error
  })
  client.on('close', () => {
    connected.reject(cannotConnect(options.url, reason))
    lost.reject(wasLost(options.url, reason))
    options.onChange()
  })
  client.on('message', (topic, payload) => options.onMessage(topic, payload))
  const pings = countPings(client, options.onChange)
  const stop = (): void => connected.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    await connected.promise
    await Promise.race([subscribe(client, options), lost.promise])
  } catch (error) {
    client.end(true)
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
  return {
    failure: lost.promise,
    publish: (topic, payload) => void client.publish(topic, asBuffer(payload), { qos: 0, retain: false }),
    ping: () => {
      client.sendPing()
      return pings.sent
    },
    get answered() {
      return pings.answered
    },
    get owed() {
      return pings.sent - pings.answered
    },
    sayGoodbye: (topic, payload, clock) => sayGoodbye(client, { topic, payload, clock, lost: lost.promise }),
    [Symbol.asyncDispose]: () => end(client),
  }
}

/** Counts the library's own keep-alive, too: servers answer in order, so that the numbers agree. */
function countPings(client: MqttClient, onAnswer: () => void): { sent: number; answered: number } {
  const pings = { sent: 0, answered: 0 }
  client.on('packetsend', ({ cmd }) => {
    if (cmd === 'pingreq') pings.sent += 1
  })
  client.on('packetreceive', ({ cmd }) => {
    if (cmd !== 'pingresp') return
    pings.answered += 1
    onAnswer()
  })
  return pings
}

/** A fresh client for each connection: the library takes its will once, and the will must be that of this birth. */
async function openClient({ url, config, clientId, will }: LinkOptions): Promise<MqttClient> {
  const { connect } = await import('mqtt')
  return connect(url, {
    clientId,
    clean: true,
    protocolVersion: 4,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    connectTimeout: Math.min(connectTimeoutMsMax, config.keepaliveMs),
    keepalive: Math.ceil(config.keepaliveMs / 1_000),
    will: { topic: will.topic, payload: asBuffer(will.payload), qos: 1, retain: false },
    ...(await credentials(config)),
  })
}

async function subscribe(client: MqttClient, { url, subscriptions }: LinkOptions): Promise<void> {
  const granted = await client.subscribeAsync([...subscriptions], { qos: 1 })
  const refused = granted.find(({ qos }) => qos > 2)
  if (refused === undefined) return
  throw new Fault('upstream.subscription-refused', `The server ${url} does not let this gateway read ${refused.topic}.`, {
    remedy: 'Give its user there the right to read the topics of commands (NCMD, DCMD) and of the STATE of hosts.',
    isRetryable: true,
  })
}

interface Goodbye {
  readonly topic: string
  readonly payload: Uint8Array
  readonly clock: Clock
  readonly lost: Promise<never>
}

async function sayGoodbye(client: MqttClient, { topic, payload, clock, lost }: Goodbye): Promise<void> {
  const said = Promise.withResolvers<void>()
  using _timer = clock.after(goodbyeMs, () => said.resolve())
  client.publish(topic, asBuffer(payload), { qos: 1, retain: false }, () => said.resolve())
  await Promise.race([said.promise, lost]).catch(() => {})
}

/** DISCONNECT where the socket takes it at once, so that the server keeps our will to itself. */
function end(client: MqttClient): Promise<void> {
  if (client.connected) client.stream.write(Buffer.from([0xe0, 0]))
  return new Promise((resolve) => {
    client.end(true, {}, () => resolve())
  })
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function cannotConnect(url: string, cause: unknown): Fault {
  const why = cause instanceof Error ? cause.message || ('code' in cause ? String(cause.code) : cause.name) : 'it does not answer'
  return new Fault('upstream.cannot-connect', `The Sparkplug server ${url} cannot be reached: ${why}.`, {
    remedy: 'Nothing is lost meanwhile. Check address, port, user and password, and whether a firewall lets this machine out.',
    isRetryable: true,
    cause,
  })
}

function wasLost(url: string, cause: unknown): Fault {
  return new Fault('upstream.lost', `The connection to the Sparkplug server ${url} was lost.`, {
    remedy: 'Nothing is lost meanwhile; it is called again by itself.',
    isRetryable: true,
    ...(cause === undefined ? {} : { cause }),
  })
}
