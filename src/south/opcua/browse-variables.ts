import { AttributeIds, type DataValue, NodeId } from 'node-opcua-client'
import type { BrowsedVariable, FoundNode } from './browse-journal.ts'
import type { DataTypes } from './data-types.ts'
import { cleanText, enumerationText } from './enumeration-text.ts'
import type { Requests } from './requests.ts'
import { dataTypeText, describedAs, fixedLength, type TypeDefinitions } from './type-definitions.ts'

/** A variable that was looked into. */
export interface VariableNode {
  readonly found: FoundNode
  readonly node: NodeId
  readonly unitNode?: NodeId
  readonly rangeNode?: NodeId
  /** What its values mean, where its type does not say. */
  readonly namesNode?: NodeId
}

export interface VariableReading {
  readonly requests: Requests
  readonly dataTypes: DataTypes
  readonly definitions: TypeDefinitions
  /** Nodes in one read; 0 where the server names no limit. */
  readonly readMax: number
  readonly signal: AbortSignal
}

const attributes = [AttributeIds.DataType, AttributeIds.ValueRank, AttributeIds.UserAccessLevel, AttributeIds.Description] as const
const unitLengthMax = 32
const descriptionLengthMax = 500
const canRead = 1
const canWrite = 2

/** What a tag needs to know of each variable, in as few reads as the server allows. */
export async function describeVariables(nodes: readonly VariableNode[], reading: VariableReading): Promise<readonly BrowsedVariable[]> {
  const asked = nodes.flatMap((variable) => [
    ...attributes.map((attributeId) => ({ nodeId: variable.node, attributeId })),
    ...[variable.unitNode, variable.rangeNode, variable.namesNode].flatMap((nodeId) =>
      nodeId ? [{ nodeId, attributeId: AttributeIds.Value }] : [],
    ),
  ])
  const answers = await reading.requests.chunked(asked, {
    what: 'a read of attributes',
    limit: reading.readMax,
    send: (session, chunk) => session.read([...chunk]),
    signal: reading.signal,
  })
  const described: BrowsedVariable[] = []
  let at = 0
  const next = (): DataValue | undefined => answers[at++]
  for (const variable of nodes) {
    const [dataType, valueRank, access, description] = [next(), next(), next(), next()]
    const unit = variable.unitNode ? unitOf(next()) : undefined
    const range = variable.rangeNode ? rangeOf(next()) : undefined
    const ownNames = variable.namesNode ? enumerationText(goodValue(next())) : undefined
    const { names = ownNames, ...type } = await typeOf({ node: variable.node, dataType, valueRank }, reading)
    described.push({
      node: variable.found.node,
      path: variable.found.path,
      ...type,
      ...accessOf(access),
      ...(unit === undefined ? {} : { unit }),
      ...(range === undefined ? {} : { range }),
      ...describedAs(textOf(description), names, descriptionLengthMax),
    })
  }
  return described
}

interface Declared {
  readonly node: NodeId
  readonly dataType: DataValue | undefined
  readonly valueRank: DataValue | undefined
}

type Typed = Pick<BrowsedVariable, 'type' | 'dataType' | 'isArray' | 'isStructure' | 'parts'> & { readonly names?: string }

async function typeOf({ node, dataType, valueRank }: Declared, reading: VariableReading): Promise<Typed> {
  const { dataTypes, definitions, signal } = reading
  const id: unknown = goodValue(dataType)
  const rank: unknown = goodValue(valueRank)
  const isArray = typeof rank === 'number' && rank >= 0
  if (!(id instanceof NodeId)) return { dataType: 'unknown', isArray, isStructure: false }
  const { isEnumeration, ...meaning } = await dataTypes.meaningOf(id, signal)
  const typed = { ...meaning, dataType: dataTypeText(id), isArray }
  if (isEnumeration === true) {
    const names = await definitions.namesOf(id, signal)
    return names === undefined ? typed : { ...typed, names }
  }
  if (!meaning.isStructure) return typed
  const length = isArray ? await lengthOf(node, reading) : undefined
  const parts =
    isArray && length === undefined ? undefined : await definitions.partsOf(id, { signal, ...(length === undefined ? {} : { length }) })
  return parts?.some(({ refusal }) => refusal === undefined) === true ? { ...typed, parts } : typed
}

/** Of an array that always has as many elements. */
async function lengthOf(nodeId: NodeId, { requests, signal }: VariableReading): Promise<number | undefined> {
  const asked = { nodeId, attributeId: AttributeIds.ArrayDimensions }
  return fixedLength(goodValue(await requests.ask('a read of the length of an array', (session) => session.read(asked), signal)))
}

function accessOf(access: DataValue | undefined): { readonly isReadable: boolean; readonly isWritable: boolean } {
  const bits: unknown = goodValue(access)
  if (typeof bits !== 'number') return { isReadable: true, isWritable: false } // it does not say: reading harms nothing
  return { isReadable: (bits & canRead) !== 0, isWritable: (bits & canWrite) !== 0 }
}

/** EUInformation (OPC 10000-8, 5.6.3). */
function unitOf(data: DataValue | undefined): string | undefined {
  const information = goodValue(data) as { readonly displayName?: { readonly text?: string | null } } | null | undefined
  const text = information?.displayName?.text?.replaceAll(/\p{Cc}/gu, '').trim()
  return text === undefined || text === '' ? undefined : text.slice(0, unitLengthMax)
}

/** Range (OPC 10000-8, 5.6.2). */
function rangeOf(data: DataValue | undefined): readonly [number, number] | undefined {
  const { low, high } = (goodValue(data) ?? {}) as { readonly low?: unknown; readonly high?: unknown }
  const isRange = typeof low === 'number' && typeof high === 'number' && Number.isFinite(low) && Number.isFinite(high) && low < high
  return isRange ? [low, high] : undefined
}

function textOf(data: DataValue | undefined): string | undefined {
  const text = cleanText((goodValue(data) as { readonly text?: unknown } | null | undefined)?.text, descriptionLengthMax)
  return text === '' ? undefined : text
}

function goodValue(data: DataValue | undefined): unknown {
  return data?.statusCode.isGoodish() === true ? data.value?.value : undefined
}
