import { z } from 'zod'
import { type SecretRef, secretSchema } from '../../base/secret.ts'
import { durationSchema } from '../../base/units.ts'
import type { Tag, ValueType } from '../../model/tag.ts'
import type { DriverSchema, Problem } from '../driver.ts'
import { parseBrowsePath, parseNodeText } from './address.ts'

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

export interface OpcuaConfig {
  readonly connection: {
    readonly url: string
    readonly security: Security
    readonly user?: string
    readonly password?: SecretRef
    /** Of each request, ms. */
    readonly timeout: number
    /** `first-seen` keeps to the certificate that the server showed first; `any` takes each. */
    readonly trust: 'first-seen' | 'any'
  }
  readonly opcua: {
    /** ms between two reports of the server. */
    readonly publishing: number
    /** ms between two looks of the server at a node; 0 asks for its fastest. Default: the publishing interval. */
    readonly sampling?: number
    /** Changes of one node that the server may keep between two reports. The newest counts. */
    readonly queue: number
    /** ms of silence after which the server is asked whether it lives; after as long again it is taken for lost. */
    readonly keepalive: number
  }
}

/** Exactly one of `node` and `path`. */
export interface OpcuaAddress {
  readonly node?: string
  readonly path?: string
  readonly type?: ValueType
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
  user: z.string().min(1).max(255).optional().describe('Without it the session is anonymous.'),
  password: secretSchema.optional(),
  timeout: durationSchema({ min: '100ms', max: '60s' }).default(3_000).describe('How long one request may take.'),
  trust: z
    .enum(['first-seen', 'any'])
    .default('first-seen')
    .describe(
      '`first-seen` keeps to the certificate that the server showed at the first connection; `any` takes each. Means nothing with None.',
    ),
})

const opcuaSchemaShape = z
  .strictObject({
    publishing: durationSchema({ min: '10ms', max: '1m' }).default(250).describe('Between two reports of the server.'),
    sampling: durationSchema({ max: '1h' })
      .optional()
      .describe('Between two looks of the server at a node; 0ms asks for its fastest. Default: the publishing interval.'),
    queue: z
      .int()
      .min(1)
      .max(1_000)
      .default(1)
      .describe('Changes of one node that the server keeps between two reports; the newest counts.'),
    keepalive: durationSchema({ min: '200ms', max: '1m' })
      .default(800)
      .describe('After this much silence the server is asked whether it lives; after as long again it is taken for lost.'),
  })
  .prefault({})

const configSchema: z.ZodType<OpcuaConfig> = z
  .strictObject({ connection: connectionSchema, opcua: opcuaSchemaShape })
  .transform(({ connection: { user, password, ...connection }, opcua: { sampling, ...opcua } }) => ({
    connection: { ...connection, ...(user === undefined ? {} : { user }), ...(password === undefined ? {} : { password }) },
    opcua: { ...opcua, ...(sampling === undefined ? {} : { sampling }) },
  }))

const addressSchema: z.ZodType<OpcuaAddress> = z
  .strictObject({
    node: z.string().min(1).max(4_096).optional().describe('Node id: nsu=http://…;s=… (best), or ns=2;s=…, ns=2;i=42, i=2258.'),
    path: z.string().min(1).max(4_096).optional().describe('Browse path from the root: /Objects/2:Line/2:Press.'),
    type: z.enum(valueTypes).optional().describe('Only where somebody must know it before the server has been seen.'),
  })
  .transform(({ node, path, type }) => ({
    ...(node === undefined ? {} : { node }),
    ...(path === undefined ? {} : { path }),
    ...(type === undefined ? {} : { type }),
  }))

/** Device files with `driver: opcua`. Loads no protocol library. */
export const opcuaSchema: DriverSchema<OpcuaConfig, OpcuaAddress> = {
  name: 'opcua',
  config: configSchema,
  address: addressSchema,
  check: (config, tags) => [...checkConnection(config), ...tags.flatMap(checkTag)],
}

/** undefined where the site file does not say: then the server does, at the first sample. */
export function opcuaValueType(address: OpcuaAddress): ValueType | undefined {
  return address.type
}

function checkConnection({ connection }: OpcuaConfig): readonly Problem[] {
  const problems: Problem[] = []
  if (connection.password !== undefined && connection.user === undefined) {
    problems.push({
      path: ['connection', 'password'],
      code: 'opcua.password-without-user',
      message: 'There is a password, but no user whose it could be.',
      remedy: 'Add connection.user, or take the password away.',
    })
  }
  if (connection.security === 'None') {
    problems.push({
      path: ['connection', 'security'],
      code: 'opcua.unencrypted',
      message: `Everything to and from ${connection.url} can be read and changed on the way.`,
      remedy: 'Use security: auto, or Basic256Sha256/SignAndEncrypt, if the server can.',
      severity: 'warning',
    })
  }
  return problems
}

function checkTag(tag: Tag<OpcuaAddress>): readonly Problem[] {
  const { node, path } = tag.address
  if ((node === undefined) === (path === undefined)) return [wrongCount(tag, node === undefined)]
  const isRight = node === undefined ? parseBrowsePath(path ?? '') !== undefined : parseNodeText(node) !== undefined
  if (!isRight) return [wrongSyntax(tag)]
  return /(^|;)ns=[1-9]/.test(node ?? '') ? [looseIndex(tag)] : []
}

function wrongCount(tag: Tag<OpcuaAddress>, hasNone: boolean): Problem {
  return {
    path: ['tags', tag.path],
    code: hasNone ? 'opcua.no-address' : 'opcua.two-addresses',
    message: hasNone ? `The tag ${tag.path} names neither a node nor a path.` : `The tag ${tag.path} names both a node and a path.`,
    remedy: 'Give it exactly one of node and path.',
  }
}

function wrongSyntax(tag: Tag<OpcuaAddress>): Problem {
  const isNode = tag.address.node !== undefined
  return {
    path: ['tags', tag.path, isNode ? 'node' : 'path'],
    code: isNode ? 'opcua.node-syntax' : 'opcua.path-syntax',
    message: `${isNode ? tag.address.node : tag.address.path} is no ${isNode ? 'node id' : 'browse path'}.`,
    remedy: isNode
      ? 'Write it like nsu=http://vendor.example/line;s=Press.Speed, or ns=2;i=42; the kinds are s, i, g and b.'
      : 'Write it like /Objects/2:Line/2:Press: names with / between them, each with its namespace index unless it is 0; & escapes / . : & and others.',
  }
}

function looseIndex(tag: Tag<OpcuaAddress>): Problem {
  return {
    path: ['tags', tag.path, 'node'],
    code: 'opcua.namespace-index',
    message: `${tag.address.node} names its namespace by index, which the server may give to another one at any restart.`,
    remedy: 'Write nsu= and the URI of the namespace instead; Lineside pins the index to the URI that it means at the first connection.',
    severity: 'warning',
  }
}
