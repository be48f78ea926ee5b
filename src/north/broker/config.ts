import { z } from 'zod'
import { hostSchema } from '../../base/host.ts'
import { durationSchema, sizeSchema } from '../../base/units.ts'
import type { Role } from '../../model/tag.ts'
import { type SparkplugHostConfig, sparkplugHostSchema } from './sparkplug/config.ts'

/** What the embedded broker holds at most. Each limit has its policy: see `describe`. */
export interface MqttLimits {
  readonly clientsMax: number
  readonly packetBytesMax: number
  readonly unreadBytesMax: number
  readonly subscriptionsMax: number
  readonly retainedMax: number
  readonly retainedBytesMax: number
  readonly sessionsMax: number
  readonly sessionAgeMs: number
  readonly offlineMessagesMax: number
  readonly offlineBytesMax: number
  readonly connectsPerSecondMax: number
  readonly packetsPerSecondMax: number
  readonly unacknowledgedMax: number
}

/** Who comes without credentials. */
export interface Anonymous {
  readonly role: Role
  /** Also from other machines; else over the loopback interface only. */
  readonly isFromAnywhere: boolean
}

/** The same over TLS, at a port of its own. Paths are absolute once the site is loaded. */
export interface MqttTlsConfig {
  readonly port: number
  readonly host?: string | undefined
  readonly cert: string
  readonly key: string
  readonly ca?: string | undefined
  readonly clientCertificates: 'none' | 'optional' | 'required'
}

export interface MqttWebSocketConfig {
  readonly port: number
  readonly host?: string | undefined
  /** With the certificate of `tls`. */
  readonly isEncrypted: boolean
  /** Pages that may come in beside those of this gateway. */
  readonly origins: readonly string[]
}

export interface MqttConfig {
  /** 0 takes any free port: for tests. */
  readonly port: number
  readonly host: string
  readonly tls?: MqttTlsConfig
  readonly websocket?: MqttWebSocketConfig
  /** Between two publications of the `$SYS` topics. */
  readonly sysMs: number
  /** Absent: nobody without credentials. */
  readonly anonymous?: Anonymous
  /** Absent: Sparkplug messages pass as any others. */
  readonly sparkplug?: SparkplugHostConfig
  readonly limits: MqttLimits
}

const limitsSchema = z
  .strictObject({
    clients: z.number().int().min(1).max(10_000).default(200).describe('Connections at once; one more is closed at once.'),
    packet: sizeSchema({ min: '1KiB' })
      .default(256 * 1024)
      .describe('Largest packet a client may send; a larger one closes its connection.'),
    unread: sizeSchema({ min: '256KiB' })
      .default(1024 * 1024)
      .describe(
        'Bytes that may wait for a slow client. Past a quarter it gets only the latest of each tag and no other QoS 0 messages; past all of it, it is disconnected.',
      ),
    subscriptions: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(1_000)
      .describe('Topic filters of one client; one more is refused in the SUBACK.'),
    retained: z
      .number()
      .int()
      .min(0)
      .default(10_000)
      .describe('Retained messages of clients and flows (tags are not counted); one more is passed on, but not retained.'),
    retainedSize: sizeSchema()
      .default(16 * 1024 * 1024)
      .describe('The same, as the sum of their topics and payloads.'),
    sessions: z
      .number()
      .int()
      .min(0)
      .max(10_000)
      .default(100)
      .describe('Clients whose session is kept while they are away (clean session off); one more is refused.'),
    sessionAge: durationSchema({ min: '1s' })
      .default(7 * 24 * 60 * 60 * 1000)
      .describe('How long a client may be away before its session ends, and what is kept for it is dropped.'),
    offlineMessages: z
      .number()
      .int()
      .min(0)
      .max(50_000)
      .default(1_000)
      .describe('QoS 1 and 2 messages kept for each of them; once it is full, newer ones are not kept.'),
    offlineSize: sizeSchema()
      .default(64 * 1024 * 1024)
      .describe('The payloads of all of these together.'),
    connectRate: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(100)
      .describe('Connections a second from one address, after a first rush of as many as may be connected; others are closed at once.'),
    messageRate: z
      .number()
      .int()
      .min(10)
      .max(1_000_000)
      .default(25_000)
      .describe('Packets a second of one client; past it the gateway reads no more from it until the second is over, and nothing is lost.'),
    unacknowledged: z
      .number()
      .int()
      .min(1)
      .max(65_535)
      .default(10_000)
      .describe('QoS 1 and 2 messages that one client may owe the acknowledgement of; past it, it is disconnected.'),
  })
  .prefault({})
  .transform(
    (limits): MqttLimits => ({
      clientsMax: limits.clients,
      packetBytesMax: limits.packet,
      unreadBytesMax: limits.unread,
      subscriptionsMax: limits.subscriptions,
      retainedMax: limits.retained,
      retainedBytesMax: limits.retainedSize,
      sessionsMax: limits.sessions,
      sessionAgeMs: limits.sessionAge,
      offlineMessagesMax: limits.offlineMessages,
      offlineBytesMax: limits.offlineSize,
      connectsPerSecondMax: limits.connectRate,
      packetsPerSecondMax: limits.messageRate,
      unacknowledgedMax: limits.unacknowledged,
    }),
  )

