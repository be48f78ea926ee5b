import { AttributeIds, BrowseDirection, DataType, type DataValue, NodeId } from 'node-opcua-client'
import type { ValueType } from '../../model/tag.ts'
import type { DataTypes } from './data-types.ts'
import { cleanText, enumerationText } from './enumeration-text.ts'
import { parseFieldPath } from './field.ts'
import type { Requests } from './requests.ts'

/** What a tag can be of a structure: a value at the end of a path of fields, or why there is none. */
export interface StructurePart {
  /** As `field` in a device file has it; empty for the rest that is left out. */
  readonly field: string
  readonly type?: ValueType
  readonly dataType: string
  readonly isArray: boolean
  readonly description?: string
  readonly refusal?: string
}

/** A field of a structure, as its type declares it. */
interface TypeField {
  readonly name: string
  readonly dataType: NodeId
  readonly isArray: boolean
  /** Of an array that always has as many elements. */
  readonly length?: number
  readonly description?: string
}

/** Of one variable. A line of the journal holds them all. */
const partsMax = 500
const depthMax = 8
const fieldLengthMax = 500
const descriptionLengthMax = 200
const dataTypeLengthMax = 100
/** What is remembered of all types together; beyond that the server is asked again. */
const typesMax = 1_000
const rememberedMax = 50_000

interface Collection {
  readonly parts: StructurePart[]
  readonly signal: AbortSignal
}

/** What the server tells of its own data types: the fields of structures and the names of enumerations. */
export class TypeDefinitions {
  readonly #requests: Requests
  readonly #dataTypes: DataTypes
  readonly #fields = new Map<string, readonly TypeField[] | undefined>()
  readonly #names = new Map<string, string | undefined>()
  #remembered = 0

  constructor({ requests, dataTypes }: { readonly requests: Requests; readonly dataTypes: DataTypes }) {
    this.#requests = requests
    this.#dataTypes = dataTypes
  }

