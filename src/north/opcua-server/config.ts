import { z } from 'zod'
import { hostSchema } from '../../base/host.ts'
import { type AnonymousVisitors, anonymousSchema } from '../../model/anonymous.ts'

export const serverSecurities = [
  'None',
  'Basic256Sha256/Sign',
  'Basic256Sha256/SignAndEncrypt',
  'Aes128_Sha256_RsaOaep/Sign',
  'Aes128_Sha256_RsaOaep/SignAndEncrypt',
  'Aes256_Sha256_RsaPss/Sign',
  'Aes256_Sha256_RsaPss/SignAndEncrypt',
] as const
export type ServerSecurity = (typeof serverSecurities)[number]

export interface OpcuaServerConfig {
  readonly port: number
  readonly host: string
  readonly security: readonly ServerSecurity[]
  /** Absent: nobody without a user. */
  readonly anonymous?: AnonymousVisitors
}

const encryptedByDefault: ServerSecurity[] = [
  'Basic256Sha256/SignAndEncrypt',
  'Aes128_Sha256_RsaOaep/SignAndEncrypt',
  'Aes256_Sha256_RsaPss/SignAndEncrypt',
]

/** `opcua:` of lineside.yaml. */
export const opcuaServerConfigSchema: z.ZodType<OpcuaServerConfig> = z
  .strictObject({
    port: z.int().min(0).max(65_535).default(4840).describe('TCP port; 0 takes any free one.'),
    host: hostSchema.default('127.0.0.1').describe('Address to listen on; 0.0.0.0 opens it to the network.'),
    security: z
      .array(z.enum(serverSecurities))
      .min(1)
      .max(serverSecurities.length)
      .default(encryptedByDefault)
      .describe('Endpoints offered, policy and mode. None is readable and forgeable on the way.'),
    anonymous: anonymousSchema
      .prefault(false)
      .describe(
        'Whether clients may come without a user: true lets them read from this machine; { role: operator } lets them write as well; anywhere: true lets them come from others.',
      ),
  })
  .transform(({ anonymous, ...rest }) => (anonymous === false ? rest : { ...rest, anonymous }))

/** What is doubtful in a config that is valid; paths are inside `opcua:`. Pure. */
export function doubtsOfOpcuaServer(config: OpcuaServerConfig): readonly OpcuaServerDoubt[] {
  const doubts: OpcuaServerDoubt[] = []
  if (config.security.includes('None')) {
    doubts.push({
      path: ['security', config.security.indexOf('None')],
      code: 'opcua-server.unencrypted',
      message: 'The endpoint None can be read and forged by anybody on the way.',
      remedy: 'Take None out of opcua.security, unless clients reach it by a network that nobody else can.',
    })
  }
  if (config.anonymous !== undefined) {
    const { role, isFromAnywhere } = config.anonymous
    const who = isFromAnywhere ? `Anybody who reaches port ${config.port}` : 'Every program on this machine'
    doubts.push({
      path: ['anonymous'],
      code: 'opcua-server.anonymous',
      message: `${who} may do what the role ${role} may, without a user.`,
      remedy: 'Set opcua.anonymous to false once your clients have users.',
    })
  }
  return doubts
}

export interface OpcuaServerDoubt {
  readonly path: readonly (string | number)[]
  readonly code: string
  readonly message: string
  readonly remedy: string
}
