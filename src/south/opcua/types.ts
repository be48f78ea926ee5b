import { AttributeIds, DataType, type NodeId } from 'node-opcua-client'
import type { NodeType } from './coerce.ts'
import type { Decoder } from './decoder.ts'
import type { Requests } from './requests.ts'

export interface TypesContext {
  readonly requests: Requests
  readonly decoder: Decoder
  readonly nodeOf: (tag: number) => NodeId | undefined
  readonly signal: AbortSignal
}

/** Of each tag: as its values showed, else as its node declares. A tag without an entry has no type that can be written. */
export async function declaredTypes(tags: readonly number[], context: TypesContext): Promise<ReadonlyMap<number, NodeType>> {
  const types = new Map<number, NodeType>()
  for (const tag of tags) {
    const type = context.decoder.typeOf(tag) ?? (await declaredType(tag, context))
    if (type !== undefined) types.set(tag, type)
  }
  return types
}

/** The node has no value yet. */
async function declaredType(tag: number, { requests, decoder, nodeOf, signal }: TypesContext): Promise<NodeType | undefined> {
  const nodeId = nodeOf(tag)
  if (nodeId === undefined) return undefined
  const attributes = [AttributeIds.DataType, AttributeIds.ValueRank]
  const [type, rank] = await requests.ask(
    'a read of a data type',
    (session) => session.read(attributes.map((attributeId) => ({ nodeId, attributeId }))),
    signal,
  )
  const dataTypeId = type?.value?.value as NodeId | null | undefined
  const dataType = dataTypeId === null || dataTypeId === undefined ? undefined : await builtInTypeOf(requests, dataTypeId)
  if (dataType === undefined || dataType === DataType.Variant) return undefined
  const declared = { dataType, isArray: Number(rank?.value?.value ?? -1) >= 1 }
  decoder.declare(tag, declared)
  return declared
}

const enumeration = 29
const supertypesMax = 20

/** Number of the built-in type (OPC 10000-6, 5.1.2) under a data type of the server's own; enumerations are Int32. undefined for a structure. */
export async function builtInTypeOf(requests: Requests, dataType: NodeId): Promise<DataType | undefined> {
  let at = dataType
  for (let steps = 0; steps < supertypesMax; steps += 1) {
    if (at.namespace === 0 && at.value === enumeration) return DataType.Int32
    if (at.namespace === 0 && typeof at.value === 'number' && at.value <= DataType.DiagnosticInfo) {
      return at.value === DataType.ExtensionObject ? undefined : (at.value as DataType)
    }
    const up = await supertypeOf(requests, at)
    if (up === undefined) return undefined
    at = up
  }
  return undefined
}

async function supertypeOf(requests: Requests, nodeId: NodeId): Promise<NodeId | undefined> {
  const description = { nodeId, referenceTypeId: 'HasSubtype', browseDirection: 1, includeSubtypes: false, nodeClassMask: 0, resultMask: 0 }
  const { references } = await requests.ask('a look at a data type', (session) => session.browse(description))
  return references?.[0]?.nodeId
}
