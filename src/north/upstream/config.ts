import { z } from 'zod'
import type { SecretRef } from '../../base/secret.ts'
import { secretSchema } from '../../base/secret-schema.ts'
import { durationSchema, sizeSchema } from '../../base/units.ts'
import { topicFilterSchema } from '../../model/topic-filter.ts'
import { type ReceiveRule, receiveSchema, type StreamFilters, streamsSchema, type TopicMapping, topicMapSchema } from './config-topics.ts'
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
  /** Absent: 5, and 3.1.1 where the far broker knows no 5. */
  readonly version?: 5 | '3.1.1'
  readonly tls?: UpstreamTls
  readonly map: readonly TopicMapping[]
  readonly receive: readonly ReceiveRule[]
  readonly streams: StreamFilters
  /** Absent: fifteen times the live rate, and 2,000 at least. */
  readonly backlogPerSecondMax?: number
  /** How old the echo of our canary may be; absent: there is none. */
  readonly canaryMs?: number
  readonly ledger: 'property' | 'payload' | 'off'
}

/** A PEM file by its path, or its text as a secret. */
export type PemSource = string | SecretRef

export interface UpstreamTls {
  readonly ca?: PemSource
  readonly cert?: PemSource
  readonly key?: PemSource
  readonly serverName?: string
  readonly isVerified: boolean
}

/** What may wait for this upstream on the disk. */
export interface UpstreamBuffer {
  readonly sizeBytesMax: number
  readonly ageMs: number
  readonly full: 'drop-oldest' | 'refuse'
  readonly thinShare: number
}

const bufferSchema = z
  .strictObject({
    size: sizeSchema({ min: '1MiB' })
      .default(1024 ** 3)
      .describe('How much may wait on the disk while the upstream is away.'),
    age: durationSchema({ min: '1m' })
      .default(7 * 86_400_000)
      .describe('What has waited longer is dropped, and counted.'),
    full: z
      .enum(['drop-oldest', 'refuse'])
      .default('drop-oldest')
      .describe('When it is full: thin trends, then drop the oldest of trends, events and states, in this order; or take nothing more.'),
    thin: z
      .number()
      .min(0)
      .max(0.5)
      .default(0.01)
      .describe('How far a thinned trend may be off, as a share of the span of its values: 0.01 is 1 %.'),
  })
  .prefault({})
  .transform(({ size, age, full, thin }): UpstreamBuffer => ({ sizeBytesMax: size, ageMs: age, full, thinShare: thin }))

const inflightDefault = 100

const pemSchema = z
  .union([z.string().regex(/^\/./, 'is no absolute path').max(4_096), secretSchema])
  .describe('The path of a PEM file, or the text of one as a secret. Read anew for each connection.')

