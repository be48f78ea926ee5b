import { isBitArea } from './address.ts'
import type { Item } from './item.ts'
import type { Answer } from './pdu.ts'
import { type Block, endOf, type Span } from './planner.ts'
import { isAddressRefusal, isMissing, isPassing, type Part, splitWhileRefused } from './read-parts.ts'

/** Something about a device that only asking it could tell. */
export type Finding =
  /** Exactly this value is refused. */
  | { readonly kind: 'hole'; readonly span: Span; readonly code: number }
  /** A whole request of which nothing is given, however it is taken apart. */
  | { readonly kind: 'whole'; readonly span: Block<Item>; readonly code: number }
  /** No request may read this along. Where it has no length, no request may reach over its start. */
  | { readonly kind: 'gap'; readonly span: Span; readonly code: number }
  /** The largest request that the device answers. */
  | { readonly kind: 'limit'; readonly unit: number; readonly isBits: boolean; readonly countMax: number }

/** What a device gives of a block that it refuses as a whole, and why it refuses it, as far as that could be found out. */
export interface Survey {
  /** Each item in exactly one. */
  readonly parts: readonly Part[]
  readonly findings: readonly Finding[]
}

type Read = (span: Span) => Promise<Answer>

/** Takes a refused block apart, and looks for the reason. At most two requests an item and some: it is made once for each reason. */
export async function surveyBlock(block: Block<Item>, code: number, read: Read): Promise<Survey> {
  const parts = await splitWhileRefused({ block, answer: { kind: 'exception', code } }, read)
  const good = parts.filter(({ answer }) => answer.kind === 'data').map((part) => part.block)
  const refused = parts.flatMap(({ block: span, answer }) => (answer.kind === 'exception' ? [{ span, code: answer.code }] : []))
  const isUnclear = parts.some(({ answer }) => answer.kind === 'exception' && isPassing(answer.code))
  if (isUnclear || (good.length === 0 && parts.length > 1)) return { parts, findings: [] }
  const holes = parts.flatMap(holeOf)
  const gaps = await findGaps(good, { refused, code, read })
  if (gaps === undefined) return { parts, findings: holes }
  const isWholeReadable = holes.length === 0 && refused.length === 0 && gaps.length === 0 && good.length > 1
  const limit = isWholeReadable ? await findLimit(block, { good, code, read }) : []
  return { parts, findings: [...holes, ...gaps, ...limit] }
}

/** A failing device (exception 4) may give the value any moment: that is nothing to remember. */
function holeOf({ block, answer }: Part): readonly Finding[] {
  if (answer.kind !== 'exception' || !isMissing(answer.code)) return []
  return [{ kind: 'hole', span: spanOf(block), code: answer.code }]
}

interface GapSearch {
  readonly refused: readonly Refused[]
  readonly code: number
  readonly read: Read
}

interface Refused {
  readonly span: Span
  readonly code: number
}

/** The parts come in the order of their places. Which of the places between the good ones cannot be read along; undefined where the device would not say. */
async function findGaps(good: readonly Block<Item>[], { refused, code, read }: GapSearch): Promise<readonly Finding[] | undefined> {
  const gaps: Finding[] = []
  let end = 0
  let last: Span | undefined
  for (const block of good) {
    const from = end
    const before = last
    const reaching = furthest(block)
    if (endOf(reaching) > end) {
      end = endOf(reaching)
      last = reaching
    }
    if (before === undefined || block.start <= from) continue
    const span: Span = { ...spanOf(block), start: from, count: block.start - from }
    const inIt = refused.find((other) => other.span.start < block.start && endOf(other.span) > from)
    const answer = inIt === undefined ? await readTwice(across(before, block.items[0] ?? block), read) : undefined
    if (answer?.kind === 'data') continue
    if (answer !== undefined && !isAddressRefusal(answer.code)) return undefined
    gaps.push({ kind: 'gap', span, code: answer?.code ?? inIt?.code ?? code })
  }
  return gaps
}

