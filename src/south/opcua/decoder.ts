import { DataType, type DataValue, type Variant, VariantArrayType } from 'node-opcua-client'
import type { Log } from '../../base/log.ts'
import type { Reading, Tag, TagValue } from '../../model/tag.ts'
import { type NodeType, typeOfValue } from './coerce.ts'
import type { OpcuaAddress } from './config.ts'
import { parseFieldPath } from './field.ts'
import { fieldNames, fieldOf } from './structures.ts'
import { readingOf } from './values.ts'

type Take = (variant: Variant) => TagValue | undefined

/** Makes readings of what the wire says of each tag's node, and learns of which type the nodes are. */
export class Decoder {
  readonly #tags: readonly Tag<OpcuaAddress>[]
  readonly #log: Log
  /** By tag; undefined for a tag that is the whole of its node. */
  readonly #takes: readonly (Take | undefined)[]
  readonly #types: (NodeType | undefined)[] = []
  readonly #toldOf = new Set<number>()

  constructor(tags: readonly Tag<OpcuaAddress>[], log: Log) {
    this.#tags = tags
    this.#log = log
    this.#takes = tags.map(({ address }) => takeOf(address.field))
    this.#types = tags.map(() => undefined)
  }

  reading(tag: number, data: DataValue): Reading {
    const { value } = data
    if (value && !isBad(data) && !isOfType(this.#types[tag], value)) this.#types[tag] = typeOfValue(value) ?? this.#types[tag]
    if (value?.dataType === DataType.ExtensionObject) this.#lookForField(tag, value)
    return readingOf(tag, data, this.#takes[tag])
  }

  typeOf(tag: number): NodeType | undefined {
    return this.#types[tag]
  }

  declare(tag: number, type: NodeType): void {
    this.#types[tag] = type
  }

  /** A structure as a whole is no value; the parts it has are told once, for whoever writes the device file. */
  #lookForField(tag: number, variant: Variant): void {
    if (this.#takes[tag] !== undefined || this.#toldOf.has(tag)) return
    this.#toldOf.add(tag)
    this.#log.warn('A tag is a structure: name the part it shall be, as `field`.', {
      tag: this.#tags[tag]?.id,
      fields: fieldNames(variant),
    })
  }
}

/** What comes with a bad status stands in for the value, and may be of any type. */
function isBad({ statusCode }: DataValue): boolean {
  return statusCode.value >>> 31 === 1
}

/** A node of an abstract type may hold another one at any time, and a matrix may be given another shape. */
function isOfType(type: NodeType | undefined, { dataType, arrayType, dimensions }: Variant): boolean {
  if (type?.dataType !== dataType || type.isArray === (arrayType === VariantArrayType.Scalar)) return false
  return !dimensions || (type.dimensions?.length === dimensions.length && dimensions.every((size, at) => size === type.dimensions?.[at]))
}

function takeOf(field: string | undefined): Take | undefined {
  const path = field === undefined ? undefined : parseFieldPath(field)
  return path === undefined ? undefined : (variant) => fieldOf(variant, path)
}
