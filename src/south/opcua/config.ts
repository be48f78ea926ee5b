import { z } from 'zod'
import type { SecretRef } from '../../base/secret.ts'
import { secretSchema } from '../../base/secret-schema.ts'
import { durationSchema } from '../../base/units.ts'
import type { ValueType } from '../../model/tag.ts'
import type { DriverSchema } from '../driver.ts'
import { checkConnection, checkTag } from './config-check.ts'
import { branchOf, checkImport, type ImportBranch, importSchema } from './import-config.ts'
import { serverOf, sharingAcross, sharingTags } from './sharing.ts'

/** `auto` takes the strongest endpoint that the server offers. */
export const securities = [
  'auto',
  'None',
  'Basic256Sha256/Sign',
  'Basic256Sha256/SignAndEncrypt',
  'Aes128_Sha256_RsaOaep/Sign',
  'Aes128_Sha256_RsaOaep/SignAndEncrypt',
  'Aes256_Sha256_RsaPss/Sign',
  'Aes256_Sha256_RsaPss/SignAndEncrypt',
] as const
export type Security = (typeof securities)[number]

/** Who a session is for. Without one it is anonymous. */
export interface X509User {
  /** Path of a PEM or DER file. */
  readonly certificate: string
  /** PEM text by its secret, or the path of a PEM file. */
  readonly key: SecretRef | string
}

export interface OpcuaConfig {
  readonly connection: {
    readonly url: string
    readonly security: Security
    readonly user?: string
    readonly password?: SecretRef
    readonly userCertificate?: X509User
    /** The password may cross the network readable. */
    readonly clearPassword: boolean
    /** Of each request, ms. */
    readonly timeout: number
    /** `first-seen` keeps to the certificate that the server showed first; `any` takes each. */
    readonly trust: 'first-seen' | 'any'
  }
  readonly opcua: {
    /** `auto` listens, and asks where the server knows no subscriptions. */
    readonly mode: 'auto' | 'subscribe' | 'poll'
    /** ms between two reports of the server. */
    readonly publishing: number
    /** ms between two looks of the server at a node; 0 asks for its fastest. Default: the publishing interval. */
    readonly sampling?: number
    /** Changes of one node that the server may keep between two reports. The newest counts. */
    readonly queue: number
    /** ms of silence after which the server is asked whether it lives; after as long again it is taken for lost. */
    readonly keepalive: number
    /** ms after which what the server refused is asked for again. */
    readonly retry: number
    readonly events?: EventsConfig
  }
  /** Made into tags by `lineside import`; nothing at run time depends on it. */
  readonly imports?: readonly ImportBranch[]
}

export interface EventsConfig {
  /** Node id of the notifier: the server itself, or an area or object that tells of its own only. */
  readonly node: string
  /** 1 to 1000; less severe ones are left out. */
  readonly severity: number
  /** More than this in one second are dropped, and counted. */
  readonly perSecond: number
}

/** Exactly one of `node` and `path`. */
export interface OpcuaAddress {
  readonly node?: string
  readonly path?: string
  readonly field?: string
  readonly type?: ValueType
  /** As of the device, for this tag alone. */
  readonly sampling?: number
  readonly queue?: number
  readonly serverDeadband?: ServerDeadband
}

/** In the node's own unit, or in percent of its EURange. The server reports smaller changes not at all. */
export interface ServerDeadband {
  readonly kind: 'absolute' | 'percent'
  readonly value: number
}

/** The order decides nothing; the names are those of Modbus addresses, where both have the type. */
const valueTypes = [
  'bool',
  'i8',
  'u8',
  'i16',
  'u16',
  'i32',
  'u32',
  'i64',
  'u64',
  'f32',
  'f64',
  'string',
  'bytes',
  'time',
] as const satisfies readonly ValueType[]

