import { AttributeIds, NodeClass, type NodeId, type ReferenceDescription } from 'node-opcua-client'
import { Fault } from '../../base/fault.ts'
import { nameFrom } from '../../model/name.ts'
import { type PathGlob, pathGlob } from '../../model/path-glob.ts'
import type { ConnectContext } from '../driver.ts'
import { type BrowseCounts, BrowseJournal, type BrowseQuestion, type FoundNode } from './browse-journal.ts'
import { type Namespaces, namespacesOf } from './browse-node.ts'
import { isProperty, referencePages } from './browse-references.ts'
import { describeVariables, type VariableNode } from './browse-variables.ts'
import { openChannel } from './channel.ts'
import type { OpcuaConfig } from './config.ts'
import { DataTypes } from './data-types.ts'
import { connectionLost } from './faults.ts'
import { greetServer } from './greeting.ts'
import { Requests } from './requests.ts'
import { browseLimits, findNode, NamespacePins, noSuchNode } from './resolve.ts'
import { TypeDefinitions } from './type-definitions.ts'

export interface BrowseOptions {
  readonly config: OpcuaConfig
  /** `signal` ends the browse; what was found stays in the file. */
  readonly context: ConnectContext
  /** A node id or a browse path; default: the Objects folder. */
  readonly root?: string
  readonly depthMax: number
  /** Globs over the path from the root. A variable is taken if any of `include` matches and none of `exclude`. */
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  /** Holds what was found and what is left to do. Made where it is not there; else the browse goes on from it. */
  readonly file: string
  /** Remembers which namespaces the indexes of `root` mean; without it they are the server's of today, as somebody means who has just looked. */
  readonly pinFolder?: string
  readonly onProgress?: (counts: BrowseCounts) => void
}

export interface BrowseResult extends BrowseCounts {
  /** Nodes that the server would not let us look into, the first few by name. */
  readonly refused: { readonly count: number; readonly examples: readonly string[] }
}

const objectsFolder = 'i=85'
/** Diagnostics of the server itself: thousands of nodes that are nobody's plant. Browsed only where it is the root. */
const serverObject = 'i=2253'
/** Nodes in one request. With the references of a page each, it bounds the largest answer. */
const nodesPerRequestMax = 100
const nodesPerStepMax = 2_000
const refusedExamplesMax = 5

/** Walks the address space breadth first. Holds one answer and 8 to 16 bytes for each node that was seen; everything else is in the file. */
export async function browseServer(options: BrowseOptions): Promise<BrowseResult> {
  const { config, context, file } = options
  const question = questionOf(options)
  await using journal = await BrowseJournal.open(file, question)
  await greetServer(config.connection.url, context)
  await using channel = await openChannel(config, context)
  const ended = new AbortController()
  channel.onLost((fault) => ended.abort(fault))
  const requests = new Requests({
    session: channel.session,
    clock: context.clock,
    timeoutMs: config.connection.timeout,
    ended: ended.signal,
  })
  try {
    const walk = await Walk.begin({ options, journal, requests })
    return await walk.all()
  } catch (error) {
    if (context.signal.aborted || !(error instanceof Fault)) throw error
    if (error.code === 'opcua.no-answer') channel.giveUp()
    throw error
  } finally {
    ended.abort(connectionLost(config.connection.url, 'it was closed'))
  }
}

function questionOf({ config, root = objectsFolder, depthMax, include, exclude }: BrowseOptions): BrowseQuestion {
  return { url: config.connection.url, root, depthMax, include, exclude }
}

interface WalkParts {
  readonly options: BrowseOptions
  readonly journal: BrowseJournal
  readonly requests: Requests
}

class Walk {
  readonly #options: BrowseOptions
  readonly #journal: BrowseJournal
  readonly #requests: Requests
  readonly #dataTypes: DataTypes
  readonly #definitions: TypeDefinitions
  readonly #namespaces: Namespaces
  readonly #include: readonly PathGlob[]
  readonly #exclude: readonly PathGlob[]
  readonly #limits: { readonly browse: number; readonly read: number }
  readonly #refused: string[] = []
  #refusedCount = 0
  #root = ''

