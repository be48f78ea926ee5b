import { BrowseDirection, type NodeId } from 'node-opcua-client'
import type { ValueType } from '../../model/tag.ts'
import type { Requests } from './requests.ts'

/** What a data type comes down to. */
export interface DataTypeMeaning {
  /** Absent for structures, and for abstract types such as Number: each value tells its own. */
  readonly type?: ValueType
  readonly isStructure: boolean
  readonly isEnumeration?: true
}

/** OPC 10000-6, 5.1.2, and the abstract types of OPC 10000-5, 12. */
const standardTypes: Readonly<Record<number, ValueType | 'structure' | 'any'>> = {
  1: 'bool',
  2: 'i8',
  3: 'u8',
  4: 'i16',
  5: 'u16',
  6: 'i32',
  7: 'u32',
  8: 'i64',
  9: 'u64',
  10: 'f32',
  11: 'f64',
  12: 'string',
  13: 'time',
  14: 'string',
  15: 'bytes',
  16: 'string',
  17: 'string',
  18: 'string',
  19: 'u32',
  20: 'string',
  21: 'string',
  22: 'structure',
  23: 'structure',
  24: 'any',
  25: 'structure',
  26: 'any',
  27: 'any',
  28: 'any',
}

const enumeration = 29
const hasSubtype = 'i=45'
const superTypesMax = 20
/** Types of one server that are remembered; a line has some dozens. */
const typesMax = 10_000

/** Looks data types up on the server until one that the standard knows is met. */
export class DataTypes {
  readonly #requests: Requests
  readonly #known = new Map<string, DataTypeMeaning>()

  constructor(requests: Requests) {
    this.#requests = requests
  }

  async meaningOf(dataType: NodeId, signal: AbortSignal): Promise<DataTypeMeaning> {
    const key = dataType.toString()
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const meaning = await this.#lookUp(dataType, signal)
    if (this.#known.size < typesMax) this.#known.set(key, meaning)
    return meaning
  }

  async #lookUp(dataType: NodeId, signal: AbortSignal): Promise<DataTypeMeaning> {
    let at: NodeId | undefined = dataType
    for (let step = 0; at !== undefined && step < superTypesMax; step += 1) {
      const standard = at.namespace === 0 ? standardTypes[Number(at.value)] : undefined
      if (at.namespace === 0 && at.value === enumeration) return { type: 'i32', isStructure: false, isEnumeration: true }
      if (standard !== undefined) return meaningOf(standard)
      at = await this.#superTypeOf(at, signal)
    }
    return { isStructure: false }
  }

  async #superTypeOf(dataType: NodeId, signal: AbortSignal): Promise<NodeId | undefined> {
    const [answer] = await this.#requests.ask(
      'a browse of a data type',
      (session) =>
        session.browse([
          {
            nodeId: dataType,
            browseDirection: BrowseDirection.Inverse,
            referenceTypeId: hasSubtype,
            includeSubtypes: true,
            nodeClassMask: 0,
            resultMask: 0,
          },
        ]),
      signal,
    )
    return answer?.references?.[0]?.nodeId
  }
}

function meaningOf(standard: ValueType | 'structure' | 'any'): DataTypeMeaning {
  if (standard === 'structure') return { isStructure: true }
  return standard === 'any' ? { isStructure: false } : { type: standard, isStructure: false }
}