const fileSchema = z.string().max(1_000).regex(/^\//, 'write the whole path of the file, from / on')

const x509Schema = z.strictObject({
  certificate: fileSchema.describe("The user's certificate: the whole path of a PEM or DER file."),
  key: z.union([secretSchema, fileSchema]).describe('Its private key: a secret with the PEM text, or the whole path of a PEM file.'),
})

const connectionSchema = z.strictObject({
  url: z
    .string()
    .max(500)
    .regex(/^opc\.tcp:\/\/[^\s/?#@]+(\/\S*)?$/, 'an OPC UA server is named like opc.tcp://host:4840/path')
    .describe('The server: opc.tcp://host:4840/path.'),
  security: z
    .enum(securities)
    .default('auto')
    .describe('Policy and mode. `auto` takes the strongest that the server offers; with a password it never takes None.'),
  user: z
    .union([z.string().min(1).max(255), x509Schema])
    .optional()
    .describe('A name, or { certificate, key } for an X.509 user. Without it the session is anonymous.'),
  password: secretSchema.optional(),
  clearPassword: z
    .boolean()
    .default(false)
    .describe('Lets the password cross the network readable, where the server cannot take it encrypted. Only on a network of your own.'),
  timeout: durationSchema({ min: '100ms', max: '60s' }).prefault('3s').describe('How long one request may take.'),
  trust: z
    .enum(['first-seen', 'any'])
    .default('first-seen')
    .describe(
      '`first-seen` keeps to the certificate that the server showed at the first connection; `any` takes each. Means nothing with None.',
    ),
})

const samplingSchema = durationSchema({ max: '1h' }).optional()
const queueSchema = z.int().min(1).max(1_000)

const eventsSchema = z.strictObject({
  node: z
    .string()
    .max(4_096)
    .default('i=2253')
    .describe('Node id of what tells: the server itself (the default), or an area or object that tells of its own only.'),
  severity: z.int().min(1).max(1_000).default(1).describe('1 to 1000: less severe events are left out.'),
  perSecond: z.int().min(1).max(1_000).default(50).describe('More than this in one second are dropped, and counted.'),
})

const opcuaSchemaShape = z
  .strictObject({
    mode: z
      .enum(['auto', 'subscribe', 'poll'])
      .default('auto')
      .describe('`auto` listens, and reads by scan class where the server knows no subscriptions; `poll` always reads.'),
    publishing: durationSchema({ min: '10ms', max: '1m' }).prefault('250ms').describe('Between two reports of the server.'),
    sampling: samplingSchema.describe(
      'Between two looks of the server at a node; 0ms asks for its fastest. Default: the publishing interval. A tag may have its own.',
    ),
    queue: queueSchema
      .default(1)
      .describe('Changes of one node that the server keeps between two reports; the newest counts. A tag may have its own.'),
    keepalive: durationSchema({ min: '200ms', max: '1m' })
      .prefault('800ms')
      .describe('After this much silence the server is asked whether it lives; after as long again it is taken for lost.'),
    retry: durationSchema({ min: '1s', max: '1d' })
      .prefault('60s')
      .describe('What the server refused, or does not have, is asked for again this often: a node that appears later comes alive.'),
    events: eventsSchema.optional().describe('Takes the events and alarms of the server into the journal, as `opcua.event`.'),
  })
  .prefault({})

type Parsed<Schema extends z.ZodType> = z.output<Schema>

function connectionOf({ user, password, ...rest }: Parsed<typeof connectionSchema>): OpcuaConfig['connection'] {
  return {
    ...rest,
    ...(typeof user === 'string' ? { user } : {}),
    ...(typeof user === 'object' ? { userCertificate: user } : {}),
    ...(password === undefined ? {} : { password }),
  }
}

function opcuaOf({ sampling, events, ...rest }: Parsed<typeof opcuaSchemaShape>): OpcuaConfig['opcua'] {
  return { ...rest, ...(sampling === undefined ? {} : { sampling }), ...(events === undefined ? {} : { events }) }
}

const configSchema: z.ZodType<OpcuaConfig> = z
  .strictObject({ connection: connectionSchema, opcua: opcuaSchemaShape, import: importSchema })
  .transform(({ connection, opcua, import: branches }) => ({
    connection: connectionOf(connection),
    opcua: opcuaOf(opcua),
    ...(branches === undefined ? {} : { imports: branches.map(branchOf) }),
  }))

const deadbandSchema = z
  .union([
    z.number().positive(),
    z.string().regex(/^\d{1,2}(\.\d+)?%$|^100%$/, 'a dead band is a number in the unit of the node, or a percentage: 0.5, or 2%'),
  ])
  .transform(
    (text): ServerDeadband =>
      typeof text === 'number' ? { kind: 'absolute', value: text } : { kind: 'percent', value: Number(text.slice(0, -1)) },
  )

const addressSchema: z.ZodType<OpcuaAddress> = z
  .strictObject({
    node: z.string().min(1).max(4_096).optional().describe('Node id: nsu=http://…;s=… (best), or ns=2;s=…, ns=2;i=42, i=2258.'),
    path: z.string().min(1).max(4_096).optional().describe('Browse path from the root: /Objects/2:Line/2:Press.'),
    field: z
      .string()
      .min(1)
      .max(500)
      .optional()
      .describe('Of a structure or an array, the part that this tag is: motor.speed, axes[2].position, [3]. Such a tag is read-only.'),
    type: z.enum(valueTypes).optional().describe('Only where somebody must know it before the server has been seen.'),
    sampling: samplingSchema.describe('Between two looks of the server at this node; 0ms asks for its fastest.'),
    queue: queueSchema.optional().describe('Changes of this node that the server keeps between two reports.'),
    serverDeadband: deadbandSchema
      .optional()
      .describe('Smaller changes are not even sent: in the unit of the node, or as 2% of its EURange, where the server knows that.'),
  })
  .transform((address) => Object.fromEntries(Object.entries(address).filter(([, value]) => value !== undefined)) as OpcuaAddress)

/** Device files with `driver: opcua`. Loads no protocol library. */
export const opcuaSchema: DriverSchema<OpcuaConfig, OpcuaAddress> = {
  name: 'opcua',
  config: configSchema,
  address: addressSchema,
  peerOf: ({ connection }) => ({ place: serverOf(connection.url), speaks: 'OPC UA' }),
  sharing: (_config, tags) => sharingTags(tags),
  sharingAcross,
  check: (config, tags) => [...checkConnection(config), ...checkImport(config.imports), ...tags.flatMap(checkTag)],
}

/** undefined where the site file does not say: then the server does, at the first sample. */
export function opcuaValueType(address: OpcuaAddress): ValueType | undefined {
  return address.type
}
