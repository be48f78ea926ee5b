import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rawValue, scaledValue } from '../../../src/control/tag-table.ts'
import { locate, orders, type PlaceDefaults } from '../../../src/south/modbus/address.ts'
import { type Codec, codecOf } from '../../../src/south/modbus/codec.ts'
import { noValues, scaled, vectors } from './codec-vectors.ts'
import { address } from './modbus-site.ts'

const defaults: PlaceDefaults = { unit: 1, order: 'ABCD', addressing: 'zero' }

function codec(text: string): Codec {
  return codecOf(locate(address(text), defaults))
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex')
}

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

  it.each(noValues)('has no value where %s is %s', (type, raw) => {
    expect(codec(`hr:0 ${type}`).decode(bytes(raw), 0)).toBeNull()
  })

  it.each(scaled)('means, as %s %s with %o, %d, and back', (type, raw, scale, meaning) => {
    const { decode, encode } = codec(`hr:0 ${type}`)
    const value = decode(bytes(raw), 0)
    expect(value).not.toBeNull()
    expect(scaledValue(value ?? '', scale)).toBe(meaning)
    expect(encode(rawValue(meaning, scale)).toString('hex')).toBe(raw.replaceAll(' ', ''))
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

  it('fills text up with what the device has there: NUL, or blanks', () => {
    expect(codec('hr:0 string(6)').encode('Ab')).toEqual(bytes('41 62 00 00 00 00'))
    const blanks = codecOf({ ...locate(address('hr:0 string(6)'), defaults), padding: 'space' })
    expect(blanks.encode('Ab')).toEqual(bytes('41 62 20 20 20 20'))
    expect(blanks.decode(bytes('41 62 20 20 20 20'), 0)).toBe('Ab')
    expect(() => blanks.encode('Ab ')).toThrow(expect.objectContaining({ code: 'modbus.value-type' }))
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
    ['string(4)', '\ud83d', 'modbus.value-type'],
    ['string(4)', 'AB  ', 'modbus.value-type'],
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

  it('gives back every array, text and byte string that it has taken', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 10 }).filter((value) => {
      return Buffer.byteLength(value) <= 20 && !value.includes('\0') && !value.endsWith(' ') && value.isWellFormed()
    })
    const values = fc.oneof(
      fc.tuple(fc.constant('hr:0 string(20)'), text),
      fc.tuple(fc.constant('hr:0 bytes(7)'), fc.uint8Array({ minLength: 7, maxLength: 7 })),
      fc.tuple(fc.constant('hr:0[3] i32'), fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { minLength: 3, maxLength: 3 })),
      fc.tuple(fc.constant('hr:0[2] u64'), fc.array(fc.bigInt(0n, 2n ** 64n - 1n), { minLength: 2, maxLength: 2 })),
      fc.tuple(fc.constant('hr:0[2] string(6)'), fc.array(fc.constantFrom('', 'abc', 'äöü', 'abcdef'), { minLength: 2, maxLength: 2 })),
    )
    fc.assert(
      fc.property(values, fc.constantFrom(...orders), ([at, value], order) => {
        const { decode, encode } = codec(`${at} ${order}`)
        expect(decode(encode(value), 0)).toStrictEqual(value)
      }),
    )
  })

  it('gives back every pattern of coils that it has taken', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), (bits) => {
        const { decode, encode } = codec(`co:0[${bits.length}]`)
        expect(decode(encode(bits), 0)).toEqual(bits)
      }),
    )
  })

  it('never encodes a number that decodes to another one', () => {
    const types = ['i16', 'u16', 'i32', 'u32', 'i64', 'u64', 'bcd16', 'bcd32'] as const
    const numbers = fc.oneof(fc.double(), fc.integer(), fc.maxSafeInteger(), fc.bigInt(-(2n ** 70n), 2n ** 70n))
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.constantFrom(...orders), numbers, (type, order, value) => {
        const { decode, encode } = codec(`hr:0 ${type} ${order}`)
        let raw: Buffer
        try {
          raw = encode(value)
        } catch {
          return // refused, which is what it shall do
        }
        expect(BigInt(Number(decode(raw, 0)) === Number(value) ? (decode(raw, 0) as number | bigint) : -1n)).toBe(BigInt(value))
      }),
      { numRuns: 500 },
    )
  })
})
