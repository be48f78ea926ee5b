import { DataType, type DataValue, type Variant, VariantArrayType } from 'node-opcua-client'
import type { Reading, Scalar, TagValue } from '../../model/tag.ts'
import { bitsOfPair } from '../../model/wide.ts'
import { badDecodingError, badEncodingLimits, badNoData, badNotSupported, qualityOf, statusOf } from './quality.ts'

/** A tag holds no more elements of an array than this. */
const elementsMax = 100_000
/** 9999-12-31: what servers send for "no time" lies beyond it, or before 1970. */
const momentMsMax = 253_402_214_400_000

/** What the wire says of one node, as a reading. 64-bit integers become bigint, moments RFC 3339 text, names and ids their text. */
export function readingOf(tag: number, data: DataValue, take: (variant: Variant) => TagValue | undefined = tagValueOf): Reading {
  const status = statusOf(data.statusCode.value)
  const sourceMs = sourceMsOf(data)
  const variant = data.value
  const quality = qualityOf(status)
  if (quality === 'bad') return bad(tag, status, sourceMs)
  if (variant === null || variant === undefined || variant.dataType === DataType.Null) return bad(tag, badNoData, sourceMs)
  if (isTooLong(variant)) return bad(tag, badEncodingLimits, sourceMs)
  const value = take(variant)
  if (value === undefined) return bad(tag, badNotSupported, sourceMs)
  if (!isNumberThatMeansSomething(value)) return bad(tag, badDecodingError, sourceMs)
  if (status === 0) return sourceMs === undefined ? { tag, value, quality } : { tag, value, quality, sourceMs }
  return sourceMs === undefined ? { tag, value, quality, status } : { tag, value, quality, status, sourceMs }
}

function bad(tag: number, status: number, sourceMs: number | undefined): Reading {
  return sourceMs === undefined ? { tag, value: null, quality: 'bad', status } : { tag, value: null, quality: 'bad', status, sourceMs }
}

function sourceMsOf(data: DataValue): number | undefined {
  const ms = (data.sourceTimestamp ?? data.serverTimestamp)?.getTime()
  return ms !== undefined && ms > 0 && ms < momentMsMax ? ms : undefined
}

function isTooLong(variant: Variant): boolean {
  return variant.arrayType !== VariantArrayType.Scalar && (variant.value?.length ?? 0) > elementsMax
}

/** NaN and the infinities are how devices say "no value". */
function isNumberThatMeansSomething(value: TagValue): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (!Array.isArray(value)) return true
  return (value as readonly Scalar[]).every((item) => typeof item !== 'number' || Number.isFinite(item))
}

/** A matrix is flattened row by row. undefined for what a tag cannot hold (structures, diagnostics). */
export function tagValueOf(variant: Variant): TagValue | undefined {
  const { dataType, arrayType, value } = variant
  if (arrayType === VariantArrayType.Scalar) return scalarOf(dataType, value)
  if (value === null || value === undefined) return []
  const items: Scalar[] = []
  for (const item of value as Iterable<unknown>) {
    const scalar = dataType === DataType.Variant ? innerScalar(item as Variant) : scalarOf(dataType, item)
    if (scalar === undefined) return undefined
    items.push(scalar)
  }
  return items
}

/** In an array of variants each element has a type of its own. */
function innerScalar(variant: Variant): Scalar | undefined {
  return variant.arrayType === VariantArrayType.Scalar ? scalarOf(variant.dataType, variant.value) : undefined
}

export function scalarOf(type: DataType, value: unknown): Scalar | undefined {
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
      return BigInt.asIntN(64, bitsOfPair(value))
    case DataType.UInt64:
      return BigInt.asUintN(64, bitsOfPair(value))
    case DataType.DateTime:
      return dateText(value)
    case DataType.ByteString:
      return value instanceof Uint8Array ? value : new Uint8Array()
    case DataType.StatusCode:
      return (value as { readonly value?: number } | null)?.value
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

function dateText(value: unknown): string {
  const isMoment = value instanceof Object && 'toISOString' in value && !Number.isNaN(Number(value))
  return isMoment ? (value as { toISOString(): string }).toISOString() : ''
}
