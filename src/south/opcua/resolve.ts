import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  AttributeIds,
  type BrowsePath,
  type BrowsePathResult,
  coerceNodeId,
  makeBrowsePath,
  type NodeId,
  QualifiedName,
} from 'node-opcua-client'
import { z } from 'zod'
import { Fault } from '../../base/fault.ts'
import { type PathStep, parseBrowsePath, parseNodeText } from './address.ts'
import type { OpcuaAddress } from './config.ts'
import { badNodeIdUnknown, badNoMatch, statusName, statusOf } from './quality.ts'
import type { Requests } from './requests.ts'

/** How many nodes the server takes in one request; 0 where it names no limit (OPC 10000-5, 6.3.11). */
export interface ServerLimits {
  readonly read: number
  readonly write: number
  readonly monitor: number
  readonly translate: number
}

const limitNodes = { read: 11705, write: 11707, translate: 11712, monitor: 11714 } as const

export async function readLimits(requests: Requests): Promise<ServerLimits> {
  const nodes = Object.values(limitNodes).map((id) => ({ nodeId: `i=${id}`, attributeId: AttributeIds.Value }))
  const values = await requests.ask('a read of its limits', (session) => session.read(nodes))
  const limits = values.map((data) => (data.statusCode.isGood() && typeof data.value?.value === 'number' ? data.value.value : 0))
  const [read = 0, write = 0, translate = 0, monitor = 0] = limits
  return { read, write, translate, monitor }
}

/** What a browse may ask for at once; 0 where the server names no limit. */
export async function browseLimits(requests: Requests): Promise<{ readonly browse: number; readonly read: number }> {
  const nodes = [11710, limitNodes.read].map((id) => ({ nodeId: `i=${id}`, attributeId: AttributeIds.Value }))
  const values = await requests.ask('a read of its limits', (session) => session.read(nodes))
  const [browse = 0, read = 0] = values.map((data) => (data.statusCode.isGood() ? Number(data.value?.value) || 0 : 0))
  return { browse, read }
}

/** The node of a node id or browse path that a person wrote. Throws the Fault `opcua.no-such-node`. */
export async function findNode(
  text: string,
  { requests, uris, pinned }: { readonly requests: Requests; readonly uris: readonly string[]; readonly pinned?: NamespacePins },
): Promise<NodeId> {
  const today = (namespace: string | number): number => (typeof namespace === 'string' ? uris.indexOf(namespace) : namespace)
  const namespaces = pinned?.on(uris) ?? today
  const path = text.startsWith('/') ? browsePath(parseBrowsePath(text) ?? [], namespaces) : undefined
  const [result] = path === undefined ? [] : await requests.ask('a translation of a path', (session) => session.translateBrowsePath([path]))
  const place = result === undefined ? nodePlace(text, namespaces) : pathPlace(result)
  if ('node' in place) return place.node
  throw noSuchNode(text, statusName(place.status))
}

export function noSuchNode(text: string, why: string): Fault {
  return new Fault('opcua.no-such-node', `There is no ${text.slice(0, 200)} on this server: ${why}.`, {
    remedy:
      'Write a node id (nsu=http://…;s=…, ns=2;s=…, i=85) or a browse path from the root (/Objects/2:Line); browse without a root to see what there is.',
  })
}

/** Where a tag's node is on this server today, or the status code that says why it is nowhere. */
export type Place = { readonly node: NodeId } | { readonly status: number }

/**
 * Finds every tag's node anew. The index of a namespace may be another one at each start of the server; `pinned` remembers which URI
 * an index of the site file meant when it was first used.
 */
export async function resolveTags(
  tags: readonly { readonly address: OpcuaAddress }[],
  options: { readonly requests: Requests; readonly limits: ServerLimits; readonly pinned: NamespacePins },
): Promise<readonly Place[]> {
  const { requests, limits, pinned } = options
  const uris = await readNamespaces(requests)
  const namespaces = pinned.on(uris)
  const places: Place[] = []
  const paths: { readonly at: number; readonly path: BrowsePath }[] = []
  for (const [at, { address }] of tags.entries()) {
    const path = address.path === undefined ? undefined : browsePath(parseBrowsePath(address.path) ?? [], namespaces)
    places[at] = address.node === undefined ? { status: badNoMatch } : nodePlace(address.node, namespaces)
    if (path !== undefined) paths.push({ at, path })
  }
  const results = await requests.chunked(paths, {
    what: 'a translation of browse paths',
    limit: limits.translate,
    send: (session, chunk) => session.translateBrowsePath(chunk.map(({ path }) => path)),
  })
  for (const [place, result] of results.entries()) places[paths[place]?.at ?? 0] = pathPlace(result)
  return places
}

