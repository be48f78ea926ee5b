import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { modbusValueType } from '../../../src/south/modbus/address.ts'
import { modbusTcp } from '../../../src/south/modbus/config.ts'
import { address, tagsOf } from './modbus-site.ts'

const connection = { host: '10.1.7.20' }

function problemsOf(texts: readonly string[], keys: Readonly<Record<string, unknown>> = {}) {
  return modbusTcp.check(modbusTcp.config.parse({ connection, ...keys }), tagsOf(...texts))
}

function firstIssue(keys: Readonly<Record<string, unknown>>) {
  const issue = modbusTcp.address.safeParse(keys).error?.issues[0]
  return { path: issue?.path, message: issue?.message }
}

describe('the keys of a Modbus device', () => {
  it('need no more than a host', () => {
    expect(modbusTcp.config.parse({ connection })).toEqual({
      line: { kind: 'tcp', host: '10.1.7.20', port: 502, isShared: true },
      unit: 1,
      timeoutMs: 800,
      order: 'ABCD',
      gapRegistersMax: 125,
      inflightMax: 1,
      addressing: 'zero',
      quirks: {
        registersMax: 125,
        coilsMax: 2000,
        pauseMs: 0,
        connectPauseMs: 0,
        isOneRequestPerTag: false,
        closesAfterScan: false,
        hasSwappedStrings: false,
        writesMultipleOnly: false,
        holes: [],
        without: [],
      },
    })
  })

  it('are all taken', () => {
    const quirks = {
      registersMax: 100,
      coilsMax: 800,
      pause: '5ms',
      pauseAfterConnect: '2s',
      oneRequestPerTag: true,
      closeAfterScan: true,
      swappedStrings: true,
      writeMultiple: true,
    }
    const keys = {
      connection: { host: 'plc-7', port: 1502, unit: 3, timeout: '1s', shared: false },
      modbus: { order: 'CDAB', gap: 8, inflight: 4, quirks },
      addressing: 'one',
    }
    expect(modbusTcp.config.parse(keys)).toMatchObject({
      line: { kind: 'tcp', host: 'plc-7', port: 1502, isShared: false },
      unit: 3,
      timeoutMs: 1_000,
      order: 'CDAB',
      gapRegistersMax: 8,
      inflightMax: 4,
      addressing: 'one',
      quirks: {
        registersMax: 100,
        coilsMax: 800,
        pauseMs: 5,
        connectPauseMs: 2_000,
        isOneRequestPerTag: true,
        closesAfterScan: true,
        hasSwappedStrings: true,
        writesMultipleOnly: true,
      },
    })
  })

  it.each([
    ['an unknown key', { connection, modbuss: {} }],
    ['no connection', {}],
    ['a host that is a URL', { connection: { host: 'tcp://10.1.7.20' } }],
    ['port 0', { connection: { ...connection, port: 0 } }],
    ['unit 256', { connection: { ...connection, unit: 256 } }],
    ['17 requests at once', { connection, modbus: { inflight: 17 } }],
    ['126 registers in one request', { connection, modbus: { quirks: { registersMax: 126 } } }],
    ['a timeout without a unit', { connection: { ...connection, timeout: 800 } }],
  ])('refuse %s', (_, keys) => {
    expect(modbusTcp.config.safeParse(keys).success).toBe(false)
  })
})

describe('the address of a Modbus tag', () => {
  it.each([
    ['hr:100 f32', { area: 'hr', offset: 100, type: 'f32', registers: 2 }],
    ['ir:12 i16', { area: 'ir', offset: 12, type: 'i16', registers: 1 }],
    ['co:0', { area: 'co', offset: 0, type: 'bool', registers: 1 }],
    ['di:7 bool', { area: 'di', offset: 7, type: 'bool', registers: 1 }],
    ['hr:40.3', { area: 'hr', offset: 40, bit: 3, type: 'bool', registers: 1 }],
    ['hr:100[8] u64', { area: 'hr', offset: 100, length: 8, type: 'u64', registers: 32 }],
    ['co:0[16]', { area: 'co', offset: 0, length: 16, type: 'bool', registers: 16 }],
    ['3/hr:100 u16', { area: 'hr', unit: 3, offset: 100, type: 'u16', registers: 1 }],
    ['hr:0 string(5)', { area: 'hr', offset: 0, type: 'string', sizeBytes: 5, registers: 3 }],
    ['hr:0[2] bytes(8)', { area: 'hr', offset: 0, length: 2, type: 'bytes', sizeBytes: 8, registers: 8 }],
    ['hr:0 bcd32 CDAB', { area: 'hr', offset: 0, type: 'bcd32', order: 'CDAB', registers: 2 }],
  ])('%s is plain data', (text, expected) => {
    expect(address(text)).toEqual(expected)
  })

  it.each([
    ['hr:1 bcd16', { type: 'u16' }],
    ['hr:1 bcd32', { type: 'u32' }],
    ['hr:1[4] f64', { type: 'f64', length: 4 }],
    ['hr:1 string(4)', { type: 'string' }],
    ['hr:1.4', { type: 'bool' }],
  ])('%s says what its value is', (text, expected) => {
    expect(modbusValueType(address(text))).toEqual(expected)
  })

  it.each([
    [{ at: '40101', type: 'u16' }, ['at'], '40101 is written hr:100 here'],
    [{ at: '300013', type: 'u16' }, ['at'], '300013 is written ir:12 here'],
    [{ at: '10001', type: 'bool' }, ['at'], '10001 is written di:0 here'],
    [{ at: 'hr100', type: 'u16' }, ['at'], 'an address is written like'],
    [{ at: 'hr:-1', type: 'u16' }, ['at'], 'an address is written like'],
    [{ at: 'hr:1' }, ['type'], 'a register needs its type'],
    [{ at: 'hr:1', type: 'float' }, ['type'], 'a type is one of'],
    [{ at: 'hr:1', type: 'string' }, ['type'], 'a type is one of'],
  ])('is refused as %s, with what to write', (keys, path, message) => {
    expect(firstIssue(keys)).toEqual({ path, message: expect.stringContaining(message) })
  })

  it('is refused without a crash, whatever it is', () => {
    const strange = fc.record({ at: fc.oneof(fc.string(), fc.anything()), type: fc.oneof(fc.string(), fc.anything()) })
    fc.assert(fc.property(strange, (keys) => void modbusTcp.address.safeParse(keys)))
  })
})

