import { coerceStatusCode, type StatusCode, StatusCodes } from 'node-opcua-status-code'
import { DataType, Variant, VariantArrayType } from 'node-opcua-variant'
import { parseIsoTime } from '../../base/clock.ts'
import type { Sample } from '../../model/sample.ts'
import type { Scalar, TagValue, ValueType } from '../../model/tag.ts'
import { bitsOfPair, isNarrowInteger, narrowInteger, pairOf } from '../../model/wide.ts'

export const dataTypes: Readonly<Record<ValueType, DataType>> = {
  bool: DataType.Boolean,
  i8: DataType.SByte,
  u8: DataType.Byte,
  i16: DataType.Int16,
  u16: DataType.UInt16,
  i32: DataType.Int32,
  u32: DataType.UInt32,
  i64: DataType.Int64,
  u64: DataType.UInt64,
  f32: DataType.Float,
  f64: DataType.Double,
  string: DataType.String,
  bytes: DataType.ByteString,
  time: DataType.DateTime,
}

const nothing = new Variant({ dataType: DataType.Null })

/** The value in the variable's own type. What is not of that type (a device may lie about it) is sent as nothing. */
export function variantOf(value: TagValue | null, type: ValueType | undefined): Variant {
  if (value === null) return nothing
  if (Array.isArray(value)) return arrayOf(value, type)
  const scalar = value as Scalar
  const dataType = type === undefined ? natural(scalar) : dataTypes[type]
  const wire = wireValue(scalar, dataType)
  return wire === undefined ? nothing : new Variant({ dataType, arrayType: VariantArrayType.Scalar, value: wire })
}

function arrayOf(values: readonly Scalar[], type: ValueType | undefined): Variant {
  const dataType = type === undefined ? natural(values[0]) : dataTypes[type]
  const wire = values.map((item) => wireValue(item, dataType))
  return wire.includes(undefined) ? nothing : new Variant({ dataType, arrayType: VariantArrayType.Array, value: wire })
}

function natural(first: Scalar | undefined): DataType {
  if (typeof first === 'boolean') return DataType.Boolean
  if (typeof first === 'bigint') return first >= 2n ** 63n ? DataType.UInt64 : DataType.Int64
  if (typeof first === 'string') return DataType.String
  return first instanceof Uint8Array ? DataType.ByteString : DataType.Double
}

function wireValue(value: Scalar, type: DataType): unknown {
  if (isNarrowInteger(type)) return narrowInteger(value, type)
  switch (type) {
    case DataType.Boolean:
      return typeof value === 'boolean' ? value : undefined
    case DataType.Float:
    case DataType.Double:
      return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined
    case DataType.Int64:
      return pairOf(value, 'signed')
    case DataType.UInt64:
      return pairOf(value, 'unsigned')
    case DataType.String:
      return typeof value === 'string' ? value : undefined
    case DataType.ByteString:
      return value instanceof Uint8Array ? Buffer.from(value) : undefined
    case DataType.DateTime:
      return momentOf(value)
    default:
      return undefined
  }
}

function momentOf(value: Scalar): unknown {
  const ms = typeof value === 'string' ? parseIsoTime(value) : Number(value)
  return ms === undefined || !Number.isFinite(ms) ? undefined : dateOf(ms)
}

/** The library wants a Date; its own clock would add picoseconds that some clients show as the year 9999. */
export function dateOf(ms: number) {
  // biome-ignore lint/style/noRestrictedGlobals: the wire type; no clock is read here
  return new Date(ms)
}

/**
 * The device's own status code where there is one. A stale value is Uncertain_NoCommunicationLastUsableValue (OPC 10000-8, 6.3.3): the last
 * value that was good, of a source that is not heard any more.
 */
export function statusOf(sample: Sample): StatusCode {
  const { quality, status } = sample
  if (quality === 'stale') return StatusCodes.UncertainNoCommunicationLastUsableValue
  if (status !== undefined && severityOf(status) === quality) return coerceStatusCode(status)
  if (quality === 'good') return StatusCodes.Good
  return quality === 'uncertain' ? StatusCodes.Uncertain : StatusCodes.Bad
}

function severityOf(status: number): Sample['quality'] {
  const severity = status >>> 30
  if (severity === 0) return 'good'
  return severity === 1 ? 'uncertain' : 'bad'
}

/** What a client wrote. undefined for what no tag can hold. */
export function tagValueOf(variant: Variant): TagValue | undefined {
  const { dataType, arrayType, value } = variant
  if (arrayType === VariantArrayType.Scalar) return scalarOf(value, dataType)
  if (arrayType !== VariantArrayType.Array || value === null || value === undefined) return undefined
  const items: Scalar[] = []
  for (const item of value as Iterable<unknown>) {
    const scalar = scalarOf(item, dataType)
    if (scalar === undefined) return undefined
    items.push(scalar)
  }
  return items
}

function scalarOf(value: unknown, type: DataType): Scalar | undefined {
  switch (type) {
    case DataType.Int64:
      return BigInt.asIntN(64, bitsOfPair(value))
    case DataType.UInt64:
      return BigInt.asUintN(64, bitsOfPair(value))
    case DataType.DateTime:
      return (value as { toISOString?(): string } | null)?.toISOString?.()
    case DataType.ByteString:
      return value instanceof Uint8Array ? value : undefined
    default:
      return typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string' ? value : undefined
  }
}