/** Anew each time: the library would remember what it read first, and a namespace may come while the server runs. */
async function readNamespaces(requests: Requests): Promise<readonly string[]> {
  const namespaceArray = { nodeId: 'i=2255', attributeId: AttributeIds.Value }
  const data = await requests.ask('a read of its namespaces', (session) => session.read(namespaceArray))
  const uris: unknown = data.value?.value
  return Array.isArray(uris) ? uris.map(String) : []
}

const pinsFile = 'namespaces.json'
const pinsSchema = z.record(z.string().regex(/^\d{1,5}$/), z.string())

/**
 * Which URI the indexes of a site file mean: what the server said when each was first used. Kept in the device's state folder, since a
 * namespace may be given another index while this gateway is not running too.
 */
export class NamespacePins {
  readonly #path: string
  readonly #uris: Map<number, string>
  readonly #gone = new Map<number, string>()
  #isChanged = false

  private constructor(path: string, uris: Map<number, string>) {
    this.#path = path
    this.#uris = uris
  }

  static async load(folder: string): Promise<NamespacePins> {
    const path = join(folder, pinsFile)
    try {
      const kept = pinsSchema.parse(JSON.parse(await readFile(path, 'utf8')))
      return new NamespacePins(path, new Map(Object.entries(kept).map(([index, uri]) => [Number(index), uri])))
    } catch {
      return new NamespacePins(path, new Map()) // not there yet, or damaged: pinned anew
    }
  }

  on(uris: readonly string[]): (namespace: string | number) => number {
    return (namespace) => {
      if (namespace === 0) return 0
      if (typeof namespace === 'string') return uris.indexOf(namespace)
      const pinned = this.#uris.get(namespace) ?? uris[namespace]
      if (pinned === undefined) return -1
      if (!this.#uris.has(namespace)) this.#isChanged = true
      this.#uris.set(namespace, pinned)
      const today = uris.indexOf(pinned)
      if (today < 0) this.#gone.set(namespace, pinned)
      else this.#gone.delete(namespace)
      return today
    }
  }

  /** What to do where an index means a namespace that the server does not have any more; undefined where all are there. */
  get remedy(): string | undefined {
    const [first] = this.#gone
    if (first === undefined) return undefined
    const [index, uri] = first
    return `Namespace ${index} meant ${uri.slice(0, 200)} when it was first used, and the server has no such namespace now: write nsu= and the right URI in the device file; or, if the index is to mean another one, delete ${this.#path}.`
  }

  async save(): Promise<void> {
    if (!this.#isChanged) return
    this.#isChanged = false
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    await writeFile(`${this.#path}.new`, `${JSON.stringify(Object.fromEntries(this.#uris), undefined, 2)}\n`)
    await rename(`${this.#path}.new`, this.#path)
  }
}

function nodePlace(text: string, namespaces: (namespace: string | number) => number): Place {
  const parsed = parseNodeText(text)
  const index = parsed === undefined ? -1 : namespaces(parsed.namespace)
  if (parsed === undefined || index < 0) return { status: badNodeIdUnknown }
  try {
    const node = coerceNodeId(`ns=${index};${parsed.identifier}`)
    return { node }
  } catch {
    return { status: badNodeIdUnknown }
  }
}

const rootFolder = 'i=84'

function browsePath(steps: readonly PathStep[], namespaces: (namespace: string | number) => number): BrowsePath | undefined {
  const indexes = steps.map((step) => namespaces(step.namespace))
  if (indexes.includes(-1)) return undefined
  const path = makeBrowsePath(rootFolder, steps.map(() => '/x').join(''))
  for (const [place, element] of (path.relativePath.elements ?? []).entries()) {
    // Names are set here and not in the text above: they may hold any character.
    element.targetName = new QualifiedName({ namespaceIndex: indexes[place] ?? 0, name: steps[place]?.name ?? '' })
  }
  return path
}

function pathPlace(result: BrowsePathResult): Place {
  if (!result.statusCode.isGood()) return { status: statusOf(result.statusCode.value) }
  const target = result.targets?.find(({ remainingPathIndex }) => remainingPathIndex === 0xffff_ffff)
  if (target === undefined || target.targetId.identifierType === undefined) return { status: badNoMatch }
  return { node: coerceNodeId(target.targetId.toString()) }
}
