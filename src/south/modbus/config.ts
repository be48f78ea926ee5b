import { z } from 'zod'
import { durationSchema } from '../../base/units.ts'
import type { DriverSchema } from '../driver.ts'
import { atPattern, type ModbusAddress, orders, paddings, parseAt, parseType, registersOf, typePattern } from './address.ts'
import { checkBudget } from './budget.ts'
import { checkModbus } from './check.ts'
import { checkAgreement, checkConnection, lineKey, peerOf } from './check-connection.ts'
import { type ConnectionConfig, rtuTcpConnectionSchema, serialConnectionSchema, tcpConnectionSchema } from './connection-config.ts'
import { pinShape, pinsOf } from './pins.ts'
import type { LineSettings, ModbusConfig } from './settings.ts'
import { sharingAcross, sharingTags } from './sharing.ts'
import { assumedTurnaroundMs, gapRegistersWorthwhile } from './timing.ts'

/** Modbus Application Protocol 1.1b3, 6.1 and 6.3: what fits in one answer. */
const registersPerReadMax = 125
const coilsPerReadMax = 2_000
/** Modbus Messaging on TCP/IP 1.0b, 4.3: NumberMaxOfServerTransaction is 1 to 16. */
const inflightLimit = 16

const quirksSchema = z
  .strictObject({
    registersMax: z.int().min(1).max(registersPerReadMax).default(registersPerReadMax).describe('Registers in one request.'),
    coilsMax: z.int().min(1).max(coilsPerReadMax).default(coilsPerReadMax).describe('Coils or discrete inputs in one request.'),
    pause: durationSchema({ max: '10s' })
      .prefault('0ms')
      .describe('From connecting and from each answer to the next request, for devices that drop what comes sooner.'),
    pauseAfterConnect: durationSchema({ max: '60s' })
      .prefault('0ms')
      .describe('From connecting to the first request, for devices that take a connection before they can serve it.'),
    oneRequestPerTag: z
      .boolean()
      .default(false)
      .describe('Every tag is read by a request of its own, for devices that refuse a request across two of their values.'),
    closeAfterScan: z
      .boolean()
      .default(false)
      .describe(
        'The connection is closed whenever a scan class has been read, for devices that serve one master and must be left to others.',
      ),
    swappedStrings: z
      .boolean()
      .default(false)
      .describe(
        'Texts have the two bytes of each register swapped, though numbers have not. A tag with an `order` of its own keeps to that.',
      ),
    writeMultiple: z
      .boolean()
      .default(false)
      .describe('Single values too are written by FC15 and FC16, for devices that take FC5 and FC6 and do nothing.'),
    ...pinShape,
  })
  .prefault({})
  .describe('What this device can not do, though the standard says so.')

const orderSchema = z.enum(orders).default('ABCD').describe('How bytes lie in registers: ABCD is the standard, CDAB has its words swapped.')
const gapSchema = z.int().min(0).max(registersPerReadMax)

const tcpModbusSchema = z
  .strictObject({
    order: orderSchema,
    gap: gapSchema
      .default(registersPerReadMax)
      .describe(
        'Unused registers that a request may read along to save another request. On TCP they cost 2 bytes each: the default fills the request.',
      ),
    // One at a time is what every device can do: the standard lets a server take a single transaction, and those that do drop or mix up the second.
    inflight: z
      .int()
      .min(1)
      .max(inflightLimit)
      .default(1)
      .describe('Requests that may wait for their answers at once. 1 suits every device; 4 is three times as fast where the device can.'),
    quirks: quirksSchema,
  })
  .prefault({})
  .describe('How this device speaks Modbus.')

const serialModbusSchema = z
  .strictObject({
    order: orderSchema,
    gap: gapSchema
      .optional()
      .describe(
        'Unused registers that a request may read along to save another request. Default: as many as take no longer than a request of their own would, which depends on the baud rate.',
      ),
    quirks: quirksSchema,
  })
  .prefault({})
  .describe('How this device speaks Modbus.')

const addressingSchema = z
  .enum(['zero', 'one'])
  .default('zero')
  .describe('Whether the addresses of this file count from 0, as on the wire, or from 1, as many manuals do.')

type TcpModbus = z.output<typeof tcpModbusSchema>
type SerialModbus = z.output<typeof serialModbusSchema>

interface DeviceKeys {
  readonly connection: ConnectionConfig
  readonly modbus: TcpModbus | SerialModbus
  readonly addressing: 'zero' | 'one'
}

