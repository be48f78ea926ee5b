import type { NodeId } from 'node-opcua-client'
import type { Tag } from '../../model/tag.ts'
import type { OpcuaAddress } from './config.ts'
import { badNodeIdUnknown } from './quality.ts'
import type { Requests } from './requests.ts'
import { type NamespacePins, type Place, resolveTags, type ServerLimits } from './resolve.ts'

export interface NodesOptions {
  readonly tags: readonly Tag<OpcuaAddress>[]
  readonly requests: Requests
  readonly limits: ServerLimits
  readonly pinned: NamespacePins
  /** Told of tags that are one node, where one of them may be written. */
  readonly sharing?: ((tags: readonly number[]) => void) | undefined
}

/** Where the tags are on this server today; each node once, however many tags it has. */
export class Nodes {
  readonly #options: NodesOptions
  readonly #places: Place[]
  /** By tag: the text of its node, to tell nodes apart. */
  readonly #keys: string[] = []

  private constructor(options: NodesOptions, places: readonly Place[]) {
    this.#options = options
    this.#places = [...places]
    for (const tag of places.keys()) this.#remember(tag)
  }

  static async find(options: NodesOptions): Promise<Nodes> {
    const nodes = new Nodes(options, await resolveTags(options.tags, options))
    nodes.#tellShared()
    return nodes
  }

  of(tag: number): NodeId | undefined {
    const place = this.#places[tag]
    return place !== undefined && 'node' in place ? place.node : undefined
  }

  keyOf(tag: number): string {
    return this.#keys[tag] ?? ''
  }

  /** Why a tag has no node. */
  statusOf(tag: number): number {
    const place = this.#places[tag]
    return place !== undefined && 'status' in place ? place.status : badNodeIdUnknown
  }

  absent(): readonly number[] {
    return this.#places.flatMap((place, tag) => ('node' in place ? [] : [tag]))
  }

  /** Looks again for the tags that have no node; those that have one now. */
  async findAbsent(): Promise<readonly number[]> {
    const absent = this.absent()
    if (absent.length === 0) return []
    const tags = absent.flatMap((tag) => this.#options.tags[tag] ?? [])
    const places = await resolveTags(tags, this.#options)
    for (const [at, tag] of absent.entries()) {
      const place = places[at]
      if (place === undefined) continue
      this.#places[tag] = place
      this.#remember(tag)
    }
    const found = absent.filter((tag) => this.of(tag) !== undefined)
    if (found.length > 0) this.#tellShared()
    return found
  }

  /** The nodes of these tags, each once, and where each tag's is among them. */
  distinct(tags: readonly number[]): { readonly nodes: readonly NodeId[]; readonly placeOf: ReadonlyMap<number, number> } {
    const nodes: NodeId[] = []
    const placeOfKey = new Map<string, number>()
    const placeOf = new Map<number, number>()
    for (const tag of tags) {
      const node = this.of(tag)
      if (node === undefined) continue
      const key = this.keyOf(tag)
      const place = placeOfKey.get(key) ?? nodes.push(node) - 1
      placeOfKey.set(key, place)
      placeOf.set(tag, place)
    }
    return { nodes, placeOf }
  }

  #tellShared(): void {
    const { tags, sharing } = this.#options
    const written = new Set(tags.flatMap(({ write }, tag) => (write === undefined ? [] : [this.keyOf(tag)])))
    written.delete('')
    if (sharing === undefined || written.size === 0) return
    const shared = tags.flatMap((_, tag) => (written.has(this.keyOf(tag)) ? [tag] : []))
    for (const same of Map.groupBy(shared, (tag) => this.keyOf(tag)).values()) if (same.length > 1) sharing(same)
  }

  #remember(tag: number): void {
    this.#keys[tag] = this.of(tag)?.toString() ?? ''
  }
}
