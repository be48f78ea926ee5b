import type { Scalar, TagValue } from '../tag.ts'
import { packArray, unpackArray } from './arrays.ts'
import { type DataTypeName, dataTypeName } from './data-type.ts'
import type { DataSet, Template, WireValue } from './payload.ts'

/** What a value means: Int64 and UInt64 are bigint, DateTime is ms since 1970 UTC, arrays are lists. */
export type SparkplugValue = TagValue | DataSet | Template

interface Whole {
  readonly bits: 8 | 16 | 32 | 64
  readonly isSigned: boolean
}

const wholes: Readonly<Partial<Record<DataTypeName, Whole>>> = {
  Int8: { bits: 8, isSigned: true },
  Int16: { bits: 16, isSigned: true },
  Int32: { bits: 32, isSigned: true },
  Int64: { bits: 64, isSigned: true },
  UInt8: { bits: 8, isSigned: false },
  UInt16: { bits: 16, isSigned: false },
  UInt32: { bits: 32, isSigned: false },
  UInt64: { bits: 64, isSigned: false },
  DateTime: { bits: 64, isSigned: false },
}

/** A value in its form on the wire; undefined where it does not fit the type. */
export function wireValue(value: TagValue, type: number): WireValue | undefined {
  const name = dataTypeName(type)
  if (name === undefined) return undefined
  const whole = wholes[name]
  if (whole !== undefined) return wireWhole(value, whole)
  if (Array.isArray(value)) return wireArray(value as readonly Scalar[], name)
  if (name === 'Float' || name === 'Double') {
    const number = typeof value === 'bigint' ? Number(value) : value
    return typeof number === 'number' ? { form: name === 'Float' ? 'float' : 'double', value: number } : undefined
  }
  if (name === 'Boolean') return typeof value === 'boolean' ? { form: 'boolean', value } : undefined
  if (name === 'String' || name === 'Text' || name === 'UUID') return typeof value === 'string' ? { form: 'string', value } : undefined
  if (name === 'Bytes' || name === 'File') return value instanceof Uint8Array ? { form: 'bytes', value } : undefined
  return undefined
}

function wireWhole(value: TagValue, { bits, isSigned }: Whole): WireValue | undefined {
  if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isSafeInteger(value))) return undefined
  const number = BigInt(value)
  const fits = isSigned ? BigInt.asIntN(bits, number) : BigInt.asUintN(bits, number)
  if (fits !== number) return undefined
  // The types of the specification would have UInt32 in `int`. Tahu, on which most hosts are built, reads and writes it in `long` alone.
  if (bits < 32 || (bits === 32 && isSigned)) return { form: 'int', value: Number(BigInt.asUintN(32, number)) }
  const unsigned = BigInt.asUintN(64, number)
  return { form: 'long', value: unsigned <= Number.MAX_SAFE_INTEGER ? Number(unsigned) : unsigned }
}

function wireArray(values: readonly Scalar[], name: DataTypeName): WireValue | undefined {
  const elementName = name.endsWith('Array') ? (name.slice(0, -'Array'.length) as DataTypeName) : undefined
  if (elementName === undefined || !values.every((value) => fitsElement(value, elementName))) return undefined
  const bytes = packArray(values, name)
  return bytes === undefined ? undefined : { form: 'bytes', value: bytes }
}

function fitsElement(value: Scalar, name: DataTypeName): boolean {
  const whole = wholes[name]
  if (whole !== undefined) return wireWhole(value, whole) !== undefined
  if (name === 'Boolean') return typeof value === 'boolean'
  return typeof value === (name === 'String' ? 'string' : 'number')
}

/** What a value of this type means; undefined where the form on the wire is none of the type, or holds what the type cannot. */
export function typedValue(wire: WireValue, type: number): SparkplugValue | undefined {
  const name = dataTypeName(type)
  if (name === undefined || wire.form === 'extension') return undefined
  const whole = wholes[name]
  if (wire.form === 'int' || wire.form === 'long') return whole && wholeOf(BigInt(wire.value), name, whole)
  if (wire.form === 'float' || wire.form === 'double') return name === 'Float' || name === 'Double' ? wire.value : undefined
  if (wire.form === 'boolean') return name === 'Boolean' ? wire.value : undefined
  if (wire.form === 'string') return name === 'String' || name === 'Text' || name === 'UUID' ? wire.value : undefined
  if (wire.form === 'bytes') return name === 'Bytes' || name === 'File' ? wire.value : unpackArray(wire.value, name)
  if (wire.form === 'dataSet') return name === 'DataSet' ? wire.value : undefined
  return name === 'Template' ? wire.value : undefined
}

/** Makes differ in how far they extend the sign of a small number, and put UInt32 into `long`: what is unmistakable is taken. */
function wholeOf(bits: bigint, name: DataTypeName, { bits: width, isSigned }: Whole): number | bigint | undefined {
  const value = isSigned ? BigInt.asIntN(width, bits) : BigInt.asUintN(width, bits)
  const isMeant = [width, 32, 64].some((size) => size >= width && BigInt.asUintN(size, value) === bits)
  if (!isMeant) return undefined
  return width === 64 && name !== 'DateTime' ? value : Number(value)
}
