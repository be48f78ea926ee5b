import { parseIsoTime } from '../../../base/clock.ts'
import type { Quality } from '../../../model/quality.ts'
import type { Sample } from '../../../model/sample.ts'
import { type DataTypeName, dataTypes } from '../../../model/sparkplug/data-type.ts'
import type { Property, SparkplugMetric, WireValue } from '../../../model/sparkplug/payload.ts'
import { wireValue } from '../../../model/sparkplug/values.ts'
import type { TagMeta, TagValue, ValueType } from '../../../model/tag.ts'

const typeNames: Readonly<Record<ValueType, DataTypeName>> = {
  bool: 'Boolean',
  i8: 'Int8',
  u8: 'UInt8',
  i16: 'Int16',
  u16: 'UInt16',
  i32: 'Int32',
  u32: 'UInt32',
  i64: 'Int64',
  u64: 'UInt64',
  f32: 'Float',
  f64: 'Double',
  string: 'String',
  bytes: 'Bytes',
  time: 'DateTime',
}

type TypedMeta = Pick<TagMeta, 'type' | 'length' | 'scale'>

/** The Sparkplug type of a tag; where its device alone knows the type, it is read off the value. undefined: not known, or none of Sparkplug's. */
export function dataTypeOf(meta: TypedMeta, value: TagValue | null): number | undefined {
  const name = meta.scale !== undefined ? 'Double' : meta.type !== undefined ? typeNames[meta.type] : typeNameOf(value)
  if (name === undefined) return undefined
  const isArray = meta.length !== undefined || Array.isArray(value)
  return (dataTypes as Readonly<Record<string, number>>)[isArray ? `${name}Array` : name]
}

function typeNameOf(value: TagValue | null): DataTypeName | undefined {
  if (Array.isArray(value)) return typeNameOf((value[0] as TagValue | undefined) ?? null)
  if (typeof value === 'boolean') return 'Boolean'
  if (typeof value === 'number') return 'Double'
  if (typeof value === 'bigint') return value < 2n ** 63n ? 'Int64' : 'UInt64'
  if (typeof value === 'string') return 'String'
  return value instanceof Uint8Array ? 'Bytes' : undefined
}

/** Sparkplug 6.4.14 knows three; what is doubted must not pass for good. */
const qualityCodes: Readonly<Record<Quality, number>> = { good: 192, uncertain: 0, bad: 0, stale: 500 }

export function qualityCode(quality: Quality): number {
  return qualityCodes[quality]
}

export function qualityProperty(quality: Quality): Property {
  return { name: 'Quality', type: dataTypes.Int32, value: { form: 'int', value: qualityCodes[quality] } }
}

/** What is always the same of a tag; the names are those that SCADA systems look for. */
export function fixedProperties(meta: TagMeta, options: { readonly isWritable: boolean }): readonly Property[] {
  const { unit, range, description } = meta
  return [
    { name: 'readOnly', type: dataTypes.Boolean, value: { form: 'boolean', value: !options.isWritable } },
    ...(unit === undefined ? [] : [text('engUnit', unit)]),
    ...(range === undefined ? [] : [double('engLow', range[0]), double('engHigh', range[1])]),
    ...(description === undefined ? [] : [text('documentation', description)]),
  ]
}

function text(name: string, value: string): Property {
  return { name, type: dataTypes.String, value: { form: 'string', value } }
}

function double(name: string, value: number): Property {
  return { name, type: dataTypes.Double, value: { form: 'double', value } }
}

/** undefined where the value does not fit the type, or there is none. */
function tagWireValue(value: TagValue | null, type: number): WireValue | undefined {
  if (value === null) return undefined
  if (type !== dataTypes.DateTime && type !== dataTypes.DateTimeArray) return wireValue(value, type)
  return wireValue(Array.isArray(value) ? value.map(momentOf) : momentOf(value as TagValue), type)
}

function momentOf(value: TagValue): number {
  return typeof value === 'string' ? (parseIsoTime(value) ?? -1) : Number(value) // -1 fits no DateTime: then it is null
}

/** A value with its own time; null where there is none, as Sparkplug asks. */
export function sampleFields({ value, sourceMs }: Pick<Sample, 'value' | 'sourceMs'>, type: number): SparkplugMetric {
  const wire = tagWireValue(value, type)
  const timestampMs = Math.max(0, Math.round(sourceMs))
  return wire === undefined ? { timestampMs, isNull: true } : { timestampMs, value: wire }
}
