import { z } from 'zod'
import { sizeSchema } from '../../base/units.ts'
import type { Role } from '../../model/tag.ts'

/** What the embedded broker holds at most. Each limit has its policy: see `describe`. */
export interface MqttLimits {
  readonly clientsMax: number
  readonly packetBytesMax: number
  readonly unreadBytesMax: number
  readonly subscriptionsMax: number
  readonly retainedMax: number
  readonly retainedBytesMax: number
  readonly sessionsMax: number
  readonly offlineMessagesMax: number
  readonly offlineBytesMax: number
}

/** Who comes without credentials. */
export interface Anonymous {
  readonly role: Role
  /** Also from other machines; else over the loopback interface only. */
  readonly isFromAnywhere: boolean
}

export interface MqttConfig {
  /** 0 takes any free port: for tests. */
  readonly port: number
  readonly host: string
  /** Absent: nobody without credentials. */
  readonly anonymous?: Anonymous
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
    offlineMessages: z
      .number()
      .int()
      .min(0)
      .max(100_000)
      .default(1_000)
      .describe('QoS 1 and 2 messages kept for each of them; once it is full, newer ones are not kept.'),
    offlineSize: sizeSchema()
      .default(64 * 1024 * 1024)
      .describe('The payloads of all of these together.'),
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
      offlineMessagesMax: limits.offlineMessages,
      offlineBytesMax: limits.offlineSize,
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

/** `mqtt:` in lineside.yaml. */
export const mqttConfigSchema = z
  .strictObject({
    port: z.number().int().min(0).max(65_535).default(1883).describe('TCP port of the embedded broker.'),
    host: z.string().min(1).max(255).default('127.0.0.1').describe('Address to listen on; 0.0.0.0 for every interface.'),
    anonymous: anonymousSchema,
    limits: limitsSchema,
  })
  .transform(({ anonymous, ...config }): MqttConfig => ({ ...config, ...(anonymous === undefined ? {} : { anonymous }) }))