const tlsSchema = z
  .strictObject({
    ca: pemSchema.optional().describe('Who signs the certificate of that broker. Default: the authorities that this machine trusts.'),
    cert: pemSchema.optional().describe('The certificate with which this gateway shows who it is.'),
    key: pemSchema.optional().describe('Its private key.'),
    serverName: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe('The name in the certificate of that broker, where it is not the one in the url.'),
    verify: z.boolean().default(true).describe('Off: anybody may pose as that broker.'),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), { message: 'cert and key belong together', path: ['cert'] })
  .transform(
    ({ verify, ca, cert, key, serverName }): UpstreamTls => ({
      isVerified: verify,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(serverName === undefined ? {} : { serverName }),
    }),
  )

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
    inflight: z.number().int().min(1).max(1_000).optional().describe('Messages sent and not yet acknowledged, at most. Default: 100.'),
    keepalive: durationSchema({ min: '1s', max: '1h' })
      .default(30_000)
      .describe('A broker that says nothing for this long while it owes an answer is given up, and called again.'),
    buffer: bufferSchema.describe('What may wait on the disk while the upstream is away.'),
    version: z
      .union([z.literal(5), z.literal('3.1.1')])
      .optional()
      .describe('Of MQTT. Default: 5, and 3.1.1 where that broker knows no 5.'),
    tls: tlsSchema.optional().describe('Certificates, where the url is mqtts.'),
    map: topicMapSchema
      .default([])
      .describe('Other topics up there: the first whose `from` is the beginning of a topic, in whole levels, counts.'),
    receive: z.array(receiveSchema).max(50).default([]).describe('What comes down, by topic filter: the first rule that matches counts.'),
    streams: streamsSchema.describe(
      'What the buffer does with a topic while it waits. What is named in none of them is kept whole and in order.',
    ),
    backlog: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .describe(
        'Messages a second with which a backlog is sent beside live ones. Default: fifteen times the live rate, and 2000 at least.',
      ),
    canary: z
      .union([z.literal(false), durationSchema({ min: '1s', max: '1h' })])
      .prefault('10s')
      .describe(
        'A message goes through that broker and back (format sparkplug: a PINGREQ and its answer); a connection whose last echo is older is given up, and called again. false: none.',
      ),
    ledger: z
      .union([z.literal(false), z.enum(['property', 'payload'])])
      .optional()
      .describe('Where a message carries its number: in a user property of MQTT 5, or in the payload. false: nowhere. Default: property.'),
  })
  .refine(({ user, password }) => password === undefined || user !== undefined, { message: 'a password needs a user', path: ['user'] })
  .refine(({ format, sparkplug }) => (format === 'sparkplug') === (sparkplug !== undefined), {
    message: 'format: sparkplug and the key sparkplug, with its group, belong together',
    path: ['sparkplug'],
  })
  .refine(({ tls, url }) => tls === undefined || url.startsWith('mqtts:'), { message: 'tls needs a url of mqtts://', path: ['tls'] })
  .refine(({ version, ledger }) => version !== '3.1.1' || ledger !== 'property', {
    message: 'MQTT 3.1.1 has no properties: write `ledger: payload`, or leave it out',
    path: ['ledger'],
  })
  .superRefine((config, context) => {
    if (config.format !== 'sparkplug') return
    for (const [key, isUsed, message] of unfitForSparkplug(config)) {
      if (isUsed) context.addIssue({ code: 'custom', path: [key], message: `${message}; leave ${key} out, or use the format uns` })
    }
  })
  .transform(
    ({ client, user, password, inflight, keepalive, sparkplug, version, tls, backlog, canary, ledger, ...config }): UpstreamConfig => ({
      ...config,
      ...(sparkplug === undefined ? {} : { sparkplug }),
      ...(client === undefined ? {} : { clientId: client }),
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { password }),
      ...(version === undefined ? {} : { version }),
      ...(tls === undefined ? {} : { tls }),
      ...(backlog === undefined ? {} : { backlogPerSecondMax: backlog }),
      ...(canary === false ? {} : { canaryMs: canary }),
      ledger: ledger === false ? 'off' : (ledger ?? 'property'),
      inflightMax: inflight ?? inflightDefault,
      keepaliveMs: keepalive,
    }),
  )

interface FormatKeys {
  readonly version?: 5 | '3.1.1' | undefined
  readonly ledger?: false | 'property' | 'payload' | undefined
  readonly inflight?: number | undefined
  readonly map: readonly unknown[]
  readonly receive: readonly unknown[]
}

/** What would be ignored without a word. */
function unfitForSparkplug(config: FormatKeys): readonly (readonly [key: string, isUsed: boolean, why: string])[] {
  const { version, ledger, inflight, map, receive } = config
  return [
    ['version', version === 5, 'Sparkplug is spoken over MQTT 3.1.1'],
    ['ledger', typeof ledger === 'string', 'Sparkplug numbers its messages itself, by seq'],
    ['inflight', inflight !== undefined, 'Sparkplug data is QoS 0, and nothing of it is acknowledged one by one'],
    ['map', map.length > 0, 'Sparkplug has topics of its own'],
    ['receive', receive.length > 0, 'Sparkplug has commands of its own'],
  ]
}

function isBrokerUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'mqtt:' && url.protocol !== 'mqtts:')) return false
  const hasExtra = url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== ''
  return url.hostname !== '' && url.port !== '0' && !hasExtra && (url.pathname === '' || url.pathname === '/')
}
