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
import { FieldWriter } from './protobuf.ts'

/** The bytes of a payload, by the published sparkplug_b.proto. */
export function encodePayload(payload: SparkplugPayload): Uint8Array {
  const writer = new FieldWriter()
  const { timestampMs, metrics, seq, uuid, body } = payload
  if (timestampMs !== undefined) writer.uint(1, timestampMs)
  for (const metric of metrics) writer.nested(2, metric, writeMetric)
  if (seq !== undefined) writer.uint(3, seq)
  if (uuid !== undefined) writer.string(4, uuid)
  if (body !== undefined) writer.bytes(5, body)
  return writer.finish()
}

function writeMetric(writer: FieldWriter, metric: SparkplugMetric): void {
  const { name, alias, timestampMs, type, isHistorical, isTransient, isNull, metadata, properties, value } = metric
  if (name !== undefined) writer.string(1, name)
  if (alias !== undefined) writer.uint(2, alias)
  if (timestampMs !== undefined) writer.uint(3, timestampMs)
  if (type !== undefined) writer.uint(4, type)
  if (isHistorical !== undefined) writer.bool(5, isHistorical)
  if (isTransient !== undefined) writer.bool(6, isTransient)
  if (isNull !== undefined) writer.bool(7, isNull)
  if (metadata !== undefined) writer.nested(8, metadata, writeMetadata)
  if (properties !== undefined) writer.nested(9, properties, writePropertySet)
  if (value !== undefined) writeValue(writer, value)
}

function writeValue(writer: FieldWriter, value: WireValue): void {
  if (value.form === 'bytes') writer.bytes(16, value.value)
  else if (value.form === 'dataSet') writer.nested(17, value.value, writeDataSet)
  else if (value.form === 'template') writer.nested(18, value.value, writeTemplate)
  else writeScalar(writer, value, metricFields)
}

/** The field numbers of one `oneof value`: the forms stand in the same order everywhere. */
interface ScalarFields {
  readonly int: number
  readonly extension: number
}

const metricFields: ScalarFields = { int: 10, extension: 19 }
const propertyFields: ScalarFields = { int: 3, extension: 11 }
const cellFields: ScalarFields = { int: 1, extension: 7 }
const parameterFields: ScalarFields = { int: 3, extension: 9 }

function writeScalar(writer: FieldWriter, scalar: WireScalar, { int, extension }: ScalarFields): void {
  if (scalar.form === 'int') writer.uint(int, scalar.value >>> 0)
  else if (scalar.form === 'long') writer.uint(int + 1, scalar.value)
  else if (scalar.form === 'float') writer.float(int + 2, scalar.value)
  else if (scalar.form === 'double') writer.double(int + 3, scalar.value)
  else if (scalar.form === 'boolean') writer.bool(int + 4, scalar.value)
  else if (scalar.form === 'string') writer.string(int + 5, scalar.value)
  else writer.bytes(extension, scalar.value)
}

function writeMetadata(writer: FieldWriter, metadata: SparkplugMetadata): void {
  const { isMultiPart, contentType, size, seq, fileName, fileType, md5, description } = metadata
  if (isMultiPart !== undefined) writer.bool(1, isMultiPart)
  if (contentType !== undefined) writer.string(2, contentType)
  if (size !== undefined) writer.uint(3, size)
  if (seq !== undefined) writer.uint(4, seq)
  if (fileName !== undefined) writer.string(5, fileName)
  if (fileType !== undefined) writer.string(6, fileType)
  if (md5 !== undefined) writer.string(7, md5)
  if (description !== undefined) writer.string(8, description)
}

function writePropertySet(writer: FieldWriter, properties: PropertySet): void {
  for (const { name } of properties) writer.string(1, name)
  for (const property of properties) writer.nested(2, property, writeProperty)
}

function writeProperty(writer: FieldWriter, { type, isNull, value }: Property): void {
  if (type !== undefined) writer.uint(1, type)
  if (isNull !== undefined) writer.bool(2, isNull)
  if (value === undefined) return
  if (value.form === 'propertySet') writer.nested(9, value.value, writePropertySet)
  else if (value.form === 'propertySets') writer.nested(10, value.value, writePropertySets)
  else writeScalar(writer, value, propertyFields)
}

function writePropertySets(writer: FieldWriter, sets: readonly PropertySet[]): void {
  for (const set of sets) writer.nested(1, set, writePropertySet)
}

function writeDataSet(writer: FieldWriter, { columns, rows }: DataSet): void {
  writer.uint(1, columns.length)
  for (const { name } of columns) writer.string(2, name)
  for (const { type } of columns) writer.uint(3, type)
  for (const row of rows) writer.nested(4, row, writeRow)
}

function writeRow(writer: FieldWriter, cells: readonly (WireScalar | undefined)[]): void {
  for (const cell of cells) writer.nested(1, cell, writeCell)
}

function writeCell(writer: FieldWriter, cell: WireScalar | undefined): void {
  if (cell !== undefined) writeScalar(writer, cell, cellFields)
}

function writeTemplate(writer: FieldWriter, { version, metrics, parameters, ref, isDefinition }: Template): void {
  if (version !== undefined) writer.string(1, version)
  for (const metric of metrics) writer.nested(2, metric, writeMetric)
  for (const parameter of parameters) writer.nested(3, parameter, writeParameter)
  if (ref !== undefined) writer.string(4, ref)
  if (isDefinition !== undefined) writer.bool(5, isDefinition)
}

function writeParameter(writer: FieldWriter, { name, type, value }: TemplateParameter): void {
  if (name !== undefined) writer.string(1, name)
  if (type !== undefined) writer.uint(2, type)
  if (value !== undefined) writeScalar(writer, value, parameterFields)
}
