import type { MonotonicMs } from '../../base/clock.ts'
import type { Reading } from '../../model/tag.ts'
import { type Item, type Slot, slotOf } from './item.ts'
import { type Ask, askRead } from './pdu.ts'
import type { Block } from './planner.ts'
import { notDecoded, statusOfException } from './status.ts'

export interface Refusal {
  readonly code: number
  readonly probeAt: MonotonicMs
}

/** A request that is made again and again, and what its last answer was. */
export class LiveBlock {
  readonly block: Block<Item>
  readonly ask: Ask
  readonly #slots: readonly Slot[]
  readonly #last: Buffer
  #isKnown = false
  #isToldAnew = false
  #refusal: Refusal | undefined
  #refusals = 0
  /** It was refused where others were given: it is a hole, and not a device that is only starting. */
  isHole = false
  /** Not to be taken apart before: it was, and no part of it could be read either. */
  wholeUntil: MonotonicMs | undefined
  /** Every part of it was refused for an address that does not exist. */
  isWhollyRefused = false

  constructor(block: Block<Item>) {
    this.block = block
    this.ask = askRead(block)
    this.#slots = block.items.map((item) => slotOf(item, block.start))
    this.#last = Buffer.alloc(this.ask.answer.sizeBytes)
  }

  /** Whether the device has given it on this connection, the last time it answered. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  get refusedCode(): number | undefined {
    return this.#refusal?.code
  }

  /** Running, since it was last given. */
  get refusals(): number {
    return this.#refusals
  }

  /** Refused for good reason, and not yet due to be asked for again. */
  rests(now: MonotonicMs): boolean {
    return this.#refusal !== undefined && now < this.#refusal.probeAt
  }

  /** Adds what is not as it was: this runs for every answer of every device, and costs one comparison where nothing has changed. */
  take(data: Buffer, readings: Reading[]): void {
    const isTold = this.#isKnown && !this.#isToldAnew
    if (isTold && this.#last.equals(data)) return
    for (const slot of this.#slots) {
      if (!isTold || hasChanged(slot, this.#last, data)) readings.push(readingOf(slot, data))
    }
    data.copy(this.#last)
    this.#isKnown = true
    this.#isToldAnew = false
    this.#refusal = undefined
    this.#refusals = 0
  }

  /** Somebody was told something else meanwhile: what the next answer says is told, also where it is as it was. */
  tellAnew(): void {
    this.#isToldAnew = true
  }

  /** It was given to somebody else meanwhile: the refusal is no reason to leave it alone any longer. */
  askSoon(now: MonotonicMs): void {
    if (this.#refusal !== undefined) this.#refusal = { ...this.#refusal, probeAt: now }
  }

  /** True where that is news. */
  refuse(refusal: Refusal, readings: Reading[]): boolean {
    const isNews = this.#isKnown || this.#isToldAnew || this.#refusal?.code !== refusal.code
    this.#isKnown = false
    this.#isToldAnew = false
    this.#refusal = refusal
    this.#refusals += 1
    if (isNews) for (const { item } of this.#slots) readings.push(badReading(item, statusOfException(refusal.code)))
    return isNews
  }
}

export function readingsOf(block: Block<Item>, data: Buffer): readonly Reading[] {
  return block.items.map((item) => readingOf(slotOf(item, block.start), data))
}

export function badReading({ tag }: Item, status: number): Reading {
  return { tag, value: null, quality: 'bad', status }
}

function readingOf({ item, at }: Slot, data: Buffer): Reading {
  const value = item.codec.decode(data, at)
  return value === null ? badReading(item, notDecoded) : { tag: item.tag, value, quality: 'good' }
}

function hasChanged({ fromByte, toByte, mask }: Slot, before: Buffer, after: Buffer): boolean {
  if (mask !== 0) return (((before[fromByte] ?? 0) ^ (after[fromByte] ?? 0)) & mask) !== 0
  for (let byte = fromByte; byte < toByte; byte += 1) if (before[byte] !== after[byte]) return true
  return false
}
