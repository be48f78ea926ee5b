import { Fault } from '../../base/fault.ts'
import type { Scalar, TagValue } from '../../model/tag.ts'
import { type DataType, isBitArea, type Order, type Place, registersOfElement } from './address.ts'
import { bytesCodec, type ElementCodec, stringCodec } from './text-codec.ts'
import { outOfRange, wrongType } from './value-faults.ts'

/** Between the bytes of one value, as they are on the wire, and the value. */
export interface Codec {
  /** `at`: the byte at which the value's first register begins; in bit areas the bit. null where the bytes are no value of the type. */
  decode(raw: Uint8Array, at: number): TagValue | null
  /** Throws a Fault where the value does not fit: it is never wrapped, cut or filled up. Bits come packed, the first one lowest. */
  encode(value: TagValue): Buffer
}

/** Not for one bit of a register: that is not a value of its own on the wire, so it is written by `writer.ts`. */
export function codecOf(place: Place): Codec {
  if (isBitArea(place.area)) return bitCodec(place.length)
  const element = elementCodec(place)
  const { length } = place
  return length === undefined ? scalarCodec(element) : arrayCodec(element, length)
}

function scalarCodec(element: ElementCodec): Codec {
  return {
    decode: (raw, at) => element.decode(raw, at) ?? null,
    encode: (value) => {
      if (isArray(value)) throw wrongType(value, 'a single value')
      const raw = Buffer.alloc(element.sizeBytes)
      element.encode(value, raw, 0)
      return raw
    },
  }
}

function arrayCodec(element: ElementCodec, length: number): Codec {
  return {
    decode: (raw, at) => {
      const values: Scalar[] = []
      for (let place = 0; place < length; place += 1) {
        const value = element.decode(raw, at + place * element.sizeBytes)
        if (value === undefined) return null
        values.push(value)
      }
      return values
    },
    encode: (value) => {
      const raw = Buffer.alloc(element.sizeBytes * length)
      for (const [place, item] of arrayOf(value, length).entries()) element.encode(item, raw, place * element.sizeBytes)
      return raw
    },
  }
}

