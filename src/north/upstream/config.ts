import { z } from 'zod'
import type { SecretRef } from '../../base/secret.ts'
import { secretSchema } from '../../base/secret-schema.ts'
import { durationSchema, sizeSchema } from '../../base/units.ts'
import { type SparkplugConfig, sparkplugConfigSchema } from './sparkplug/config.ts'

/** One broker above us. Plain data: the password is a name until it is used. */
export interface UpstreamConfig {
  /** `mqtt://HOST:PORT` or `mqtts://HOST:PORT`. */
  readonly url: string
  readonly format: 'uns' | 'sparkplug'
  /** Where the format is sparkplug. */
  readonly sparkplug?: SparkplugConfig
  /** Topic filters: what matches one of them goes up. */
  readonly send: readonly string[]
  /** MQTT client id; absent: made of node and upstream. */
  readonly clientId?: string
  readonly user?: string
  readonly password?: SecretRef
  /** Messages under way at once, not yet acknowledged. */
  readonly inflightMax: number
  readonly keepaliveMs: number
  readonly buffer: UpstreamBuffer
}

/** What may wait for this upstream on the disk. */
export interface UpstreamBuffer {
  readonly sizeBytesMax: number
  readonly ageMs: number
  readonly full: 'drop-oldest' | 'refuse'
}

const bufferSchema = z
  .strictObject({
    size: sizeSchema({ min: '1MiB' })
      .default(1024 ** 3)
      .describe('How much may wait on the disk while the upstream is away.'),
    age: durationSchema({ min: '1m' })
      .default(7 * 86_400_000)
      .describe('What has waited longer is dropped, and counted.'),
    full: z.enum(['drop-oldest', 'refuse']).default('drop-oldest').describe('When it is full: drop the oldest, or take nothing more.'),
  })
  .prefault({})
  .transform(({ size, age, full }): UpstreamBuffer => ({ sizeBytesMax: size, ageMs: age, full }))

// Each level is free text or one `+`; `#` stands last. Linear: no level can hold a slash.
const filterPattern = /^(?:#|(?:[^+#/]*|\+)(?:\/(?:[^+#/]*|\+))*(?:\/#)?)$/

const topicFilterSchema = z
  .string()
  .min(1)
  .max(1_024)
  .regex(filterPattern, 'a topic filter has + for one whole level and # only at its end: acme/+/press-07/#')

const urlSchema = z
  .string()
  .max(1_024)
  .refine(isBrokerUrl, 'an upstream is mqtt://HOST:PORT or mqtts://HOST:PORT; user and password are keys of their own')
  .describe('mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS checked against the certificates this machine trusts.')

/** One of `upstreams:` in lineside.yaml. */
export const upstreamConfigSchema = z
  .strictObject({
    url: urlSchema,
    format: z
      .enum(['uns', 'sparkplug'])
      .default('uns')
      .describe('How values are written: uns is the JSON of our own topics, sparkplug is Sparkplug B 3.0.'),
    sparkplug: sparkplugConfigSchema(urlSchema).optional().describe('Names and roles, where the format is sparkplug.'),
    send: z.array(topicFilterSchema).min(1).max(100).default(['#']).describe('What goes up, by topic filter.'),
    client: z.string().min(1).max(128).optional().describe('MQTT client id. Default: made of the node and the name of the upstream.'),
    user: z.string().min(1).max(256).optional().describe('User name at the upstream broker.'),
    password: secretSchema.optional(),
    inflight: z.number().int().min(1).max(1_000).default(100).describe('Messages sent and not yet acknowledged, at most.'),
    keepalive: durationSchema({ min: '1s', max: '1h' })
      .default(30_000)
      .describe('A broker that says nothing for this long while it owes an answer is given up, and called again.'),
    buffer: bufferSchema.describe('What may wait on the disk while the upstream is away.'),
  })
  .refine(({ user, password }) => password === undefined || user !== undefined, { message: 'a password needs a user', path: ['user'] })
  .refine(({ format, sparkplug }) => (format === 'sparkplug') === (sparkplug !== undefined), {
    message: 'format: sparkplug and the key sparkplug, with its group, belong together',
    path: ['sparkplug'],
  })
  .transform(
    ({ client, user, password, inflight, keepalive, sparkplug, ...config }): UpstreamConfig => ({
      ...config,
      ...(sparkplug === undefined ? {} : { sparkplug }),
      ...(client === undefined ? {} : { clientId: client }),
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { password }),
      inflightMax: inflight,
      keepaliveMs: keepalive,
    }),
  )

function isBrokerUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'mqtt:' && url.protocol !== 'mqtts:')) return false
  const hasExtra = url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== ''
  return url.hostname !== '' && !hasExtra && (url.pathname === '' || url.pathname === '/')
}
