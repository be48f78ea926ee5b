import type {
  DataSet,
  Property,
  PropertySet,
  SparkplugMetadata,
  SparkplugMetric,
  SparkplugPayload,
  Template,
  TemplateParameter,
  WireScalar,
  WireValue,
} from './payload.ts'
import { FieldReader, Malformed } from './protobuf.ts'

/** A payload, or why the bytes are none. */
export type Decoded = { readonly payload: SparkplugPayload } | { readonly problem: string }

export interface DecodeLimits {
  readonly sizeBytesMax: number
  /** Messages, texts and list elements in all. */
  readonly itemsMax: number
}

const defaultLimits: DecodeLimits = { sizeBytesMax: 4 * 1024 ** 2, itemsMax: 200_000 }
/** Templates in templates, property sets in property sets. */
const depthMax = 16

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/** Reads bytes from outside: whatever they are, it ends soon, holds a bounded amount, and does not throw. */
export function decodePayload(bytes: Uint8Array, limits: DecodeLimits = defaultLimits): Decoded {
  if (bytes.length > limits.sizeBytesMax) return { problem: `it has ${bytes.length} bytes, and ${limits.sizeBytesMax} are allowed` }
  try {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return { payload: readPayload(new FieldReader(buffer, { items: limits.itemsMax, depthMax })) }
  } catch (error) {
    if (error instanceof Malformed) return { problem: error.message }
    throw error
  }
}

function readPayload(reader: FieldReader): SparkplugPayload {
  const metrics: SparkplugMetric[] = []
  const payload: Mutable<SparkplugPayload> = { metrics }
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) payload.timestampMs = reader.uint64()
    else if (field === 2) metrics.push(readMetric(reader.nested()))
    else if (field === 3) payload.seq = reader.uint64()
    else if (field === 4) payload.uuid = reader.string()
    else if (field === 5) payload.body = reader.bytes()
    else reader.skip()
  }
  return payload
}

function readMetric(reader: FieldReader): SparkplugMetric {
  const metric: Mutable<SparkplugMetric> = {}
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) metric.name = reader.string()
    else if (field === 2) metric.alias = reader.uint64()
    else if (field === 3) metric.timestampMs = reader.uint64()
    else if (field === 4) metric.type = reader.uint32()
    else if (field === 5) metric.isHistorical = reader.bool()
    else if (field === 6) metric.isTransient = reader.bool()
    else if (field === 7) metric.isNull = reader.bool()
    else if (field === 8) metric.metadata = readMetadata(reader.nested())
    else if (field === 9) metric.properties = readPropertySet(reader.nested())
    else if (field <= 19) metric.value = readValue(reader, field)
    else reader.skip()
  }
  return metric
}

function readValue(reader: FieldReader, field: number): WireValue {
  if (field === 16) return { form: 'bytes', value: reader.bytes() }
  if (field === 17) return { form: 'dataSet', value: readDataSet(reader.nested()) }
  if (field === 18) return { form: 'template', value: readTemplate(reader.nested()) }
  return readScalar(reader, field - 10)
}

/** By the place of the form in its `oneof`; whatever comes after them is an extension. */
function readScalar(reader: FieldReader, place: number): WireScalar {
  if (place === 0) return { form: 'int', value: reader.uint32() }
  if (place === 1) return { form: 'long', value: reader.uint64() }
  if (place === 2) return { form: 'float', value: reader.float() }
  if (place === 3) return { form: 'double', value: reader.double() }
  if (place === 4) return { form: 'boolean', value: reader.bool() }
  if (place === 5) return { form: 'string', value: reader.string() }
  return { form: 'extension', value: reader.bytes() }
}

function readMetadata(reader: FieldReader): SparkplugMetadata {
  const metadata: Mutable<SparkplugMetadata> = {}
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) metadata.isMultiPart = reader.bool()
    else if (field === 2) metadata.contentType = reader.string()
    else if (field === 3) metadata.size = reader.uint64()
    else if (field === 4) metadata.seq = reader.uint64()
    else if (field === 5) metadata.fileName = reader.string()
    else if (field === 6) metadata.fileType = reader.string()
    else if (field === 7) metadata.md5 = reader.string()
    else if (field === 8) metadata.description = reader.string()
    else reader.skip()
  }
  return metadata
}

function readPropertySet(reader: FieldReader): PropertySet {
  const names: string[] = []
  const values: Omit<Property, 'name'>[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) names.push(reader.string())
    else if (field === 2) values.push(readProperty(reader.nested()))
    else reader.skip()
  }
  if (names.length !== values.length) throw new Malformed(`a property set has ${names.length} names for ${values.length} values`)
  return values.map((value, place) => ({ name: names[place] ?? '', ...value }))
}

function readProperty(reader: FieldReader): Omit<Property, 'name'> {
  const property: Mutable<Omit<Property, 'name'>> = {}
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) property.type = reader.uint32()
    else if (field === 2) property.isNull = reader.bool()
    else if (field === 9) property.value = { form: 'propertySet', value: readPropertySet(reader.nested()) }
    else if (field === 10) property.value = { form: 'propertySets', value: readPropertySets(reader.nested()) }
    else if (field <= 8 || field === 11) property.value = readScalar(reader, field - 3)
    else reader.skip()
  }
  return property
}

function readPropertySets(reader: FieldReader): readonly PropertySet[] {
  const sets: PropertySet[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) sets.push(readPropertySet(reader.nested()))
    else reader.skip()
  }
  return sets
}

function readDataSet(reader: FieldReader): DataSet {
  let columnCount: number | bigint | undefined
  const names: string[] = []
  const types: number[] = []
  const rows: (readonly (WireScalar | undefined)[])[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) columnCount = reader.uint64()
    else if (field === 2) names.push(reader.string())
    else if (field === 3) reader.uint32s(types)
    else if (field === 4) rows.push(readRow(reader.nested()))
    else reader.skip()
  }
  if (names.length !== types.length || (columnCount !== undefined && columnCount !== names.length))
    throw new Malformed(`a data set announces ${columnCount} columns, names ${names.length} and types ${types.length}`)
  if (rows.some((row) => row.length !== names.length)) throw new Malformed('a row of a data set has more or fewer cells than columns')
  return { columns: names.map((name, place) => ({ name, type: types[place] ?? 0 })), rows }
}

function readRow(reader: FieldReader): readonly (WireScalar | undefined)[] {
  const cells: (WireScalar | undefined)[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) cells.push(readCell(reader.nested()))
    else reader.skip()
  }
  return cells
}

function readCell(reader: FieldReader): WireScalar | undefined {
  let cell: WireScalar | undefined
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field <= 7) cell = readScalar(reader, field - 1)
    else reader.skip()
  }
  return cell
}

function readTemplate(reader: FieldReader): Template {
  const metrics: SparkplugMetric[] = []
  const parameters: TemplateParameter[] = []
  const template: Mutable<Template> = { metrics, parameters }
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) template.version = reader.string()
    else if (field === 2) metrics.push(readMetric(reader.nested()))
    else if (field === 3) parameters.push(readParameter(reader.nested()))
    else if (field === 4) template.ref = reader.string()
    else if (field === 5) template.isDefinition = reader.bool()
    else reader.skip()
  }
  return template
}

function readParameter(reader: FieldReader): TemplateParameter {
  const parameter: Mutable<TemplateParameter> = {}
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) parameter.name = reader.string()
    else if (field === 2) parameter.type = reader.uint32()
    else if (field <= 9) parameter.value = readScalar(reader, field - 3)
    else reader.skip()
  }
  return parameter
}
