import type { TagValue } from '../../model/tag.ts'
import { type Item, wireBit } from './item.ts'
import { endOf, isSameLine } from './planner.ts'

/** One value of a batch, ready to be sent. */
export interface PlannedWrite {
  /** Its place in the batch. */
  readonly place: number
  readonly item: Item
  readonly value: TagValue
  /** As on the wire; absent for one bit of a register, which is no value of its own there. */
  readonly raw?: Buffer
}

/** Writes that go out as one request: all to the places of one span without a gap, or all to bits of one register. In the order of the batch. */
export type WriteGroup = readonly PlannedWrite[]

/** Modbus Application Protocol 1.1b3, 6.11 and 6.12: what fits in one write. */
export const registersPerWriteMax = 123
export const coilsPerWriteMax = 1_968

/**
 * The fewest requests that keep the order of the batch: a start command that stands behind its setpoint is never sent before it. Nothing is
 * written that the batch does not name.
 */
export function planWrites(writes: readonly PlannedWrite[]): readonly WriteGroup[] {
  const groups: WriteGroup[] = []
  for (let from = 0; from < writes.length; ) {
    const to = endOfGroup(writes, from)
    groups.push(writes.slice(from, to))
    from = to
  }
  return groups
}

/** Behind the last write of the longest run from `from` on that one request can carry. */
function endOfGroup(writes: readonly PlannedWrite[], from: number): number {
  const [first] = writes.slice(from, from + 1)
  if (first === undefined) return from + 1
  let end = from + 1
  const run: PlannedWrite[] = [first]
  for (const write of writes.slice(from + 1)) {
    if (!isSameKind(first, write) || run.some((other) => collides(other, write))) break
    run.push(write)
    if (run.length > coilsPerWriteMax) break
    if (isWhole(run)) end = from + run.length
  }
  return end
}

function isSameKind(one: PlannedWrite, other: PlannedWrite): boolean {
  if (!isSameLine(one.item, other.item)) return false
  return isBitOfRegister(one) ? isBitOfRegister(other) && one.item.start === other.item.start : !isBitOfRegister(other)
}

/** Two writes to the same place go out one after the other, whatever they hold: the later one counts. */
function collides(one: PlannedWrite, other: PlannedWrite): boolean {
  if (isBitOfRegister(one)) return one.item.place.bit === other.item.place.bit
  return one.item.start < endOf(other.item) && endOf(one.item) > other.item.start
}

/** Without overlaps, so the sum tells whether there is a gap. */
function isWhole(run: readonly PlannedWrite[]): boolean {
  const [first] = run
  if (first === undefined || isBitOfRegister(first)) return true
  const span = spanOfGroup(run)
  const count = run.reduce((sum, { item }) => sum + item.count, 0)
  return count === span.count && count <= (first.item.area === 'co' ? coilsPerWriteMax : registersPerWriteMax)
}

function isBitOfRegister({ item }: PlannedWrite): boolean {
  return item.place.bit !== undefined
}

export function spanOfGroup(group: WriteGroup): { readonly unit: number; readonly start: number; readonly count: number } {
  const start = Math.min(...group.map(({ item }) => item.start))
  const end = Math.max(...group.map(({ item }) => endOf(item)))
  return { unit: group[0]?.item.unit ?? 0, start, count: end - start }
}

/** The data of one request for the whole group. */
export function rawOfGroup(group: WriteGroup): Buffer {
  const { start, count } = spanOfGroup(group)
  const isCoils = group[0]?.item.area === 'co'
  const raw = Buffer.alloc(isCoils ? Math.ceil(count / 8) : 2 * count)
  for (const { item, raw: own = raw } of group) {
    if (!isCoils) own.copy(raw, 2 * (item.start - start))
    else for (let bit = 0; bit < item.count; bit += 1) copyBit({ from: own, bit }, raw, item.start - start + bit)
  }
  return raw
}

export interface RegisterMasks {
  readonly andMask: number
  readonly orMask: number
}

/** All bits of the group in one mask. */
export function masksOfGroup(group: WriteGroup): RegisterMasks {
  let mask = 0
  let orMask = 0
  for (const { item, value } of group) {
    const bit = 1 << wireBit(item.place, item.place.bit ?? 0)
    mask |= bit
    if (value === true) orMask |= bit
  }
  return { andMask: 0xffff & ~mask, orMask }
}

function copyBit({ from, bit }: { readonly from: Buffer; readonly bit: number }, to: Buffer, at: number): void {
  if ((((from[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1) to[at >> 3] = (to[at >> 3] ?? 0) | (1 << (at & 7))
}
