import { BrowseDirection, type BrowseResult, NodeClass, type NodeId, type ReferenceDescription } from 'node-opcua-client'
import { statusName, statusOf } from './quality.ts'
import type { Requests } from './requests.ts'

/** Of one node in one answer; the rest comes by continuation points. Times the nodes of a request, it bounds what one answer can hold. */
const referencesPerNodeMax = 100
const hierarchical = 'i=33'
/** ReferenceType, IsForward, NodeClass and BrowseName (OPC 10000-4, 5.9.2). */
const resultMask = 0b1111
const hasProperty = 46

/** Some of the references of one of the nodes that were asked for. */
export interface ReferencePage {
  /** Place of the node in the list that was asked for. */
  readonly place: number
  readonly references: readonly ReferenceDescription[]
}

export interface ReferenceOptions {
  readonly requests: Requests
  readonly signal: AbortSignal
  /** Told of each node that the server does not let us look into. */
  readonly onRefused: (place: number, why: string) => void
}

/** All forward hierarchical references of some nodes, page by page. A page's memory is the caller's only one: continuation points are followed one page at a time. */
export async function* referencePages(nodes: readonly NodeId[], options: ReferenceOptions): AsyncGenerator<ReferencePage> {
  const again: number[] = []
  const results = await browse(nodes, options)
  const waiting: { readonly place: number; readonly point: Buffer }[] = []
  for (const [place, result] of results.entries()) {
    const point = pointOf(result)
    if (isOutOfPoints(result)) again.push(place)
    else if (!result.statusCode.isGoodish()) options.onRefused(place, statusName(statusOf(result.statusCode.value)))
    else yield { place, references: result.references ?? [] }
    if (point !== undefined) waiting.push({ place, point })
  }
  for (const { place, point } of waiting) yield* rest(place, point, options)
  // The server keeps few places open at once: what it could not begin is asked for alone, when all others are closed.
  for (const place of again) {
    const node = nodes[place]
    if (node === undefined) continue
    const [alone] = await browse([node], options)
    if (alone === undefined || !alone.statusCode.isGoodish()) {
      options.onRefused(place, alone === undefined ? 'no answer' : statusName(statusOf(alone.statusCode.value)))
      continue
    }
    yield { place, references: alone.references ?? [] }
    const point = pointOf(alone)
    if (point !== undefined) yield* rest(place, point, options)
  }
}

async function* rest(place: number, first: Buffer, { requests, signal, onRefused }: ReferenceOptions): AsyncGenerator<ReferencePage> {
  let point: Buffer | undefined = first
  let isOver = false
  try {
    while (point !== undefined) {
      const asked: Buffer = point
      const [result]: BrowseResult[] = await requests.ask('the rest of a browse', (session) => session.browseNext([asked], false), signal)
      if (result === undefined || !result.statusCode.isGoodish()) {
        onRefused(place, result === undefined ? 'no answer' : statusName(statusOf(result.statusCode.value)))
        isOver = true
        return
      }
      point = pointOf(result)
      isOver = point === undefined
      yield { place, references: result.references ?? [] }
    }
  } finally {
    const left = point
    // Given up on the way: servers have few of these, and keep them until the session ends.
    if (!isOver && left !== undefined)
      await requests.ask('the end of a browse', (session) => session.browseNext([left], true)).catch(() => {})
  }
}

/** In smaller requests where the server takes fewer nodes, or cannot answer for so many at once. */
async function browse(nodes: readonly NodeId[], { requests, signal }: ReferenceOptions): Promise<readonly BrowseResult[]> {
  return await requests.chunked(nodes, {
    what: 'a browse',
    limit: nodes.length,
    send: (session, chunk) => {
      Object.assign(session, { requestedMaxReferencesPerNode: referencesPerNodeMax }) // the library has no parameter for it
      return session.browse(
        chunk.map((nodeId) => ({
          nodeId,
          browseDirection: BrowseDirection.Forward,
          referenceTypeId: hierarchical,
          includeSubtypes: true,
          nodeClassMask: NodeClass.Object | NodeClass.Variable,
          resultMask,
        })),
      )
    },
    signal,
  })
}

function pointOf({ continuationPoint }: BrowseResult): Buffer | undefined {
  return continuationPoint === null || continuationPoint === undefined || continuationPoint.length === 0 ? undefined : continuationPoint
}

function isOutOfPoints({ statusCode }: BrowseResult): boolean {
  return statusCode.name === 'BadNoContinuationPoints'
}

/** Properties describe a node and are no values of the plant; those of a variable say its unit and range. */
export function isProperty({ referenceTypeId }: ReferenceDescription): boolean {
  return referenceTypeId.namespace === 0 && referenceTypeId.value === hasProperty
}
