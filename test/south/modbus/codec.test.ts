import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TagValue } from '../../../src/model/tag.ts'
import { locate, orders } from '../../../src/south/modbus/address.ts'
import { type Codec, codecOf } from '../../../src/south/modbus/codec.ts'
import { address } from './modbus-site.ts'

function codec(text: string): Codec {
  return codecOf(locate(address(text), { unit: 1, order: 'ABCD', addressing: 'zero' }))
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex')
}

/** Written out by hand from IEEE 754, two's complement and the letters: A is the most significant byte. */
const vectors: readonly (readonly [type: string, value: TagValue, ABCD: string, CDAB: string, BADC: string, DCBA: string])[] = [
  ['u16', 258, '01 02', '01 02', '02 01', '02 01'],
  ['u16', 65535, 'ff ff', 'ff ff', 'ff ff', 'ff ff'],
  ['i16', -2, 'ff fe', 'ff fe', 'fe ff', 'fe ff'],
  ['i16', -32768, '80 00', '80 00', '00 80', '00 80'],
  ['u32', 16909060, '01 02 03 04', '03 04 01 02', '02 01 04 03', '04 03 02 01'],
  ['u32', 4294967295, 'ff ff ff ff', 'ff ff ff ff', 'ff ff ff ff', 'ff ff ff ff'],
  ['i32', -16909061, 'fe fd fc fb', 'fc fb fe fd', 'fd fe fb fc', 'fb fc fd fe'],
  ['i32', -2147483648, '80 00 00 00', '00 00 80 00', '00 80 00 00', '00 00 00 80'],
  ['f32', 1.5, '3f c0 00 00', '00 00 3f c0', 'c0 3f 00 00', '00 00 c0 3f'],
  ['f32', Math.fround(123.456), '42 f6 e9 79', 'e9 79 42 f6', 'f6 42 79 e9', '79 e9 f6 42'],
  ['f32', -0, '80 00 00 00', '00 00 80 00', '00 80 00 00', '00 00 00 80'],
  ['u64', 72623859790382856n, '01 02 03 04 05 06 07 08', '07 08 05 06 03 04 01 02', '02 01 04 03 06 05 08 07', '08 07 06 05 04 03 02 01'],
  [
    'u64',
    18446744073709551615n,
    'ff ff ff ff ff ff ff ff',
    'ff ff ff ff ff ff ff ff',
    'ff ff ff ff ff ff ff ff',
    'ff ff ff ff ff ff ff ff',
  ],
  ['u64', 9007199254740993n, '00 20 00 00 00 00 00 01', '00 01 00 00 00 00 00 20', '20 00 00 00 00 00 01 00', '01 00 00 00 00 00 20 00'],
  ['i64', -2n, 'ff ff ff ff ff ff ff fe', 'ff fe ff ff ff ff ff ff', 'ff ff ff ff ff ff fe ff', 'fe ff ff ff ff ff ff ff'],
  ['f64', 1.5, '3f f8 00 00 00 00 00 00', '00 00 00 00 00 00 3f f8', 'f8 3f 00 00 00 00 00 00', '00 00 00 00 00 00 f8 3f'],
  ['f64', 123456.789, '40 fe 24 0c 9f be 76 c9', '76 c9 9f be 24 0c 40 fe', 'fe 40 0c 24 be 9f c9 76', 'c9 76 be 9f 0c 24 fe 40'],
  ['bcd16', 1234, '12 34', '12 34', '34 12', '34 12'],
  ['bcd32', 12345678, '12 34 56 78', '56 78 12 34', '34 12 78 56', '78 56 34 12'],
  ['bcd32', 9, '00 00 00 09', '00 09 00 00', '00 00 09 00', '09 00 00 00'],
  ['string(6)', 'Hello', '48 65 6c 6c 6f 00', '48 65 6c 6c 6f 00', '65 48 6c 6c 00 6f', '65 48 6c 6c 00 6f'],
  ['string(5)', 'Hello', '48 65 6c 6c 6f 00', '48 65 6c 6c 6f 00', '65 48 6c 6c 00 6f', '65 48 6c 6c 00 6f'],
  ['string(4)', 'é°', 'c3 a9 c2 b0', 'c3 a9 c2 b0', 'a9 c3 b0 c2', 'a9 c3 b0 c2'],
  ['bytes(3)', Uint8Array.of(1, 2, 3), '01 02 03 00', '01 02 03 00', '02 01 00 03', '02 01 00 03'],
]