interface LimitSearch {
  /** What was answered, and covers the block. */
  readonly good: readonly Span[]
  readonly code: number
  readonly read: Read
}

/** Every place of the block can be read, and the block can not: it is too large, or crosses a border. Values are never cut in two to find out. */
async function findLimit(block: Block<Item>, { good, code, read }: LimitSearch): Promise<readonly Finding[]> {
  const again = await read(spanOf(block))
  if (again.kind === 'data' || !isAddressRefusal(again.code)) return [] // it was only for a moment
  const ends = endsOf(block.items)
  const answered = good.filter(({ start }) => start === block.start).map(endOf)
  let given = ends.findLastIndex((end) => answered.includes(end))
  let refused = ends.length - 1
  while (refused - given > 1) {
    const middle = (given + refused) >> 1
    const answer = await read({ ...spanOf(block), count: (ends[middle] ?? 0) - block.start })
    if (answer.kind === 'data') given = middle
    else refused = middle
  }
  const above = await read({ ...spanOf(block), count: (ends[refused] ?? 0) - block.start })
  if (above.kind === 'data') return [] // a device that refuses at random has no limit
  const cut = ends[given] ?? block.start
  const largest = Math.max(...good.map(({ count }) => count))
  const countMax = Math.max(largest, cut - block.start)
  const over = await lookOver(block, { cut, read, isAsked: (count) => cut - block.start < largest || count < countMax })
  // What is refused here though as much is read elsewhere is not refused for its size, unless a request over this very place is given.
  const limit = Math.max(countMax, over.given)
  const isBorder = over.isRefused || limit >= (ends[refused] ?? 0) - block.start || (cut - block.start < largest && over.given === 0)
  if (isBorder) return [{ kind: 'gap', span: { ...spanOf(block), start: cut, count: 0 }, code }]
  return [{ kind: 'limit', unit: block.unit, isBits: isBitArea(block.area), countMax: limit }]
}

interface OverSearch {
  readonly cut: number
  readonly read: Read
  /** Whether a request of this size tells anything. */
  readonly isAsked: (count: number) => boolean
}

/** Some devices keep their registers in tables, and no request may reach from one into the next, however small it is. What the smallest one shows. */
async function lookOver(
  block: Block<Item>,
  { cut, read, isAsked }: OverSearch,
): Promise<{ readonly isRefused: boolean; readonly given: number }> {
  const before = block.items.findLast((item) => endOf(item) === cut)
  const behind = block.items.find((item) => item.start >= cut)
  const small = before && behind && across(before, behind)
  if (small === undefined || !isAsked(small.count)) return { isRefused: false, given: 0 }
  const answer = await readTwice(small, read)
  return { isRefused: answer.kind === 'exception' && isAddressRefusal(answer.code), given: answer.kind === 'data' ? small.count : 0 }
}

/** Where a request may end that begins with the first item and cuts none. */
function endsOf(items: readonly Span[]): readonly number[] {
  const ends: number[] = []
  let end = 0
  for (const [place, item] of items.entries()) {
    end = Math.max(end, endOf(item))
    const next = items[place + 1]
    if (next === undefined || next.start >= end) ends.push(end)
  }
  return ends
}

/** What is remembered for long has been refused twice. */
async function readTwice(span: Span, read: Read): Promise<Answer> {
  const answer = await read(span)
  return answer.kind === 'data' ? answer : await read(span)
}

function across(before: Span, behind: Span): Span {
  return { unit: before.unit, area: before.area, start: before.start, count: endOf(behind) - before.start }
}

function furthest({ items }: Block<Item>): Span {
  return items.reduce<Span>((best, item) => (endOf(item) > endOf(best) ? item : best), items[0] as Span)
}

function spanOf({ unit, area, start, count }: Span): Span {
  return { unit, area, start, count }
}
