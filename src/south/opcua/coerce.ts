import {
  coerceLocalizedText,
  coerceNodeId,
  DataType,
  QualifiedName,
  StatusCode,
  StatusCodes,
  Variant,
  VariantArrayType,
} from 'node-opcua-client'
import { parseIsoTime } from '../../base/clock.ts'
import type { Scalar, TagValue } from '../../model/tag.ts'
import { isNarrowInteger, narrowInteger, pairOf } from '../../model/wide.ts'

/** What a node holds, as its last value or its attributes say. */
export interface NodeType {
  readonly dataType: DataType
  readonly isArray: boolean
  /** Of a matrix, whose elements a tag holds row by row. */
  readonly dimensions?: readonly number[]
}

/** As the server encoded it: right even where the declared type is abstract. undefined where it says nothing. */
export function typeOfValue(value: Variant | null | undefined): NodeType | undefined {
  if (value === null || value === undefined || value.dataType === DataType.Null) return undefined
  const { dataType, arrayType, dimensions } = value
  if (arrayType === VariantArrayType.Matrix && dimensions) return { dataType, isArray: true, dimensions }
  return { dataType, isArray: arrayType !== VariantArrayType.Scalar }
}

export function typeText(type: NodeType | undefined): string {
  if (type === undefined) return 'unknown'
  return `${DataType[type.dataType]}${type.isArray ? `[${type.dimensions?.join(',') ?? ''}]` : ''}`
}

/** The value in the node's very own type: servers refuse an Int32 for an Int16. undefined where it does not fit. */
export function variantFor(value: TagValue, type: NodeType): Variant | undefined {
  if (Array.isArray(value) !== type.isArray) return undefined
  if (!Array.isArray(value)) {
    const scalar = coerceScalar(value as Scalar, type.dataType)
    return scalar === undefined ? undefined : new Variant({ dataType: type.dataType, arrayType: VariantArrayType.Scalar, value: scalar })
  }
  const items = value.map((item: Scalar) => coerceScalar(item, type.dataType))
  if (items.includes(undefined)) return undefined
  if (type.dimensions !== undefined) return matrix(items, type.dataType, type.dimensions)
  return new Variant({ dataType: type.dataType, arrayType: VariantArrayType.Array, value: items })
}

/** Written as a whole, in the shape that the node has. */
function matrix(items: readonly unknown[], dataType: DataType, dimensions: readonly number[]): Variant | undefined {
  const size = dimensions.reduce((product, length) => product * length, 1)
  if (items.length !== size) return undefined
  return new Variant({ dataType, arrayType: VariantArrayType.Matrix, dimensions: [...dimensions], value: items })
}

/** Whether the node holds whole numbers only, and some of the value's are none. */
export function hasFraction(value: TagValue, { dataType }: NodeType): boolean {
  const isWhole = isNarrowInteger(dataType) || dataType === DataType.Int64 || dataType === DataType.UInt64
  const items: readonly Scalar[] = Array.isArray(value) ? value : [value]
  return isWhole && items.some((item) => typeof item === 'number' && Number.isFinite(item) && !Number.isInteger(item))
}

function coerceScalar(value: Scalar, type: DataType): unknown {
  if (isNarrowInteger(type)) return narrowInteger(value, type)
  switch (type) {
    case DataType.Boolean:
      return typeof value === 'boolean' ? value : undefined
    case DataType.Float:
      return finite(Math.fround(Number(value)), value)
    case DataType.Double:
      return finite(Number(value), value)
    case DataType.Int64:
      return pairOf(value, 'signed')
    case DataType.UInt64:
      return pairOf(value, 'unsigned')
    case DataType.String:
    case DataType.XmlElement:
      return typeof value === 'string' ? value : undefined
    case DataType.LocalizedText:
      return typeof value === 'string' ? coerceLocalizedText(value) : undefined
    case DataType.ByteString:
      return value instanceof Uint8Array ? Buffer.from(value) : undefined
    case DataType.DateTime:
      return moment(value)
    default:
      return typeof value === 'number' ? statusCode(value, type) : typeof value === 'string' ? named(value, type) : undefined
  }
}

/** Neither NaN nor what is too large for the type: it would arrive as infinity. */
function finite(number: number, value: Scalar): number | undefined {
  const isNumber = typeof value === 'number' || typeof value === 'bigint'
  return isNumber && Number.isFinite(number) ? number : undefined
}

function statusCode(value: number, type: DataType): unknown {
  if (type !== DataType.StatusCode || !Number.isInteger(value) || value < 0 || value > 0xffff_ffff) return undefined
  // What has no name is read as Bad by the library: it could not be confirmed. The lower half holds bits that say more.
  const bits = value % 0x1_0000
  const named = Object.values(StatusCodes).find((code) => code.value === value - bits)
  return named === undefined || bits === 0 ? named : StatusCode.makeStatusCode(named, bits)
}

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Names and ids, from the text that reading them gives. */
function named(value: string, type: DataType): unknown {
  switch (type) {
    case DataType.Guid:
      return guid.test(value) ? value : undefined
    case DataType.QualifiedName:
      return readingAs(value, qualifiedName)
    case DataType.NodeId:
      return readingAs(value, coerceNodeId)
    default:
      return undefined
  }
}

const qualified = /^(?:(?<namespace>[1-9]\d{0,4}):)?(?<name>.+)$/s
const namespaceMax = 0xffff

/** `1:Name`, or the name alone, which may hold colons of its own as long as no number is before the first. */
function qualifiedName(text: string): QualifiedName | undefined {
  const { namespace = '0', name } = qualified.exec(text)?.groups ?? {}
  if (name === undefined || Number(namespace) > namespaceMax || (namespace === '0' && /^\d+:/.test(name))) return undefined
  return new QualifiedName({ namespaceIndex: Number(namespace), name })
}

/** What reads back as another text is not what was meant. */
function readingAs<Name>(value: string, coerce: (text: string) => Name): Name | undefined {
  try {
    const name = coerce(value)
    return String(name) === value ? name : undefined
  } catch {
    return undefined
  }
}

/** RFC 3339, with its zone: of everything else the platform makes a guess. */
const isoMoment = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/
/** From 1601 to 9999; what lies beyond is sent as the end itself (OPC 10000-6, 5.2.2.5). */
const momentSpanMs = [-11_644_473_600_000, 253_402_300_799_000] as const

function moment(value: Scalar): unknown {
  const ms = typeof value === 'string' && isoMoment.test(value) ? parseIsoTime(value) : undefined
  if (ms === undefined || ms <= momentSpanMs[0] || ms >= momentSpanMs[1]) return undefined
  // biome-ignore lint/style/noRestrictedGlobals: the wire type; no clock is read here
  return new Date(ms)
}
