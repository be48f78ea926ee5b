import { z } from 'zod'
import { hostSchema } from '../../base/host.ts'
import { secretSchema } from '../../base/secret-schema.ts'
import { durationSchema } from '../../base/units.ts'
import { type LineSettings, parities, rtsUses, type TlsSettings } from './settings.ts'

/** What a device file says under `connection`. */
export interface ConnectionConfig {
  readonly line: LineSettings
  readonly unit: number
  readonly timeoutMs: number
}

const tcpPort = 502
/** Modbus/TCP Security, 3: mbap-s. */
const tlsPort = 802
/** Modbus over Serial Line 1.02, 2.5.1: start, eight data, parity or a second stop bit, and a stop bit. */
const dataBits = 8

const timeoutSchema = durationSchema({ min: '10ms', max: '60s' })
  .prefault('800ms')
  .describe('How long one request may wait for its answer. On a serial line the time that the bytes themselves take comes on top.')

const sharedSchema = z
  .boolean()
  .default(true)
  .describe(
    'Device files that name the same host and port share one connection: gateways and many PLCs serve few. false gives this device one of its own.',
  )

const broadcastPauseSchema = durationSchema({ max: '10s' })
  .prefault('100ms')
  .describe('After a write to unit 0, which every unit carries out and none answers: how long the line waits before the next request.')

const baudSchema = z
  .int()
  .min(110)
  .max(4_000_000)
  .default(19_200)
  .describe('Bits a second, the same for all units on the line. The standard asks for 19200; 9600 is common.')

const paritySchema = z
  .enum(parities)
  .default('even')
  .describe('even is the standard; many devices come with none. The same for all units on the line.')

const stopBitsSchema = z
  .literal([1, 2])
  .optional()
  .describe('Default: 1. The standard asks for 2 where there is no parity, and few devices mind.')

const pemSchema = z
  .union([
    secretSchema,
    z
      .string()
      .max(4_096)
      .regex(/^\/[^$]*$/, 'a certificate or key is an absolute path, or ${secret:NAME}'),
  ])
  .describe('PEM: an absolute path, or ${secret:NAME}.')

const tlsSchema = z
  .strictObject({
    ca: pemSchema
      .optional()
      .describe('Who must have signed the certificate of the device. Default: the authorities that this machine trusts.'),
    cert: pemSchema.optional().describe('Our own certificate, where the device asks for one.'),
    key: pemSchema.optional().describe('The key of our own certificate.'),
    serverName: z.string().min(1).max(253).optional().describe('The name in the certificate of the device. Default: the host.'),
    verify: z
      .boolean()
      .default(true)
      .describe('false takes any certificate: what passes is encrypted, and nobody knows who is at the other end.'),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), { message: 'cert and key belong together', path: ['key'] })
  .transform(
    ({ ca, cert, key, serverName, verify }): TlsSettings => ({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(serverName === undefined ? {} : { serverName }),
      isVerified: verify,
    }),
  )
  .describe('Modbus/TCP Security: encrypted, and the certificate of the device checked. `{}` trusts whom this machine trusts.')

const unitSchema = z.int().min(0).max(255)

export const tcpConnectionSchema = z
  .strictObject({
    host: hostSchema.describe('Name or IP address.'),
    port: z.int().min(1).max(65_535).optional().describe('TCP port. Default: 502, with `tls` 802.'),
    unit: unitSchema.default(1).describe('Unit id of the tags that name none. Many TCP devices answer to 1, 0 or 255.'),
    timeout: timeoutSchema,
    shared: sharedSchema,
    tls: tlsSchema.optional(),
  })
  .describe('Where the device is.')
  .transform(({ host, port, unit, timeout, shared, tls }): ConnectionConfig => {
    const line: LineSettings = {
      kind: 'tcp',
      host,
      port: port ?? (tls === undefined ? tcpPort : tlsPort),
      isShared: shared,
      ...(tls === undefined ? {} : { tls }),
    }
    return { line, unit, timeoutMs: timeout }
  })

/** 247 is the last unit of a serial line; 0 is all of them. */
const serialUnitSchema = z
  .int()
  .min(0)
  .max(247)
  .default(1)
  .describe('Unit of the tags that name none: 1 to 247; 0 writes to all units at once.')

export const rtuTcpConnectionSchema = z
  .strictObject({
    host: hostSchema.describe('Name or IP address of the device server.'),
    port: z.int().min(1).max(65_535).describe('TCP port of the serial line: often 4001, 10001 or 502.'),
    unit: serialUnitSchema,
    timeout: timeoutSchema,
    shared: sharedSchema,
    baud: baudSchema.describe('Of the line behind the device server, to reckon with; the server itself is set elsewhere.'),
    parity: paritySchema.describe('Of the line behind the device server, to reckon with.'),
    stopBits: stopBitsSchema,
    broadcastPause: broadcastPauseSchema,
  })
  .describe('Where the device server is, and what its serial line is like.')
  .transform(({ host, port, unit, timeout, shared, baud, parity, stopBits = 1, broadcastPause }): ConnectionConfig => {
    const characterBits = bitsOf(parity, stopBits)
    const line: LineSettings = { kind: 'rtu-tcp', host, port, isShared: shared, baud, characterBits, broadcastPauseMs: broadcastPause }
    return { line, unit, timeoutMs: timeout }
  })

export const serialConnectionSchema = z
  .strictObject({
    port: z
      .string()
      .max(1_024)
      .regex(/^\/[^\0]+$/, 'a serial port is an absolute path, like /dev/ttyUSB0 or /dev/serial/by-id/…')
      .describe('The serial port. All device files that name it share it. /dev/serial/by-id/… stays the same when adapters change places.'),
    baud: baudSchema,
    parity: paritySchema,
    stopBits: stopBitsSchema,
    unit: serialUnitSchema,
    timeout: timeoutSchema,
    broadcastPause: broadcastPauseSchema,
    rts: z
      .enum(rtsUses)
      .default('unused')
      .describe('What RTS is for, where an RS-485 transceiver does not turn round by itself: high to `send`, or high to `receive`.'),
    rtsDelay: durationSchema({ max: '1s' }).prefault('0ms').describe('Between switching RTS and the first bit, and after the last bit.'),
    echo: z.boolean().default(false).describe('Whether the adapter hears what it sends itself, as some two-wire adapters do.'),
  })
  .describe('The serial port, how it is set, and which unit the device is.')
  .transform(({ port, baud, parity, stopBits = 1, unit, timeout, broadcastPause, rts, rtsDelay, echo }): ConnectionConfig => {
    const line: LineSettings = {
      kind: 'serial',
      path: port,
      baud,
      parity,
      stopBits,
      characterBits: bitsOf(parity, stopBits),
      broadcastPauseMs: broadcastPause,
      rts,
      rtsDelayMs: rtsDelay,
      hasEcho: echo,
    }
    return { line, unit, timeoutMs: timeout }
  })

function bitsOf(parity: 'none' | 'even' | 'odd', stopBits: number): number {
  return 1 + dataBits + (parity === 'none' ? 0 : 1) + stopBits
}