  static async begin(parts: WalkParts): Promise<Walk> {
    const { requests, options } = parts
    const { signal } = options.context
    const uris = await requests.ask('a read of its namespaces', (session) => session.readNamespaceArray(), signal)
    const walk = new Walk(parts, { namespaces: namespacesOf(uris), limits: await browseLimits(requests) })
    const pinned = options.pinFolder === undefined ? undefined : await NamespacePins.load(options.pinFolder)
    const root = await findNode(options.root ?? objectsFolder, { requests, uris, ...(pinned === undefined ? {} : { pinned }) })
    await pinned?.save()
    walk.#root = walk.#namespaces.textOf(root) ?? root.toString()
    if (parts.journal.isNew(walk.#root)) {
      const isVariable = await isVariableNode(root, requests)
      await parts.journal.commit({ nodes: [{ node: walk.#root, depth: 0, path: '', isVariable }], variables: [], expanded: 0 })
    }
    return walk
  }

  private constructor(
    { options, journal, requests }: WalkParts,
    server: { readonly namespaces: Namespaces; readonly limits: { readonly browse: number; readonly read: number } },
  ) {
    this.#options = options
    this.#journal = journal
    this.#requests = requests
    this.#dataTypes = new DataTypes(requests)
    this.#definitions = new TypeDefinitions({ requests, dataTypes: this.#dataTypes })
    this.#namespaces = server.namespaces
    this.#limits = server.limits
    this.#include = options.include.map(pathGlob)
    this.#exclude = options.exclude.map(pathGlob)
  }

  async all(): Promise<BrowseResult> {
    const { context, onProgress } = this.#options
    const nodesMax = Math.min(nodesPerRequestMax, this.#limits.browse || nodesPerRequestMax)
    for (;;) {
      context.signal.throwIfAborted()
      const batch = await this.#journal.take(nodesMax)
      if (batch.length === 0) break
      await this.#expand(batch)
      onProgress?.(this.#journal.counts)
    }
    return { ...this.#journal.counts, refused: { count: this.#refusedCount, examples: this.#refused } }
  }

  /** Looks into some nodes: what is below them is found, and those that are variables are described. */
  async #expand(batch: readonly FoundNode[]): Promise<void> {
    const { signal } = this.#options.context
    const places = batch.map((found) => ({ found, node: this.#namespaces.nodeOf(found.node) }))
    const known = places.filter((place): place is { readonly found: FoundNode; readonly node: NodeId } => place.node !== undefined)
    const variables = known.map(({ found, node }): Writable<VariableNode> => ({ found, node }))
    const onRefused = (place: number, why: string): void => this.#refuse(known[place]?.found, why)
    let nodes: FoundNode[] = []
    for await (const { place, references } of referencePages(
      known.map(({ node }) => node),
      { requests: this.#requests, signal, onRefused },
    )) {
      const parent = variables[place]
      if (parent === undefined) continue
      for (const reference of references) {
        if (isProperty(reference)) noteProperty(parent, reference)
        else nodes.push(...this.#found(parent.found, reference))
      }
      if (nodes.length < nodesPerStepMax) continue
      await this.#journal.commit({ nodes, variables: [], expanded: 0 })
      nodes = []
    }
    const wanted = variables.filter(({ found }) => found.isVariable && this.#isWanted(found.path))
    const { read: readMax } = this.#limits
    const [requests, dataTypes, definitions] = [this.#requests, this.#dataTypes, this.#definitions]
    const described = await describeVariables(wanted, { requests, dataTypes, definitions, readMax, signal })
    await this.#journal.commit({ nodes, variables: described, expanded: batch.length })
  }

  /** The node at the other end, if it is new, near enough, and not excluded with all that is below it. */
  #found(parent: FoundNode, { nodeId, browseName, nodeClass, isForward }: ReferenceDescription): readonly FoundNode[] {
    const node = this.#namespaces.textOf(nodeId)
    const depth = parent.depth + 1
    if (!isForward || node === undefined || depth > this.#options.depthMax || node === serverObject) return []
    const name = nameFrom(browseName.name ?? '')
    const path = parent.path === '' ? name : `${parent.path}/${name}`
    if (!this.#isWorthALook(path) || !this.#journal.isNew(node)) return []
    return [{ node, depth, path, isVariable: nodeClass === NodeClass.Variable }]
  }

  #isWorthALook(path: string): boolean {
    const levels = path.split('/')
    if (this.#exclude.some((glob) => glob.matches(levels))) return false
    return this.#include.some((glob) => glob.matches(levels) || glob.mayMatchBelow(levels))
  }

  #isWanted(path: string): boolean {
    const levels = path.split('/')
    return this.#include.some((glob) => glob.matches(levels))
  }

  #refuse(found: FoundNode | undefined, why: string): void {
    if (found?.depth === 0) throw noSuchNode(this.#options.root ?? objectsFolder, why)
    this.#refusedCount += 1
    if (this.#refused.length < refusedExamplesMax && found !== undefined) this.#refused.push(`${found.path || found.node}: ${why}`)
  }
}

/** A branch may be a single variable, or one that is made of others. */
async function isVariableNode(nodeId: NodeId, requests: Requests): Promise<boolean> {
  const answer = await requests.ask('a read of a node class', (session) => session.read({ nodeId, attributeId: AttributeIds.NodeClass }))
  return answer.statusCode.isGoodish() && answer.value.value === NodeClass.Variable
}

type Writable<Fields> = { -readonly [Key in keyof Fields]: Fields[Key] }

function noteProperty(variable: Writable<VariableNode>, { browseName, nodeId }: ReferenceDescription): void {
  if (browseName.namespaceIndex !== 0) return
  if (browseName.name === 'EngineeringUnits') variable.unitNode = nodeId
  if (browseName.name === 'EURange') variable.rangeNode = nodeId
  if (browseName.name === 'EnumStrings' || browseName.name === 'EnumValues') variable.namesNode = nodeId
}
