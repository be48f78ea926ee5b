import { type Area, byArea, isBitArea } from './address.ts'

/** What one tag, or one request, takes: registers in hr and ir, bits in co and di. */
export interface Span {
  readonly unit: number
  readonly area: Area
  readonly start: number
  readonly count: number
}

/** One request, and the values that its answer holds: each of them whole. */
export interface Block<Item extends Span> extends Span {
  /** By start. Never empty. */
  readonly items: readonly Item[]
}

export interface PlanLimits {
  /** Unused registers that may be read along; in bit areas 16 bits for each. */
  readonly gapRegistersMax: number
  readonly registersMax: number
  readonly coilsMax: number
  /** What no request may read along. One of no length is a border that no request may cross. Values that lie in them are planned all the same. */
  readonly holes?: readonly Span[]
  /** For devices that answer nothing else. */
  readonly isOneItemEach?: boolean
}

/** The fewest requests that read all items within the limits. An item that is larger than any request gets one of its own. */
export function planBlocks<Item extends Span>(items: readonly Item[], limits: PlanLimits): readonly Block<Item>[] {
  const blocks: Block<Item>[] = []
  let open: Item[] = []
  let end = 0
  for (const item of items.toSorted(bySpan)) {
    const [first] = open
    if (first !== undefined && joins(item, { first, end, limits })) {
      open.push(item)
      end = Math.max(end, endOf(item))
      continue
    }
    if (open.length > 0) blocks.push(blockOf(open))
    open = [item]
    end = endOf(item)
  }
  if (open.length > 0) blocks.push(blockOf(open))
  return blocks
}

/** Two halves that have no span in common; undefined where all items lie at the same place, so that no smaller request could tell them apart. */
export function splitBlock<Item extends Span>(block: Block<Item>): readonly [Block<Item>, Block<Item>] | undefined {
  const { items } = block
  const cuts = items.flatMap((item, place) => (bySpan(item, items[place - 1] ?? item) === 0 ? [] : [place]))
  const cut = cuts.toSorted((one, other) => Math.abs(one - items.length / 2) - Math.abs(other - items.length / 2))[0]
  return cut === undefined ? undefined : [blockOf(items.slice(0, cut)), blockOf(items.slice(cut))]
}

/**
 * Joins neighbours that touch, so that every register of the result was in a request that the device has answered. `countMax` is the largest
 * request it has answered: it may be the size that it had refused.
 */
export function joinTouching<Item extends Span>(blocks: readonly Block<Item>[], countMax: number): readonly Block<Item>[] {
  const joined: Block<Item>[] = []
  for (const block of blocks.toSorted(bySpan)) {
    const last = joined.at(-1)
    const touches = last !== undefined && isSameLine(last, block) && block.start <= last.start + last.count
    if (touches && Math.max(block.start + block.count - last.start, last.count) <= countMax) {
      joined[joined.length - 1] = blockOf([...last.items, ...block.items].sort(bySpan))
    } else joined.push(block)
  }
  return joined
}

interface Joining {
  readonly first: Span
  /** Behind the last register so far. */
  readonly end: number
  readonly limits: PlanLimits
}

function joins(item: Span, { first, end, limits }: Joining): boolean {
  if (!isSameLine(first, item)) return false
  const isBits = isBitArea(item.area)
  const gapMax = isBits ? limits.gapRegistersMax * 16 : limits.gapRegistersMax
  const countMax = isBits ? limits.coilsMax : limits.registersMax
  if (limits.isOneItemEach === true && bySpan(first, item) !== 0) return false
  if (item.start - end > gapMax || Math.max(end, endOf(item)) - first.start > countMax) return false
  return item.start < end || !limits.holes?.some((hole) => isSameLine(hole, item) && liesBetween(hole, end, item.start))
}

/** Whether a hole, or a border, lies in the gap between two values. */
function liesBetween(hole: Span, from: number, to: number): boolean {
  return hole.count === 0 ? hole.start >= from && hole.start <= to : hole.start < to && endOf(hole) > from
}

export function endOf({ start, count }: Pick<Span, 'start' | 'count'>): number {
  return start + count
}

export function isSameLine(one: Span, other: Span): boolean {
  return one.unit === other.unit && one.area === other.area
}

function bySpan(one: Span, other: Span): number {
  return one.unit - other.unit || byArea(one.area, other.area) || one.start - other.start || one.count - other.count
}

function blockOf<Item extends Span>(items: readonly Item[]): Block<Item> {
  const [first] = items
  if (first === undefined) throw new Error('a request reads at least one item')
  const end = items.reduce((furthest, item) => Math.max(furthest, item.start + item.count), 0)
  return { unit: first.unit, area: first.area, start: first.start, count: end - first.start, items }
}