function bitCodec(length: number | undefined): Codec {
  const bitAt = (raw: Uint8Array, bit: number): boolean => (((raw[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1
  return {
    decode: (raw, at) => (length === undefined ? bitAt(raw, at) : Array.from({ length }, (_, place) => bitAt(raw, at + place))),
    encode: (value) => {
      const bits = length === undefined ? [value] : arrayOf(value, length)
      const raw = Buffer.alloc(Math.ceil(bits.length / 8))
      for (const [place, bit] of bits.entries()) {
        if (typeof bit !== 'boolean') throw wrongType(bit, 'true or false')
        if (bit) raw[place >> 3] = (raw[place >> 3] ?? 0) | (1 << (place & 7))
      }
      return raw
    },
  }
}

function elementCodec({ type, order, bit, sizeBytes = 0, padding = 'nul' }: Place): ElementCodec {
  if (type === 'string') return stringCodec({ sizeBytes, order, padding })
  if (type === 'bytes') return bytesCodec(sizeBytes, order)
  return numberCodec(bit === undefined ? numberKinds[type] : bitOf(bit), order, 2 * registersOfElement(type))
}

/** A number within a view of its bytes, most significant first. */
interface NumberKind {
  get(view: DataView): Scalar | undefined
  set(view: DataView, value: Scalar): void
}

function numberCodec(kind: NumberKind, order: Order, sizeBytes: number): ElementCodec {
  const bytes = Buffer.alloc(sizeBytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, sizeBytes)
  const places = byteOrder(order, sizeBytes)
  return {
    sizeBytes,
    decode: (raw, at) => {
      for (const [place, from] of places.entries()) bytes[place] = raw[at + from] ?? 0
      return kind.get(view)
    },
    encode: (value, into, at) => {
      kind.set(view, value)
      for (const [place, to] of places.entries()) into[at + to] = bytes[place] ?? 0
    },
  }
}

/** Where on the wire each byte of a value stands, most significant byte first. Each order is its own inverse. */
function byteOrder(order: Order, sizeBytes: number): readonly number[] {
  const ofByte: Readonly<Record<Order, (byte: number) => number>> = {
    ABCD: (byte) => byte,
    CDAB: (byte) => sizeBytes - 2 - (byte & ~1) + (byte & 1),
    BADC: (byte) => byte ^ 1,
    DCBA: (byte) => sizeBytes - 1 - byte,
  }
  return Array.from({ length: sizeBytes }, (_, byte) => ofByte[order](byte))
}

const numberKinds: Readonly<Record<Exclude<DataType, 'string' | 'bytes'>, NumberKind>> = {
  bool: bitOf(0),
  i16: integer({ min: -32_768, max: 32_767, get: (view) => view.getInt16(0), set: (view, value) => view.setInt16(0, value) }),
  u16: integer({ min: 0, max: 65_535, get: (view) => view.getUint16(0), set: (view, value) => view.setUint16(0, value) }),
  i32: integer({ min: -(2 ** 31), max: 2 ** 31 - 1, get: (view) => view.getInt32(0), set: (view, value) => view.setInt32(0, value) }),
  u32: integer({ min: 0, max: 2 ** 32 - 1, get: (view) => view.getUint32(0), set: (view, value) => view.setUint32(0, value) }),
  i64: bigInteger({
    min: -(2n ** 63n),
    max: 2n ** 63n - 1n,
    get: (view) => view.getBigInt64(0),
    set: (view, value) => view.setBigInt64(0, value),
  }),
  u64: bigInteger({ min: 0n, max: 2n ** 64n - 1n, get: (view) => view.getBigUint64(0), set: (view, value) => view.setBigUint64(0, value) }),
  f32: float({ get: (view) => view.getFloat32(0), set: (view, value) => view.setFloat32(0, value), nearest: Math.fround }),
  f64: float({ get: (view) => view.getFloat64(0), set: (view, value) => view.setFloat64(0, value), nearest: (value) => value }),
  bcd16: decimal(4),
  bcd32: decimal(8),
}

interface NumberAccess<Kind> {
  get(view: DataView): Kind
  set(view: DataView, value: Kind): void
}

function integer(kind: NumberAccess<number> & { readonly min: number; readonly max: number }): NumberKind {
  return {
    get: kind.get,
    set: (view, value) => {
      const whole = wholeNumber(value)
      if (whole < kind.min || whole > kind.max) throw outOfRange(value, kind)
      kind.set(view, Number(whole))
    },
  }
}

function bigInteger(kind: NumberAccess<bigint> & { readonly min: bigint; readonly max: bigint }): NumberKind {
  return {
    get: kind.get,
    set: (view, value) => {
      const whole = wholeNumber(value)
      if (whole < kind.min || whole > kind.max) throw outOfRange(value, kind)
      kind.set(view, whole)
    },
  }
}

/** NaN and the infinities are how devices say "no value": a broken sensor, a division by zero. */
function float(kind: NumberAccess<number> & { nearest(value: number): number }): NumberKind {
  return {
    get: (view) => {
      const value = kind.get(view)
      return Number.isFinite(value) ? value : undefined
    },
    set: (view, value) => {
      if (typeof value !== 'number' && typeof value !== 'bigint') throw wrongType(value, 'a number')
      const nearest = kind.nearest(Number(value))
      if (!Number.isFinite(nearest)) throw outOfRange(value, { min: 'the least', max: 'the largest finite number of the type' })
      kind.set(view, nearest)
    },
  }
}

/** Four bits a decimal digit; a nibble above 9 is no number. */
function decimal(digits: 4 | 8): NumberKind {
  const max = 10 ** digits - 1
  return {
    get: (view) => {
      const text = (digits === 4 ? view.getUint16(0) : view.getUint32(0)).toString(16)
      return /^\d+$/.test(text) ? Number(text) : undefined
    },
    set: (view, value) => {
      const whole = wholeNumber(value)
      if (whole < 0 || whole > max) throw outOfRange(value, { min: 0, max })
      const raw = Number.parseInt(whole.toString(), 16)
      if (digits === 4) view.setUint16(0, raw)
      else view.setUint32(0, raw)
    },
  }
}

function bitOf(bit: number): NumberKind {
  return {
    get: (view) => ((view.getUint16(0) >> bit) & 1) === 1,
    set: () => {
      throw new Error('a bit of a register cannot be written as a value')
    },
  }
}

function isArray(value: TagValue): value is readonly Scalar[] {
  return Array.isArray(value)
}

function arrayOf(value: TagValue, length: number): readonly Scalar[] {
  if (!isArray(value)) throw wrongType(value, `an array of ${length}`)
  if (value.length === length) return value
  throw new Fault('modbus.value-length', `The array has ${value.length} elements, and ${length} are written at once.`, {
    remedy: `Give all ${length} elements.`,
  })
}

function wholeNumber(value: Scalar): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value !== 'number') throw wrongType(value, 'a whole number')
  if (!Number.isSafeInteger(value)) throw wrongType(value, 'a whole number that is known exactly')
  return BigInt(value)
}
