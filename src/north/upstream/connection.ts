import type { MqttClient } from 'mqtt'
import { Fault } from '../../base/fault.ts'
import type { Running } from '../../base/running.ts'
import { revealSecret } from '../../base/secret.ts'
import type { UpstreamConfig } from './config.ts'
import type { UpstreamFormat, UpstreamPacket } from './format.ts'

/** A connection to the far broker. Its `failure` rejects with a Fault as soon as it is lost; it never comes back by itself. */
export interface UpstreamConnection extends Running {
  /** Calls back when the far broker has acknowledged, and never if the connection is lost before that. */
  publish(packet: UpstreamPacket, onAcknowledged: () => void): void
}

export interface ConnectOptions {
  readonly config: UpstreamConfig
  readonly clientId: string
  readonly format: UpstreamFormat
}

const connectTimeoutMsMax = 10_000

/** Connects once; the signal limits connecting only. Throws the Fault `upstream.cannot-connect`. */
export async function connectUpstream(options: ConnectOptions, signal: AbortSignal): Promise<UpstreamConnection> {
  const { config } = options
  const client = await openClient(options) // loaded where an upstream is, and nowhere else
  const connected = Promise.withResolvers<void>()
  const lost = Promise.withResolvers<never>()
  lost.promise.catch(() => {})
  let reason: unknown
  client.on('connect', () => connected.resolve())
  client.on('error', (error) => {
    reason ??= error
  })
  client.on('close', () => {
    connected.reject(cannotConnect(config, reason))
    lost.reject(wasLost(config, reason))
  })
  const stop = (): void => connected.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    await connected.promise
  } catch (error) {
    client.end(true)
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
  return {
    failure: lost.promise,
    publish: (packet, onAcknowledged) => publish(client, packet, onAcknowledged),
    [Symbol.asyncDispose]: () => end(client),
  }
}

/** A fresh client for each connection: a used one would send again what its own store holds, in its own order. The outbox alone decides that. */
async function openClient({ config, clientId, format }: ConnectOptions): Promise<MqttClient> {
  const { connect } = await import('mqtt')
  const { will } = format
  return connect(config.url, {
    clientId,
    clean: true,
    protocolVersion: 4,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    connectTimeout: Math.min(connectTimeoutMsMax, config.keepaliveMs),
    keepalive: Math.ceil(config.keepaliveMs / 1_000),
    will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: will.isRetained },
    ...(config.user === undefined ? {} : { username: config.user }),
    ...(config.password === undefined ? {} : { password: revealSecret(config.password) }),
  })
}

function publish(client: MqttClient, { topic, payload, isRetained }: UpstreamPacket, onAcknowledged: () => void): void {
  const body = typeof payload === 'string' ? payload : Buffer.from(payload)
  client.publish(topic, body, { qos: 1, retain: isRetained }, (error) => {
    if (!error) onAcknowledged()
  })
}

/** DISCONNECT where the socket takes it at once, so that the far broker keeps our will to itself. */
function end(client: MqttClient): Promise<void> {
  if (client.connected) client.stream.write(Buffer.from([0xe0, 0]))
  return new Promise((resolve) => {
    client.end(true, {}, () => resolve())
  })
}

function cannotConnect(config: UpstreamConfig, cause: unknown): Fault {
  const why = cause instanceof Error ? cause.message || ('code' in cause ? String(cause.code) : cause.name) : 'it does not answer'
  return new Fault('upstream.cannot-connect', `The upstream broker ${config.url} cannot be reached: ${why}.`, {
    remedy: 'Nothing is lost meanwhile. Check address, port, user and password, and whether a firewall lets this machine out.',
    isRetryable: true,
    cause,
  })
}

function wasLost(config: UpstreamConfig, cause: unknown): Fault {
  return new Fault('upstream.lost', `The connection to the upstream broker ${config.url} was lost.`, {
    remedy: 'Nothing is lost meanwhile; it is called again by itself.',
    isRetryable: true,
    ...(cause === undefined ? {} : { cause }),
  })
}
