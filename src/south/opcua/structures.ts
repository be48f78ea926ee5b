import { type ClientSession, DataType, type DataValue, ExtensionObject, promoteOpaqueStructure, Variant } from 'node-opcua-client'
import type { Scalar, TagValue } from '../../model/tag.ts'
import type { FieldPath } from './field.ts'
import { scalarOf, tagValueOf } from './values.ts'

interface Field {
  readonly name: string
  readonly originalName?: string
  readonly fieldType: string
  readonly category?: string
  readonly isArray?: boolean
  /** Of a type of the server's own, what it comes down to. */
  readonly schema?: { readonly name?: string }
}

interface Schema {
  readonly fields?: readonly Field[]
  readonly baseType?: string
  getBaseSchema?(): Schema | null | undefined
}

/** A structure arrives as bytes when the library does not know its type yet. */
export function isOpaque(data: DataValue): boolean {
  const { value } = data
  if (value === null || value === undefined || value.dataType !== DataType.ExtensionObject) return false
  const first: unknown = Array.isArray(value.value) ? value.value[0] : value.value
  return first instanceof Object && first.constructor.name === 'OpaqueStructure'
}

/** Learns the type from the server, once a session, and decodes in place. What cannot be decoded stays opaque. */
export async function decodeStructures(session: ClientSession, values: readonly DataValue[]): Promise<void> {
  await promoteOpaqueStructure(session, [...values])
}

/** What stands at the end of the path; undefined where there is nothing that a tag can hold. */
export function fieldOf(variant: Variant, path: FieldPath): TagValue | undefined {
  let at: Place = { type: variant.dataType, value: variant.value }
  for (const step of path) {
    const next = stepInto(at, step)
    if (next === undefined) return undefined
    at = next
  }
  return leafOf(at)
}

interface Place {
  readonly type: DataType
  readonly value: unknown
}

function stepInto({ type, value }: Place, step: string | number): Place | undefined {
  if (value instanceof Variant) return stepInto({ type: value.dataType, value: value.value }, step)
  if (typeof step === 'number') return isList(value, type) && step < value.length ? { type, value: value[step] } : undefined
  if (!(value instanceof ExtensionObject)) return undefined
  const field = findField(value, step)
  const inner = (value as unknown as Readonly<Record<string, unknown>>)[field?.name ?? '']
  return field === undefined || inner === undefined ? undefined : { type: builtInType(field), value: inner }
}

/** The library turns `Speed` into `speed`; people write what the engineering tool shows. */
function findField(object: ExtensionObject, name: string): Field | undefined {
  const fields = fieldsOf((object as unknown as { readonly schema: Schema }).schema)
  const same = (one: string | undefined): boolean => one?.toLowerCase() === name.toLowerCase()
  return (
    fields.find((field) => field.originalName === name || field.name === name) ??
    fields.find((field) => same(field.originalName) || same(field.name))
  )
}

function fieldsOf(schema: Schema | null | undefined): readonly Field[] {
  if (schema === null || schema === undefined) return []
  return [...fieldsOf(schema.getBaseSchema?.()), ...(schema.fields ?? [])]
}

function builtInType(field: Field): DataType {
  if (field.category === 'enumeration') return DataType.Int32
  const known = DataType[field.fieldType as keyof typeof DataType] ?? aliases[field.fieldType]
  const plain = field.category === 'basic' ? DataType[field.schema?.name as keyof typeof DataType] : undefined
  return known ?? plain ?? DataType.ExtensionObject
}

const aliases: Readonly<Record<string, DataType>> = {
  UtcTime: DataType.DateTime,
  Duration: DataType.Double,
  CharArray: DataType.String,
  UAString: DataType.String,
  LocaleId: DataType.String,
  Bit: DataType.Boolean,
}

function leafOf({ type, value }: Place): TagValue | undefined {
  if (value instanceof Variant) return tagValueOf(value)
  if (value === null || value === undefined) return undefined
  if (!isList(value, type)) return scalarOf(type, value)
  const items: Scalar[] = []
  for (const item of value) {
    const scalar = leafOf({ type, value: item })
    if (scalar === undefined || Array.isArray(scalar)) return undefined
    items.push(scalar as Scalar)
  }
  return items
}

/** A 64-bit integer is a pair of numbers, and no list of two; a list of them holds pairs. */
function isList(value: unknown, type: DataType): value is ArrayLike<unknown> & Iterable<unknown> {
  if (type === DataType.Int64 || type === DataType.UInt64) return Array.isArray(value) && (value.length === 0 || Array.isArray(value[0]))
  if (type === DataType.ByteString) return Array.isArray(value)
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
}

/** For people: what a path could begin with. */
export function fieldNames(variant: Variant): readonly string[] {
  const object: unknown = Array.isArray(variant.value) ? variant.value[0] : variant.value
  if (!(object instanceof ExtensionObject)) return []
  return fieldsOf((object as unknown as { readonly schema: Schema }).schema).map((field) => field.originalName ?? field.name)
}
