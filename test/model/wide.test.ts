import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bitsOfPair, narrowInteger, pairOf } from '../../src/model/wide.ts'

describe('a 64-bit integer', () => {
  it('goes through its pair of halves and back, signed and unsigned', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        expect(BigInt.asIntN(64, bitsOfPair(pairOf(value, 'signed')))).toBe(value)
      }),
    )
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        expect(bitsOfPair(pairOf(value, 'unsigned'))).toBe(value)
      }),
    )
  })

  it('is written high half first', () => {
    expect(pairOf(2n ** 32n + 5n, 'unsigned')).toEqual([1, 5])
    expect(pairOf(-2, 'signed')).toEqual([0xffff_ffff, 0xffff_fffe])
  })

  it.each([
    [-1n, 'unsigned'],
    [2n ** 64n, 'unsigned'],
    [2n ** 63n, 'signed'],
    [1.5, 'signed'],
    [2 ** 60, 'signed'],
    ['5', 'signed'],
    [true, 'unsigned'],
  ] as const)('is none where %s does not fit, and is never wrapped', (value, signedness) => {
    expect(pairOf(value, signedness)).toBeUndefined()
  })
})

describe('a narrow integer', () => {
  it.each([
    [2, -128, 127],
    [3, 0, 255],
    [4, -32_768, 32_767],
    [5, 0, 65_535],
    [6, -2_147_483_648, 2_147_483_647],
    [7, 0, 4_294_967_295],
  ])('of the built-in type %i lies between %i and %i', (type, min, max) => {
    expect([narrowInteger(min, type), narrowInteger(BigInt(max), type)]).toEqual([min, max])
    expect([narrowInteger(min - 1, type), narrowInteger(max + 1, type), narrowInteger(0.5, type), narrowInteger(true, type)]).toEqual(
      Array.from({ length: 4 }, () => undefined),
    )
  })
})
