import { DataType, type DataValue, VariantArrayType } from 'node-opcua-client'
import type { Reading, Scalar, TagValue } from '../../model/tag.ts'
import { badNoData, badNotSupported, qualityOf, statusOf } from './quality.ts'

/** What the wire says of one node, as a reading. 64-bit integers become bigint, moments RFC 3339 text, names and ids their text. */
export function readingOf(tag: number, data: DataValue): Reading {
  const status = statusOf(data.statusCode.value)
  const time = data.sourceTimestamp ?? data.serverTimestamp
  const sourceMs = time === null || time === undefined ? Number.NaN : time.getTime()
  const at = Number.isNaN(sourceMs) ? {} : { sourceMs }
  const variant = data.value
  if (qualityOf(status) === 'bad') return { tag, value: null, quality: 'bad', status, ...at }
  if (variant === null || variant === undefined || variant.dataType === DataType.Null) return bad(tag, badNoData, at)
  const value = tagValueOf(variant.dataType, variant.arrayType, variant.value)
  if (value === undefined) return bad(tag, badNotSupported, at)
  return status === 0 ? { tag, value, quality: 'good', ...at } : { tag, value, quality: qualityOf(status), status, ...at }
}

function bad(tag: number, status: number, at: { readonly sourceMs?: number }): Reading {
  return { tag, value: null, quality: 'bad', status, ...at }
}

/** undefined for what a tag cannot hold (structures, variants in variants). */
function tagValueOf(type: DataType, array: VariantArrayType, value: unknown): TagValue | undefined {
  if (array === VariantArrayType.Scalar) return scalarOf(type, value)
  if (value === null || value === undefined) return []
  const items: Scalar[] = []
  for (const item of value as Iterable<unknown>) {
    const scalar = scalarOf(type, item)
    if (scalar === undefined) return undefined
    items.push(scalar)
  }
  return items
}

function scalarOf(type: DataType, value: unknown): Scalar | undefined {
  switch (type) {
    case DataType.Boolean:
      return value === true
    case DataType.SByte:
    case DataType.Byte:
    case DataType.Int16:
    case DataType.UInt16:
    case DataType.Int32:
    case DataType.UInt32:
    case DataType.Float:
    case DataType.Double:
      return Number(value)
    case DataType.Int64:
      return BigInt.asIntN(64, wideOf(value))
    case DataType.UInt64:
      return BigInt.asUintN(64, wideOf(value))
    case DataType.DateTime:
      return dateText(value)
    case DataType.ByteString:
      return value instanceof Uint8Array ? value : new Uint8Array()
    case DataType.StatusCode:
      return (value as { readonly value: number }).value
    case DataType.LocalizedText:
      return (value as { readonly text?: string | null } | null)?.text ?? ''
    case DataType.String:
    case DataType.XmlElement:
    case DataType.Guid:
    case DataType.NodeId:
    case DataType.ExpandedNodeId:
    case DataType.QualifiedName:
      return value === null || value === undefined ? '' : String(value)
    default:
      return undefined
  }
}

/** The library holds 64 bits as `[high, low]`, both unsigned. */
function wideOf(value: unknown): bigint {
  const [high = 0, low = 0] = value as readonly number[]
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
}

function dateText(value: unknown): string {
  const isMoment = value instanceof Object && 'toISOString' in value && !Number.isNaN(Number(value))
  return isMoment ? (value as { toISOString(): string }).toISOString() : ''
}
