import type { MqttClient } from 'mqtt'
import type { Clock, MonotonicMs } from '../../../base/clock.ts'
import { Fault } from '../../../base/fault.ts'
import { type Running, startLoop } from '../../../base/running.ts'
import { cannotConnect } from '../cannot-connect.ts'
import type { UpstreamConfig } from '../config.ts'
import { credentials } from '../credentials.ts'
import { type OwnDoor, refuseOwnBroker } from '../own-broker.ts'

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
  /** When the last answer came; the connection itself is the first. */
  readonly answeredAt: MonotonicMs
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
  /** Of the embedded broker, which is nobody's upstream. */
  readonly ownDoors: readonly OwnDoor[]
  /** Something has changed: an answer came, or the connection is lost. */
  readonly onChange: () => void
  readonly clock: Clock
}

const connectTimeoutMsMax = 10_000
const goodbyeMs = 1_000
/** Questions within the time after which a server without an answer is given up. */
const pingsPerAge = 3

/** Connects once, with a will of its own, and subscribes; the signal limits that alone. Throws the Fault `upstream.cannot-connect` or `upstream.own-broker`. */
export async function connectLink(options: LinkOptions, signal: AbortSignal): Promise<Link> {
  const client = await openClient(options)
  const lost = Promise.withResolvers<never>()
  lost.promise.catch(() => {})
  const connected = Promise.withResolvers<void>()
  let reason: unknown
  client.on('connect', () => {
    // Else Nagle's algorithm holds small messages back for up to 40 ms.
    if ('setNoDelay' in client.stream && typeof client.stream.setNoDelay === 'function') client.stream.setNoDelay(true)
    connected.resolve()
  })
  client.on('error', (error) => {
    reason ??= error
  })
  client.on('close', () => {
    connected.reject(cannotConnect(`The Sparkplug server ${options.url}`, reason))
    lost.reject(wasLost(options.url, reason))
    options.onChange()
  })
  client.on('message', (topic, payload) => options.onMessage(topic, payload))
  const pings = countPings(client, options)
  const stop = (): void => connected.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    await connected.promise
    refuseOwnBroker(options.url, client.stream, options.ownDoors)
    await Promise.race([subscribe(client, options), lost.promise])
  } catch (error) {
    void end(client)
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
  const { canaryMs } = options.config
  const asking =
    canaryMs === undefined ? undefined : startAsking({ client, pings, ageMsMax: canaryMs, clock: options.clock, onSilent: lost.reject })
  return linkOf(client, { pings, asking, lost: lost.promise })
}

interface LinkParts {
  readonly pings: Pings
  readonly asking: Running | undefined
  readonly lost: Promise<never>
}

function linkOf(client: MqttClient, { pings, asking, lost }: LinkParts): Link {
  return {
    failure: lost,
    sayGoodbye: (topic, payload, clock) => sayGoodbye(client, { topic, payload, clock, lost }),
    [Symbol.asyncDispose]: async () => {
      await asking?.[Symbol.asyncDispose]()
      await end(client)
    },
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
    get answeredAt() {
      return pings.answeredAt
    },
  }
}

interface Pings {
  sent: number
  answered: number
  answeredAt: MonotonicMs
}

interface Asking {
  readonly client: MqttClient
  readonly pings: Pings
  readonly ageMsMax: number
  readonly clock: Clock
  readonly onSilent: (fault: Fault) => void
}

/** The canary of Sparkplug, which lets no message of our own pass: a server that answers no PINGREQ, or takes none, is not there. */
function startAsking({ client, pings, ageMsMax, clock, onSilent }: Asking): Running {
  return startLoop(async (signal) => {
    while (!signal.aborted) {
      if (client.connected) client.sendPing()
      await clock.sleep(ageMsMax / pingsPerAge, signal).catch(() => {})
      const quietMs = clock.elapsed() - pings.answeredAt
      if (quietMs <= ageMsMax || signal.aborted) continue
      onSilent(halfOpen(quietMs))
      return
    }
  })
}

function halfOpen(quietMs: number): Fault {
  return new Fault('upstream.half-open', `The Sparkplug server has answered nothing for ${Math.round(quietMs)} ms.`, {
    remedy: 'Nothing is lost; it is called again. If this comes back, look at the network between: something lets packets disappear.',
    isRetryable: true,
  })
}

/** Counts the library's own keep-alive, too: servers answer in order, so that the numbers agree. */
function countPings(client: MqttClient, { clock, onChange }: LinkOptions): Pings {
  const pings = { sent: 0, answered: 0, answeredAt: clock.elapsed() }
  client.on('packetsend', ({ cmd }) => {
    if (cmd === 'pingreq') pings.sent += 1
  })
  client.on('packetreceive', ({ cmd }) => {
    if (cmd !== 'pingresp') return
    pings.answered += 1
    pings.answeredAt = clock.elapsed()
    onChange()
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

function wasLost(url: string, cause: unknown): Fault {
  return new Fault('upstream.lost', `The connection to the Sparkplug server ${url} was lost.`, {
    remedy: 'Nothing is lost meanwhile; it is called again by itself.',
    isRetryable: true,
    ...(cause === undefined ? {} : { cause }),
  })
}