describe('the codec', () => {
  it.each(vectors.flatMap(([type, value, ...raws]) => orders.map((order, place) => [type, order, value, raws[place] ?? ''] as const)))(
    'has %s in %s: %s is %s, and back',
    (type, order, value, raw) => {
      const { decode, encode } = codec(`hr:0 ${type} ${order}`)
      expect(decode(bytes(raw), 0)).toStrictEqual(value)
      expect(encode(value).toString('hex')).toBe(raw.replaceAll(' ', ''))
    },
  )

  it('decodes where it is told to', () => {
    expect(codec('hr:0 u16').decode(bytes('00 01 00 02 00 03'), 4)).toBe(3)
  })

  it('has arrays of every type, in the order of the device for each element', () => {
    expect(codec('hr:0[2] f32 CDAB').decode(bytes('00 00 3f c0 00 00 40 20'), 0)).toEqual([1.5, 2.5])
    expect(codec('hr:0[2] f32 CDAB').encode([1.5, 2.5])).toEqual(bytes('00 00 3f c0 00 00 40 20'))
    expect(codec('hr:0[2] string(2)').decode(bytes('41 42 43 00'), 0)).toEqual(['AB', 'C'])
  })

  it.each([
    ['ABCD', 0, '00 01'],
    ['ABCD', 3, '00 08'],
    ['ABCD', 15, '80 00'],
    ['DCBA', 3, '08 00'],
    ['BADC', 15, '00 80'],
  ])('has bits of registers: %s bit %i is %s', (order, bit, raw) => {
    const { decode } = codec(`hr:0.${bit} bool ${order}`)
    const inverse = Buffer.from(bytes(raw).map((byte) => byte ^ 0xff))
    expect([decode(bytes(raw), 0), decode(inverse, 0)]).toEqual([true, false])
  })

  it('has coils packed, the first one lowest', () => {
    expect(codec('co:0[10]').decode(bytes('05 02'), 0)).toEqual([true, false, true, false, false, false, false, false, false, true])
    expect(codec('co:0').decode(bytes('00 02'), 9)).toBe(true)
    expect(codec('co:0[10]').encode([true, false, true, false, false, false, false, false, false, true])).toEqual(bytes('05 02'))
  })

  it.each([
    ['f32', '7f c0 00 00'],
    ['f32', '7f 80 00 00'],
    ['f32', 'ff 80 00 00'],
    ['f64', '7f f8 00 00 00 00 00 00'],
    ['f64', 'ff f0 00 00 00 00 00 00'],
    ['bcd16', '12 a4'],
    ['bcd32', 'ff ff ff ff'],
  ])('has no value where %s is %s', (type, raw) => {
    expect(codec(`hr:0 ${type}`).decode(bytes(raw), 0)).toBeNull()
  })

  it('has no value for an array with an element that is none', () => {
    expect(codec('hr:0[2] f32').decode(bytes('3f c0 00 00 7f c0 00 00'), 0)).toBeNull()
  })

  it('ends text at the first NUL, takes blanks at the end for filling, and Latin-1 for what is no UTF-8', () => {
    const { decode } = codec('hr:0 string(6)')
    expect(decode(bytes('41 42 00 43 44 45'), 0)).toBe('AB')
    expect(decode(bytes('41 42 20 20 20 20'), 0)).toBe('AB')
    expect(decode(bytes('32 31 b0 43 00 00'), 0)).toBe('21°C')
  })

  it.each([
    ['u16', 65536, 'modbus.value-range'],
    ['u16', -1, 'modbus.value-range'],
    ['i16', 32768, 'modbus.value-range'],
    ['i16', -32769, 'modbus.value-range'],
    ['u32', 2 ** 32, 'modbus.value-range'],
    ['i32', -(2 ** 31) - 1, 'modbus.value-range'],
    ['u64', 2n ** 64n, 'modbus.value-range'],
    ['u64', -1n, 'modbus.value-range'],
    ['i64', 2n ** 63n, 'modbus.value-range'],
    ['bcd16', 10000, 'modbus.value-range'],
    ['bcd32', -1, 'modbus.value-range'],
    ['f32', 1e39, 'modbus.value-range'],
    ['f32', Number.NaN, 'modbus.value-range'],
    ['f64', Number.POSITIVE_INFINITY, 'modbus.value-range'],
    ['u16', 1.5, 'modbus.value-type'],
    ['i64', 2 ** 53, 'modbus.value-type'],
    ['u16', '7', 'modbus.value-type'],
    ['u16', true, 'modbus.value-type'],
    ['u16', [1], 'modbus.value-type'],
    ['f32', '1.5', 'modbus.value-type'],
    ['string(4)', 'Hello', 'modbus.value-length'],
    ['string(4)', 'ééé', 'modbus.value-length'],
    ['string(4)', 'a\0b', 'modbus.value-type'],
    ['string(4)', 7, 'modbus.value-type'],
    ['bytes(2)', Uint8Array.of(1), 'modbus.value-length'],
    ['bytes(2)', 'ab', 'modbus.value-type'],
  ] as const)('refuses %s for %s, with %s, and never wraps it', (type, value, code) => {
    expect(() => codec(`hr:0 ${type}`).encode(value)).toThrow(expect.objectContaining({ code, remedy: expect.stringMatching(/\w/) }))
  })

  it.each([
    ['hr:0[2] u16', [1], 'modbus.value-length'],
    ['hr:0[2] u16', 1, 'modbus.value-type'],
    ['hr:0[2] u16', [1, 70000], 'modbus.value-range'],
    ['co:0[2]', [true], 'modbus.value-length'],
    ['co:0[2]', [true, 1], 'modbus.value-type'],
    ['co:0', 1, 'modbus.value-type'],
  ] as const)('refuses for %s the value %s', (at, value, code) => {
    expect(() => codec(at).encode(value)).toThrow(expect.objectContaining({ code }))
  })

  it('gives back every value of every type that it has taken', () => {
    const whole = {
      i16: [-(2 ** 15), 2 ** 15 - 1],
      u16: [0, 65535],
      i32: [-(2 ** 31), 2 ** 31 - 1],
      u32: [0, 2 ** 32 - 1],
      bcd16: [0, 9999],
      bcd32: [0, 99999999],
    }
    const types = fc.oneof(
      ...Object.entries(whole).map(([type, [min = 0, max = 0]]) => fc.tuple(fc.constant(type), fc.integer({ min, max }))),
      fc.tuple(fc.constant('i64'), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)),
      fc.tuple(fc.constant('u64'), fc.bigInt(0n, 2n ** 64n - 1n)),
      fc.tuple(fc.constant('f32'), fc.float({ noNaN: true, noDefaultInfinity: true })),
      fc.tuple(fc.constant('f64'), fc.double({ noNaN: true, noDefaultInfinity: true })),
    )
    fc.assert(
      fc.property(types, fc.constantFrom(...orders), ([type, value], order) => {
        const { decode, encode } = codec(`hr:0 ${type} ${order}`)
        expect(decode(encode(value), 0)).toStrictEqual(value)
      }),
    )
  })
})
