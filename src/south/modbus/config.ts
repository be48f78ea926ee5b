import { z } from 'zod'
import { durationSchema } from '../../base/units.ts'
import type { DriverSchema } from '../driver.ts'
import { atPattern, type ModbusAddress, orders, parseAt, parseType, registersOf, typePattern } from './address.ts'
import { checkModbus } from './check.ts'
import type { ModbusConfig } from './settings.ts'

/** Modbus Application Protocol 1.1b3, 6.1 and 6.3: what fits in one answer. */
const registersPerReadMax = 125
const coilsPerReadMax = 2_000
/** Modbus Messaging on TCP/IP 1.0b, 4.3: NumberMaxOfServerTransaction is 1 to 16. */
const inflightLimit = 16

const unitSchema = z.int().min(0).max(255)

const connectionSchema = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .max(253)
      .regex(/^[^\s/]+$/, 'a host is a name or an IP address, without a scheme or port')
      .describe('Name or IP address.'),
    port: z.int().min(1).max(65_535).default(502).describe('TCP port.'),
    unit: unitSchema.default(1).describe('Unit id of the tags that name none. Many TCP devices answer to 1, 0 or 255.'),
    timeout: durationSchema({ min: '10ms', max: '60s' }).prefault('800ms').describe('How long one request may wait for its answer.'),
  })
  .describe('Where the device is.')

const quirksSchema = z
  .strictObject({
    registersMax: z.int().min(1).max(registersPerReadMax).default(registersPerReadMax).describe('Registers in one request.'),
    coilsMax: z.int().min(1).max(coilsPerReadMax).default(coilsPerReadMax).describe('Coils or discrete inputs in one request.'),
    pause: durationSchema({ max: '10s' }).prefault('0ms').describe('From connecting and from each answer to the next request.'),
  })
  .prefault({})
  .describe('What this device can not do, though the standard says so.')

const modbusSchema = z
  .strictObject({
    order: z.enum(orders).default('ABCD').describe('How bytes lie in registers: ABCD is the standard, CDAB has its words swapped.'),
    gap: z
      .int()
      .min(0)
      .max(registersPerReadMax)
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

const configSchema = z
  .strictObject({
    connection: connectionSchema,
    modbus: modbusSchema,
    addressing: z
      .enum(['zero', 'one'])
      .default('zero')
      .describe('Whether the addresses of this file count from 0, as on the wire, or from 1, as many manuals do.'),
  })
  .transform(({ connection, modbus, addressing }): ModbusConfig => {
    const { quirks } = modbus
    return {
      host: connection.host,
      port: connection.port,
      unit: connection.unit,
      timeoutMs: connection.timeout,
      order: modbus.order,
      gapRegistersMax: modbus.gap,
      inflightMax: modbus.inflight,
      addressing,
      quirks: { registersMax: quirks.registersMax, coilsMax: quirks.coilsMax, pauseMs: quirks.pause },
    }
  })

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
  })
  .transform(({ at, type, order }, context): ModbusAddress => {
    const place = parseAt(at)
    const isBit = place !== undefined && (place.bit !== undefined || place.area === 'co' || place.area === 'di')
    const kind = parseType(type ?? (isBit ? 'bool' : ''))
    if (place === undefined || kind === undefined) {
      context.addIssue({ code: 'custom', path: ['type'], message: `a register needs its type: ${typeForms}` })
      return z.NEVER
    }
    return { ...place, ...kind, ...(order === undefined ? {} : { order }), registers: registersOf(place, kind) }
  })

export const modbusTcp: DriverSchema<ModbusConfig, ModbusAddress> = {
  name: 'modbus-tcp',
  config: configSchema,
  address: addressSchema,
  check: checkModbus,
}

/** Modicon numbers are what most manuals print, so the message translates the one that was written. */
function atMessage(text: string): string {
  const [, kind, number] = /^([0134])(\d{4,5})$/.exec(text) ?? []
  const area = kind === undefined ? undefined : { '0': 'co', '1': 'di', '3': 'ir', '4': 'hr' }[kind]
  if (area !== undefined && Number(number) > 0) return `${text} is written ${area}:${Number(number) - 1} here`
  return `an address is written like ${atForms}`
}
