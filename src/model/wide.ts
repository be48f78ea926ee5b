import type { Scalar } from './tag.ts'

/** How OPC UA libraries hold 64 bits: `[high, low]`, both unsigned. */
export type WidePair = readonly [high: number, low: number]

/** The 64 bits of a pair, as an unsigned number. */
export function bitsOfPair(pair: unknown): bigint {
  const [high = 0, low = 0] = Array.isArray(pair) ? (pair as readonly number[]) : []
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
}

/** undefined where the value is no whole number, or does not fit. */
export function pairOf(value: Scalar, signedness: 'signed' | 'unsigned'): WidePair | undefined {
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) return undefined
  const whole = BigInt(value as bigint | number)
  const bits = BigInt.asUintN(64, whole)
  const fits = signedness === 'unsigned' ? bits : BigInt.asIntN(64, whole)
  return fits === whole ? [Number(bits >> 32n), Number(bits & 0xffff_ffffn)] : undefined
}

/** By the number of the built-in type of OPC UA (OPC 10000-6, 5.1.2): SByte, Byte, Int16, UInt16, Int32, UInt32. */
const integerRanges: Readonly<Partial<Record<number, readonly [number, number]>>> = {
  2: [-0x80, 0x7f],
  3: [0, 0xff],
  4: [-0x8000, 0x7fff],
  5: [0, 0xffff],
  6: [-0x8000_0000, 0x7fff_ffff],
  7: [0, 0xffff_ffff],
}

export function isNarrowInteger(builtInType: number): boolean {
  return integerRanges[builtInType] !== undefined
}

/** A whole number of at most 32 bits; undefined where the value is none, or does not fit the built-in type. */
export function narrowInteger(value: Scalar, builtInType: number): number | undefined {
  const range = integerRanges[builtInType]
  const number = typeof value === 'bigint' ? Number(value) : value
  if (range === undefined || typeof number !== 'number' || !Number.isInteger(number)) return undefined
  return number >= range[0] && number <= range[1] ? number : undefined
}