describe('checking a Modbus device', () => {
  it('finds nothing wrong with the tags of a real one', () => {
    const tags = [
      'hr:100 f32',
      'ir:12 i16',
      'hr:40.3',
      'hr:40 u16',
      'hr:40.15',
      'hr:200! f32',
      'co:0!',
      'di:0[8]',
      'hr:300[4] u16',
      'hr:301 u16',
      '3/hr:100 u16',
      'hr:100 bytes(4)',
    ]
    expect(problemsOf(tags)).toEqual([])
  })

  it.each([
    ['writes input registers', 'ir:12! i16', 'modbus.read-only', 'write'],
    ['writes discrete inputs', 'di:12!', 'modbus.read-only', 'write'],
    ['goes beyond the last register', 'hr:65535 f32', 'modbus.address-range', 'at'],
    ['begins beyond the last register', 'hr:70000 u16', 'modbus.address-range', 'at'],
    ['names a unit beyond 255', '256/hr:1 u16', 'modbus.unit-range', 'at'],
    ['takes a bit of a coil', 'co:1.3', 'modbus.bit-of-bit', 'at'],
    ['takes a coil for a number', 'co:1 u16', 'modbus.type-of-bit', 'type'],
    ['takes a bit for a number', 'hr:1.3 u16', 'modbus.type-of-bit', 'type'],
    ['takes a register for a bool', 'hr:1 bool', 'modbus.bit-needed', 'at'],
    ['takes a 17th bit', 'hr:1.16', 'modbus.bit-range', 'at'],
    ['makes an array of bits of registers', 'hr:1.3[4]', 'modbus.bit-array', 'at'],
    ['has no element', 'hr:1[0] u16', 'modbus.empty', 'at'],
    ['has no byte', 'hr:1 string(0)', 'modbus.empty', 'type'],
    ['could be torn over two reads', 'hr:1[63] f32', 'modbus.too-long', 'at'],
    ['cannot be written at once', 'hr:1[124]! u16', 'modbus.write-too-long', 'write'],
  ])('finds the tag that %s', (_, text, code, key) => {
    expect(problemsOf([text])).toEqual([
      expect.objectContaining({ path: ['tags', 'tag-0', key], code, remedy: expect.stringMatching(/\w/) }),
    ])
  })

  it('counts from one where the device does', () => {
    expect(problemsOf(['hr:0 u16'], { addressing: 'one' })).toMatchObject([{ code: 'modbus.address-range' }])
    expect(problemsOf(['hr:65536 u16'], { addressing: 'one' })).toEqual([])
  })

  it('knows what the device can read at once', () => {
    expect(problemsOf(['hr:0[20] u16'], { modbus: { quirks: { registersMax: 16 } } })).toMatchObject([{ code: 'modbus.too-long' }])
  })

  it.each([
    ['half of another value', ['hr:100 f32', 'hr:101 f32'], 'error'],
    ['the tail of a longer value', ['hr:100 f64', 'hr:102 f64'], 'error'],
    ['a part of a value', ['hr:100 f64', 'hr:102 u16'], 'warning'],
    ['the same registers as another type', ['hr:100 u32', 'hr:100 f32'], 'warning'],
  ])('finds a tag that reads %s', (_, texts, severity) => {
    expect(problemsOf(texts)).toEqual([expect.objectContaining({ code: 'modbus.overlap', severity, path: ['tags', 'tag-1', 'at'] })])
  })

  it('warns of requests at once that a pause makes impossible', () => {
    const modbus = { inflight: 4, quirks: { pause: '5ms' } }
    expect(problemsOf([], { modbus })).toMatchObject([{ path: ['modbus', 'inflight'], severity: 'warning' }])
  })

  it('takes 20,000 tags in its stride', () => {
    const texts = Array.from({ length: 20_000 }, (_, place) => `hr:${place % 500} u16`)
    expect(problemsOf(texts)).toEqual([])
  })
})