const anonymousSchema = z
  .union([
    z.boolean(),
    z.strictObject({
      role: z.enum(['viewer', 'operator', 'engineer', 'admin']).describe('What a client without credentials may do.'),
      anywhere: z.boolean().default(false).describe('Also from other machines, not only from this one.'),
    }),
  ])
  .default(false)
  .transform((anonymous): Anonymous | undefined => {
    if (typeof anonymous === 'object') return { role: anonymous.role, isFromAnywhere: anonymous.anywhere }
    return anonymous ? { role: 'viewer', isFromAnywhere: false } : undefined
  })
  .describe(
    'Clients without credentials: false refuses them, true lets them read from this machine, { role: operator } lets them write too.',
  )

const pathSchema = z
  .string()
  .min(1)
  .max(1_000)
  .refine((path) => !path.includes('\0'), 'a path holds no NUL')

const tlsSchema = z
  .strictObject({
    port: z.number().int().min(0).max(65_535).default(8883).describe('TCP port for MQTT over TLS 1.2 or later.'),
    host: hostSchema.optional().describe('Address to listen on. Default: that of `mqtt`.'),
    cert: pathSchema.describe('PEM file of the certificate with its chain, relative to the site; a renewed one counts within seconds.'),
    key: pathSchema.describe('PEM file of its key.'),
    ca: pathSchema.optional().describe('PEM file of the authorities whose client certificates count.'),
    clientCertificates: z
      .enum(['none', 'optional', 'required'])
      .default('none')
      .describe(
        'Whether clients may, or must, show a certificate of `ca`; `lineside user add --certificate NAME` says whom it stands for.',
      ),
  })
  .refine(({ ca, clientCertificates }) => clientCertificates === 'none' || ca !== undefined, {
    path: ['ca'],
    error: 'client certificates need the `ca` that has signed them',
  })

const websocketSchema = z
  .strictObject({
    port: z.number().int().min(0).max(65_535).default(9001).describe('TCP port for MQTT over WebSocket.'),
    host: hostSchema.optional().describe('Address to listen on. Default: that of `mqtt`.'),
    tls: z.boolean().default(false).describe('Encrypted, with the certificate of `mqtt.tls`.'),
    origins: z
      .array(z.url({ protocol: /^https?$/ }).max(300))
      .max(20)
      .default([])
      .describe('Web pages that may connect, like https://scada.plant.example; those of this host always may.'),
  })
  .transform(({ tls, ...websocket }): MqttWebSocketConfig => ({ ...websocket, isEncrypted: tls }))

/** `mqtt:` in lineside.yaml. */
export const mqttConfigSchema = z
  .strictObject({
    port: z.number().int().min(0).max(65_535).default(1883).describe('TCP port of the embedded broker.'),
    host: hostSchema.default('127.0.0.1').describe('Address to listen on; 0.0.0.0 for every interface.'),
    anonymous: anonymousSchema,
    tls: tlsSchema.optional().describe('MQTT over TLS, at a port of its own.'),
    websocket: websocketSchema.optional().describe('MQTT over WebSocket, for pages in a browser.'),
    sysInterval: durationSchema({ min: '1s', max: '1h' }).default(10_000).describe('Between two publications of the $SYS counters.'),
    limits: limitsSchema,
    sparkplug: sparkplugHostSchema.optional().describe('The gateway as host application of the Sparkplug edge nodes at its broker.'),
  })
  .refine(({ tls, websocket }) => websocket?.isEncrypted !== true || tls !== undefined, {
    path: ['websocket', 'tls'],
    error: 'an encrypted WebSocket needs the certificate of `mqtt.tls`',
  })
  .transform(
    ({ anonymous, tls, websocket, sysInterval, sparkplug, ...config }): MqttConfig => ({
      ...config,
      sysMs: sysInterval,
      ...(tls === undefined ? {} : { tls }),
      ...(websocket === undefined ? {} : { websocket }),
      ...(anonymous === undefined ? {} : { anonymous }),
      ...(sparkplug === undefined ? {} : { sparkplug }),
    }),
  )
