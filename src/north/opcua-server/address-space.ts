import type { OPCUAServer } from 'node-opcua-server'
import { DataType, Variant } from 'node-opcua-variant'
import type { TagMeta } from '../../model/tag.ts'
import { limits } from './limits.ts'
import { engineeringUnits } from './units.ts'
import { dataTypes } from './values.ts'

export type AddressSpace = NonNullable<OPCUAServer['engine']['addressSpace']>
type Namespace = ReturnType<AddressSpace['getOwnNamespace']>
export type TagVariable = ReturnType<Namespace['addVariable']>
type Folder = ReturnType<Namespace['addFolder']>

/** How often at most a client may have a tag looked at; not 0, which would bind a listener to each tag. */
const minimumSamplingMs = limits.samplingMsMin
const anyRank = -2
const scalarRank = -1
const arrayRank = 1

/**
 * Objects / site levels / DEVICE / tag path. A tag's node is `s=DEVICE/TAG` and stays it for ever. Folders end in `/` and properties hold a `#`,
 * which no tag can: nothing collides, and no node gets a number that would be another one after a restart.
 */
export function buildTree(addressSpace: AddressSpace, site: string, metas: readonly TagMeta[]): readonly TagVariable[] {
  const tree = new Tree(addressSpace, site)
  // A tag `a` comes before the tag `a/b`, so that it can carry it.
  const order = metas.map((_, place) => place).sort((one, other) => (metas[one]?.id.length ?? 0) - (metas[other]?.id.length ?? 0))
  const variables: TagVariable[] = []
  for (const place of order) {
    const meta = metas[place]
    if (meta !== undefined) variables[place] = tree.addTag(meta)
  }
  return variables
}

class Tree {
  readonly #addressSpace: AddressSpace
  readonly #namespace: Namespace
  readonly #site: Folder
  /** Folders and variables by DEVICE/path. */
  readonly #nodes = new Map<string, Folder | TagVariable>()

  constructor(addressSpace: AddressSpace, site: string) {
    this.#addressSpace = addressSpace
    this.#namespace = addressSpace.getOwnNamespace()
    let parent: Folder | 'ObjectsFolder' = 'ObjectsFolder'
    let path = '/'
    for (const level of site.split('/')) {
      path += `${level}/`
      parent = this.#namespace.addFolder(parent, { browseName: level, nodeId: `s=${path}` })
    }
    this.#site = parent as Folder
  }

  addTag(meta: TagMeta): TagVariable {
    const slash = meta.id.lastIndexOf('/')
    const parent = this.#node(meta.id.slice(0, slash))
    const variable = this.#namespace.addVariable({
      nodeId: `s=${meta.id}`,
      browseName: meta.id.slice(slash + 1),
      ...(isFolder(parent) ? { organizedBy: parent } : { componentOf: parent }),
      ...(meta.description === undefined ? {} : { description: meta.description }),
      dataType: dataTypeName(meta),
      valueRank: rankOf(meta),
      ...(meta.length === undefined ? {} : { arrayDimensions: [0] }),
      ...(typeDefinition(meta) === undefined ? {} : { typeDefinition: typeDefinition(meta) }),
      accessLevel: meta.write === undefined ? 'CurrentRead' : 'CurrentRead | CurrentWrite',
      userAccessLevel: meta.write === undefined ? 'CurrentRead' : 'CurrentRead | CurrentWrite',
      minimumSamplingInterval: minimumSamplingMs,
    } as Parameters<Namespace['addVariable']>[0])
    this.#nodes.set(meta.id, variable)
    this.#addProperties(variable, meta)
    return variable
  }

  #node(path: string): Folder | TagVariable {
    const known = this.#nodes.get(path)
    if (known !== undefined) return known
    const slash = path.lastIndexOf('/')
    const parent = slash < 0 ? this.#site : this.#node(path.slice(0, slash))
    const place = isFolder(parent) ? { organizedBy: parent } : { componentOf: parent }
    const folder = this.#namespace.addObject({
      ...place,
      browseName: path.slice(slash + 1),
      nodeId: `s=${path}/`,
      typeDefinition: 'FolderType',
    } as Parameters<Namespace['addObject']>[0]) as Folder
    this.#nodes.set(path, folder)
    return folder
  }

  #addProperties(variable: TagVariable, meta: TagMeta): void {
    if (!isNumeric(meta)) return
    if (meta.range !== undefined) {
      const [low, high] = meta.range.toSorted((one, other) => one - other)
      this.#addProperty(variable, meta, { name: 'EURange', dataType: 'Range', fields: { low, high } })
    }
    if (meta.unit !== undefined) {
      this.#addProperty(variable, meta, { name: 'EngineeringUnits', dataType: 'EUInformation', fields: engineeringUnits(meta.unit) })
    }
  }

  #addProperty(
    variable: TagVariable,
    meta: TagMeta,
    property: { readonly name: string; readonly dataType: string; readonly fields: object },
  ): void {
    const dataType = this.#addressSpace.findDataType(property.dataType)
    if (dataType === null) throw new Error(`the standard nodeset has no ${property.dataType}`)
    this.#namespace.addVariable({
      propertyOf: variable,
      nodeId: `s=${meta.id}#${property.name}`,
      browseName: { name: property.name, namespaceIndex: 0 },
      typeDefinition: 'PropertyType',
      dataType: property.dataType,
      accessLevel: 'CurrentRead',
      userAccessLevel: 'CurrentRead',
      minimumSamplingInterval: minimumSamplingMs,
      value: new Variant({
        dataType: DataType.ExtensionObject,
        value: this.#addressSpace.constructExtensionObject(dataType, property.fields as Record<string, unknown>),
      }),
    } as Parameters<Namespace['addVariable']>[0])
  }
}

const objectClass = 1

function isFolder(node: Folder | TagVariable): node is Folder {
  return (node.nodeClass as number) === objectClass
}

function isNumeric(meta: TagMeta): boolean {
  if (meta.type !== undefined) return !['bool', 'string', 'bytes', 'time'].includes(meta.type)
  return meta.unit !== undefined || meta.range !== undefined || meta.scale !== undefined
}

/** Of a device that alone knows its types, numbers are told apart by their unit or range, and the rest is any value. */
function dataTypeName(meta: TagMeta): string {
  if (meta.type !== undefined) return DataType[dataTypes[meta.type]]
  return isNumeric(meta) ? 'Number' : 'BaseDataType'
}

function rankOf(meta: TagMeta): number {
  if (meta.length !== undefined) return arrayRank
  return meta.type === undefined ? anyRank : scalarRank
}

/** AnalogUnitType must have a unit and AnalogItemType a range (OPC 10000-8, 5.3.2); without both it is no analog item. */
function typeDefinition(meta: TagMeta): string | undefined {
  if (!isNumeric(meta)) return undefined
  if (meta.unit !== undefined) return 'AnalogUnitType'
  return meta.range === undefined ? undefined : 'AnalogItemType'
}

/**
 * Makes every variable bear any sampling interval. The library leaves -1 on arguments of methods, and a monitored item with interval 0
 * on one of them ends the process by an assertion of its own.
 */
export function mendSamplingIntervals(addressSpace: AddressSpace): void {
  for (const namespace of addressSpace.getNamespaceArray()) {
    for (const node of namespace.nodeIterator()) {
      if (!('minimumSamplingInterval' in node)) continue
      const variable = node as TagVariable
      if (!(variable.minimumSamplingInterval >= 0)) variable.minimumSamplingInterval = 0
    }
  }
}