function configOf({ connection, modbus, addressing }: DeviceKeys): ModbusConfig {
  const { registersMax, coilsMax, pause, pauseAfterConnect, oneRequestPerTag, closeAfterScan, swappedStrings, writeMultiple, ...pins } =
    modbus.quirks
  return {
    ...connection,
    order: modbus.order,
    gapRegistersMax: modbus.gap ?? gapOf(connection.line, pins.turnaround),
    inflightMax: 'inflight' in modbus ? modbus.inflight : 1,
    addressing,
    quirks: {
      registersMax,
      coilsMax,
      pauseMs: pause,
      connectPauseMs: pauseAfterConnect,
      isOneRequestPerTag: oneRequestPerTag,
      closesAfterScan: closeAfterScan,
      hasSwappedStrings: swappedStrings,
      writesMultipleOnly: writeMultiple,
      ...pinsOf(pins),
    },
  }
}

function gapOf(line: LineSettings, turnaroundMs: number = assumedTurnaroundMs): number {
  return line.kind === 'tcp' ? registersPerReadMax : Math.min(registersPerReadMax, gapRegistersWorthwhile({ ...line, turnaroundMs }))
}

const tcpConfigSchema = z
  .strictObject({ connection: tcpConnectionSchema, modbus: tcpModbusSchema, addressing: addressingSchema })
  .transform(configOf)

const rtuTcpConfigSchema = z
  .strictObject({ connection: rtuTcpConnectionSchema, modbus: serialModbusSchema, addressing: addressingSchema })
  .transform(configOf)

const rtuConfigSchema = z
  .strictObject({ connection: serialConnectionSchema, modbus: serialModbusSchema, addressing: addressingSchema })
  .transform(configOf)

const atForms = 'hr:100, ir:12, co:0 or di:7; hr:40.3 is a bit, hr:100[8] an array, 3/hr:100 another unit'
const typeForms = 'bool, i16, u16, i32, u32, i64, u64, f32, f64, bcd16, bcd32, string(20) or bytes(8)'

const addressSchema = z
  .strictObject({
    at: z
      .string()
      .regex(atPattern, { error: ({ input }) => atMessage(String(input)) })
      .describe(`Where the value lies: ${atForms}.`),
    type: z
      .string()
      .regex(typePattern, `a type is one of ${typeForms}`)
      .optional()
      .describe(`What the value is: ${typeForms}. Coils, discrete inputs and bits are bool without it.`),
    order: z.enum(orders).optional().describe('Another byte order than the device has.'),
    pad: z.enum(paddings).optional().describe('What fills up text that is shorter than its place when it is written; nul without it.'),
  })
  .transform(({ at, type, order, pad }, context): ModbusAddress => {
    const place = parseAt(at)
    const isBit = place !== undefined && (place.bit !== undefined || place.area === 'co' || place.area === 'di')
    const kind = parseType(type ?? (isBit ? 'bool' : ''))
    if (place === undefined || kind === undefined) {
      context.addIssue({ code: 'custom', path: ['type'], message: `a register needs its type: ${typeForms}` })
      return z.NEVER
    }
    return {
      ...place,
      ...kind,
      ...(order === undefined ? {} : { order }),
      ...(pad === undefined ? {} : { padding: pad }),
      registers: registersOf(place, kind),
    }
  })

export const modbusTcp = modbusSchema('modbus-tcp', tcpConfigSchema)
export const modbusRtu = modbusSchema('modbus-rtu', rtuConfigSchema)
export const modbusRtuTcp = modbusSchema('modbus-rtu-tcp', rtuTcpConfigSchema)

function modbusSchema(name: string, config: z.ZodType<ModbusConfig>): DriverSchema<ModbusConfig, ModbusAddress> {
  return {
    name,
    config,
    address: addressSchema,
    check: (device, tags) => [...checkConnection(device, tags), ...checkModbus(device, tags)],
    sharing: sharingTags,
    sharingAcross,
    lineOf: lineKey,
    peerOf,
    checkLine: (members) => [...checkAgreement(members), ...checkBudget(members)],
  }
}

/** Modicon numbers are what most manuals print, so the message translates the one that was written. */
function atMessage(text: string): string {
  const [, kind, number] = /^([0134])(\d{4,5})$/.exec(text) ?? []
  const area = kind === undefined ? undefined : { '0': 'co', '1': 'di', '3': 'ir', '4': 'hr' }[kind]
  if (area !== undefined && Number(number) > 0) return `${text} is written ${area}:${Number(number) - 1} here`
  return `an address is written like ${atForms}`
}
