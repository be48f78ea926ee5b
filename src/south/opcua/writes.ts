import { AttributeIds, type NodeId, type Variant } from 'node-opcua-client'
import type { RawWrite, WriteOutcome, WriteRefusal } from '../driver.ts'
import { hasFraction, type NodeType, typeText, variantFor } from './coerce.ts'
import { badAnswer, mayHaveHappened, notAttempted, typeUnknown, valueRefused, wasNotSent, writeRefused } from './faults.ts'
import { badTimeout, qualityOf, statusOf } from './quality.ts'
import { defaultChunk, isTooMuch, type Requests } from './requests.ts'

export interface WriteContext {
  readonly requests: Requests
  /** Nodes a request; 0 where the server names no limit. */
  readonly limit: number
  readonly idOf: (tag: number) => string
  readonly nodeOf: (tag: number) => NodeId | undefined
  /** Why a tag has no node. */
  readonly statusOf: (tag: number) => number
  /** The type of each tag's node, asked for where it is not known. */
  readonly typesOf: (tags: readonly number[], signal: AbortSignal) => Promise<ReadonlyMap<number, NodeType>>
}

interface Ready {
  /** Position in the list of writes. */
  readonly at: number
  readonly node: NodeId
  readonly variant: Variant
  readonly id: string
}

/** One outcome a write, in order; as few requests as the server allows, one after the other. Never rejects. */
export async function writeAll(writes: readonly RawWrite[], context: WriteContext, signal: AbortSignal): Promise<readonly WriteOutcome[]> {
  const outcomes: WriteOutcome[] = []
  try {
    await sendAll(await readyOf(writes, outcomes, { ...context, signal }), outcomes, { ...context, signal })
  } catch (error) {
    const fault = badAnswer('a write', error) // before anything was sent
    for (const at of writes.keys()) outcomes[at] ??= { outcome: 'failed', fault, neverSent: true }
  }
  return outcomes
}

/** Why each would not be sent. Rejects where a type is not known, and the server does not answer. */
export async function refusalsOf(
  writes: readonly RawWrite[],
  context: WriteContext,
  signal: AbortSignal,
): Promise<readonly (WriteRefusal | undefined)[]> {
  const outcomes: WriteOutcome[] = []
  const fractions = new Set<number>()
  const untyped = new Set<number>()
  await readyOf(writes, outcomes, { ...context, signal, onFraction: (at) => fractions.add(at), onUntyped: (at) => untyped.add(at) })
  return writes.map(({ tag }, at) => {
    const outcome = outcomes[at]
    if (outcome === undefined || outcome.outcome === 'done') return undefined
    if (context.nodeOf(tag) === undefined || untyped.has(at)) return { of: 'place', fault: outcome.fault }
    return { of: fractions.has(at) ? 'fraction' : 'value', fault: outcome.fault }
  })
}

type Context = WriteContext & {
  readonly signal: AbortSignal
  /** Told the positions of those that would fit if they were whole numbers, perhaps. */
  readonly onFraction?: (at: number) => void
  /** Told the positions of those whose node has no type that can be written. */
  readonly onUntyped?: (at: number) => void
}

/** Writes that can be sent; the others have their outcome. */
async function readyOf(writes: readonly RawWrite[], outcomes: WriteOutcome[], context: Context): Promise<readonly Ready[]> {
  const { idOf, nodeOf, typesOf, signal, onFraction, onUntyped } = context
  const found = writes.map(({ tag }) => tag).filter((tag) => nodeOf(tag) !== undefined)
  const types = await typesOf(found, signal)
  return writes.flatMap(({ tag, value }, at): readonly Ready[] => {
    const id = idOf(tag)
    const node = nodeOf(tag)
    const type = types.get(tag)
    const variant = type === undefined ? undefined : variantFor(value, type)
    if (node !== undefined && variant !== undefined) return [{ at, node, variant, id }]
    if (type !== undefined && hasFraction(value, type)) onFraction?.(at)
    if (type === undefined) onUntyped?.(at)
    const refused = type === undefined ? typeUnknown(id) : valueRefused(id, value, typeText(type))
    outcomes[at] = { outcome: 'failed', fault: node === undefined ? writeRefused(id, context.statusOf(tag)) : refused }
    return []
  })
}

async function sendAll(ready: readonly Ready[], outcomes: WriteOutcome[], context: Context): Promise<void> {
  let size = Math.max(1, context.limit || defaultChunk)
  let lost: unknown
  for (let from = 0; from < ready.length; ) {
    const chunk = ready.slice(from, from + size)
    if (lost !== undefined) {
      for (const { at, id } of chunk) outcomes[at] = { outcome: 'failed', fault: notAttempted(`The write to ${id}`, lost), neverSent: true }
    } else {
      const error = await send(chunk, outcomes, context)
      if (error !== undefined && chunk.length > 1 && isTooMuch(error)) {
        size = Math.ceil(chunk.length / 2)
        continue
      }
      lost = error !== undefined && mayHaveHappened(error) ? error : undefined
    }
    from += chunk.length
  }
}

/** One request. undefined where the server answered each write; else why it did not. */
async function send(chunk: readonly Ready[], outcomes: WriteOutcome[], { requests, signal }: Context): Promise<unknown> {
  let isSent = false
  try {
    const statuses = await requests.askInTurn(
      'a write',
      (session) => {
        isSent = true
        // Value only: many PLCs refuse a write that brings a status or a time.
        return session.write(
          chunk.map(({ node, variant }) => ({ nodeId: node, attributeId: AttributeIds.Value, value: { value: variant } })),
        )
      },
      signal,
    )
    if (statuses.length !== chunk.length) throw badAnswer('a write', `${statuses.length} results for ${chunk.length} nodes`)
    for (const [place, { at, id }] of chunk.entries()) outcomes[at] = outcomeOf(id, statuses[place]?.value ?? badTimeout)
    return undefined
  } catch (error) {
    const fault = badAnswer('a write', error)
    const outcome: WriteOutcome =
      isSent && mayHaveHappened(fault)
        ? { outcome: 'unknown', fault }
        : { outcome: 'failed', fault, neverSent: !isSent || wasNotSent(fault) }
    for (const { at } of chunk) outcomes[at] = outcome
    return fault
  }
}

/** A gateway that was not answered by its own device in time does not know what became of the write. */
function outcomeOf(id: string, value: number): WriteOutcome {
  const status = statusOf(value)
  if (qualityOf(status) !== 'bad') return { outcome: 'done' }
  return { outcome: status === badTimeout ? 'unknown' : 'failed', fault: writeRefused(id, status) }
}