  /** All that a structure is made of, `length` times for an array of them. undefined where the server does not tell. */
  async partsOf(dataType: NodeId, { length, signal }: { readonly length?: number; readonly signal: AbortSignal }) {
    if ((await this.#fieldsOf(dataType, signal)) === undefined) return undefined
    const into: Collection = { parts: [], signal }
    if (length === undefined) await this.#collect({ dataType, prefix: '', depth: 0 }, into)
    for (let at = 0; at < (length ?? 0) && !isFull(into); at += 1) await this.#collect({ dataType, prefix: `[${at}]`, depth: 1 }, into)
    if (isFull(into)) into.parts.push(refused('', dataType, `it has more than ${partsMax} parts: name the others you want with \`field\``))
    return into.parts
  }

  /** `0 Off, 1 Manual`, bounded. undefined where the server does not tell. */
  async namesOf(dataType: NodeId, signal: AbortSignal): Promise<string | undefined> {
    const key = dataType.toString()
    if (this.#names.has(key)) return this.#names.get(key)
    const definition = await this.#read(dataType, AttributeIds.DataTypeDefinition, signal)
    const names = enumerationText(definition) ?? (await this.#namesFromProperty(dataType, signal))
    if (this.#names.size < typesMax) this.#names.set(key, names)
    return names
  }

  /** Each call adds a part at least, so that their number bounds the whole. */
  async #collect(at: { readonly dataType: NodeId; readonly prefix: string; readonly depth: number }, into: Collection): Promise<void> {
    const fields = at.depth < depthMax ? await this.#fieldsOf(at.dataType, into.signal) : undefined
    if (fields === undefined || fields.length === 0) {
      into.parts.push(refused(at.prefix, at.dataType, 'a structure whose fields are not known'))
      return
    }
    for (const field of fields) {
      if (isFull(into)) return
      const path = at.prefix === '' ? field.name : `${at.prefix}.${field.name}`
      const { isStructure, isEnumeration, type } = await this.#dataTypes.meaningOf(field.dataType, into.signal)
      if (parseFieldPath(path) === undefined || path.length > fieldLengthMax) {
        into.parts.push(refused(path.slice(0, fieldLengthMax), field.dataType, 'a name that `field` cannot hold'))
      } else if (isStructure) {
        await this.#collectInner(field, { path, depth: at.depth + 1 }, into)
      } else {
        const names = isEnumeration === true ? await this.namesOf(field.dataType, into.signal) : undefined
        const description = describedAs(field.description, names, descriptionLengthMax)
        const { dataType, isArray } = { dataType: dataTypeText(field.dataType), isArray: field.isArray }
        into.parts.push({ field: path, dataType, isArray, ...(type === undefined ? {} : { type }), ...description })
      }
    }
  }

  async #collectInner(field: TypeField, { path, depth }: { readonly path: string; readonly depth: number }, into: Collection) {
    const { dataType, isArray, length } = field
    if (!isArray) return await this.#collect({ dataType, prefix: path, depth }, into)
    if (length === undefined) {
      into.parts.push(refused(path, dataType, `structures, and the type does not say how many: name those you want, \`${path}[0].…\``))
    }
    for (let at = 0; at < (length ?? 0) && !isFull(into); at += 1) {
      await this.#collect({ dataType, prefix: `${path}[${at}]`, depth }, into)
    }
  }

  async #fieldsOf(dataType: NodeId, signal: AbortSignal): Promise<readonly TypeField[] | undefined> {
    const key = dataType.toString()
    if (this.#fields.has(key)) return this.#fields.get(key)
    const fields = fieldsFrom(await this.#read(dataType, AttributeIds.DataTypeDefinition, signal))
    const size = fields?.length ?? 0
    if (this.#fields.size < typesMax && this.#remembered + size <= rememberedMax) {
      this.#fields.set(key, fields)
      this.#remembered += size
    }
    return fields
  }

  /** Servers before OPC UA 1.04 have no definition, but properties. */
  async #namesFromProperty(dataType: NodeId, signal: AbortSignal): Promise<string | undefined> {
    const description = {
      nodeId: dataType,
      browseDirection: BrowseDirection.Forward,
      referenceTypeId: 'HasProperty',
      includeSubtypes: false,
      nodeClassMask: 0,
      resultMask: 0b1000,
    }
    const answer = await this.#requests.ask('a browse of a data type', (session) => session.browse(description), signal)
    const property = answer.references?.find(({ browseName }) => browseName.name === 'EnumStrings' || browseName.name === 'EnumValues')
    return property === undefined ? undefined : enumerationText(await this.#read(property.nodeId, AttributeIds.Value, signal))
  }

  async #read(nodeId: NodeId, attributeId: AttributeIds, signal: AbortSignal): Promise<unknown> {
    const answer: DataValue = await this.#requests.ask('a read of a data type', (session) => session.read({ nodeId, attributeId }), signal)
    return answer.statusCode.isGoodish() ? answer.value?.value : undefined
  }
}

function isFull({ parts }: Collection): boolean {
  return parts.length >= partsMax
}

/** StructureDefinition (OPC 10000-3, 8.48); undefined for anything else. */
function fieldsFrom(definition: unknown): readonly TypeField[] | undefined {
  const { fields, structureType } = (definition ?? {}) as { readonly fields?: unknown; readonly structureType?: unknown }
  if (!Array.isArray(fields) || structureType === undefined) return undefined
  return fields.slice(0, partsMax + 1).flatMap((field: Readonly<Record<string, unknown>> | null): readonly TypeField[] => {
    const { name, dataType, valueRank, arrayDimensions, description } = field ?? {}
    if (typeof name !== 'string' || !(dataType instanceof NodeId)) return []
    const isArray = typeof valueRank === 'number' && valueRank >= 0
    const text = cleanText((description as { readonly text?: unknown } | null | undefined)?.text, descriptionLengthMax)
    const length = valueRank === 1 ? fixedLength(arrayDimensions) : undefined
    return [{ name, dataType, isArray, ...(length === undefined ? {} : { length }), ...(text === '' ? {} : { description: text }) }]
  })
}

/** Of an array of one dimension; 0 says that it may have any length. */
export function fixedLength(dimensions: unknown): number | undefined {
  const lengths =
    Array.isArray(dimensions) || ArrayBuffer.isView(dimensions) ? [...(dimensions as ArrayLike<number> & Iterable<number>)] : []
  const [length] = lengths
  return lengths.length === 1 && length !== undefined && length > 0 ? length : undefined
}

/** What people read of a value: its own words, and what its numbers mean. */
export function describedAs(text: string | undefined, names: string | undefined, lengthMax: number): { readonly description?: string } {
  if (names === undefined) return text === undefined ? {} : { description: text }
  const own = (text ?? '').slice(0, Math.max(0, lengthMax - names.length - 3))
  return { description: own === '' ? names : `${own} (${names})` }
}

export function dataTypeText(dataType: NodeId): string {
  const standardName = dataType.namespace === 0 ? DataType[Number(dataType.value)] : undefined
  return (standardName ?? dataType.toString()).slice(0, dataTypeLengthMax)
}

function refused(field: string, dataType: NodeId, refusal: string): StructurePart {
  return { field, dataType: dataTypeText(dataType), isArray: false, refusal }
}
