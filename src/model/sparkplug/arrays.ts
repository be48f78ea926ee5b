import type { Scalar } from '../tag.ts'
import type { DataTypeName } from './data-type.ts'

/** The arrays of Sparkplug 3.0 are bytes: numbers packed little-endian, texts each with a zero behind, bits after their count. */

interface Element {
  readonly sizeBytes: number
  read(view: DataView, at: number): Scalar
  write(view: DataView, at: number, value: Scalar): void
}

const elements: Readonly<Partial<Record<DataTypeName, Element>>> = {
  Int8Array: narrow(
    1,
    (view, at) => view.getInt8(at),
    (view, at, value) => view.setInt8(at, value),
  ),
  Int16Array: narrow(
    2,
    (view, at) => view.getInt16(at, true),
    (view, at, value) => view.setInt16(at, value, true),
  ),
  Int32Array: narrow(
    4,
    (view, at) => view.getInt32(at, true),
    (view, at, value) => view.setInt32(at, value, true),
  ),
  Int64Array: wide((view, at) => view.getBigInt64(at, true)),
  UInt8Array: narrow(
    1,
    (view, at) => view.getUint8(at),
    (view, at, value) => view.setUint8(at, value),
  ),
  UInt16Array: narrow(
    2,
    (view, at) => view.getUint16(at, true),
    (view, at, value) => view.setUint16(at, value, true),
  ),
  UInt32Array: narrow(
    4,
    (view, at) => view.getUint32(at, true),
    (view, at, value) => view.setUint32(at, value, true),
  ),
  UInt64Array: wide((view, at) => view.getBigUint64(at, true)),
  FloatArray: narrow(
    4,
    (view, at) => view.getFloat32(at, true),
    (view, at, value) => view.setFloat32(at, value, true),
  ),
  DoubleArray: narrow(
    8,
    (view, at) => view.getFloat64(at, true),
    (view, at, value) => view.setFloat64(at, value, true),
  ),
  DateTimeArray: {
    sizeBytes: 8,
    read: (view, at) => Number(view.getBigUint64(at, true)),
    write: (view, at, value) => view.setBigUint64(at, BigInt.asUintN(64, BigInt(value as number)), true),
  },
}

function narrow(
  sizeBytes: number,
  read: (view: DataView, at: number) => number,
  write: (view: DataView, at: number, value: number) => void,
): Element {
  return { sizeBytes, read, write: (view, at, value) => write(view, at, value as number) }
}

function wide(read: (view: DataView, at: number) => bigint): Element {
  return { sizeBytes: 8, read, write: (view, at, value) => view.setBigUint64(at, BigInt.asUintN(64, BigInt(value as bigint)), true) }
}

/** The values must be of the type already. undefined where a text holds a zero, which would end it, or the type is no array. */
export function packArray(values: readonly Scalar[], type: DataTypeName): Uint8Array | undefined {
  if (type === 'BooleanArray') return packBits(values)
  if (type === 'StringArray') return packTexts(values)
  const element = elements[type]
  if (element === undefined) return undefined
  const view = new DataView(new ArrayBuffer(values.length * element.sizeBytes))
  for (const [place, value] of values.entries()) element.write(view, place * element.sizeBytes, value)
  return new Uint8Array(view.buffer)
}

/** undefined where the bytes are no such array. */
export function unpackArray(bytes: Uint8Array, type: DataTypeName): readonly Scalar[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (type === 'BooleanArray') return unpackBits(view)
  if (type === 'StringArray') return unpackTexts(bytes)
  const element = elements[type]
  if (element === undefined || bytes.length % element.sizeBytes !== 0) return undefined
  return Array.from({ length: bytes.length / element.sizeBytes }, (_, place) => element.read(view, place * element.sizeBytes))
}

function packBits(values: readonly Scalar[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 + Math.ceil(values.length / 8)))
  view.setUint32(0, values.length, true)
  for (const [place, isTrue] of values.entries()) {
    const at = 4 + (place >> 3)
    if (isTrue === true) view.setUint8(at, view.getUint8(at) | (0x80 >> (place & 7)))
  }
  return new Uint8Array(view.buffer)
}

function unpackBits(view: DataView): readonly boolean[] | undefined {
  const count = view.byteLength < 4 ? undefined : view.getUint32(0, true)
  if (count === undefined || Math.ceil(count / 8) !== view.byteLength - 4) return undefined
  return Array.from({ length: count }, (_, place) => (view.getUint8(4 + (place >> 3)) & (0x80 >> (place & 7))) !== 0)
}

function packTexts(values: readonly Scalar[]): Uint8Array | undefined {
  const texts = values.map(String)
  return texts.some((text) => text.includes('\0')) ? undefined : Buffer.from(texts.map((text) => `${text}\0`).join(''))
}

function unpackTexts(bytes: Uint8Array): readonly string[] | undefined {
  if (bytes.length === 0) return []
  if (bytes.at(-1) !== 0) return undefined
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength - 1)
    .toString('utf8')
    .split('\0')
}
