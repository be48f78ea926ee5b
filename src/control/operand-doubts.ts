import type { Clock, MonotonicMs } from '../base/clock.ts'
import type { TagIndex } from '../model/tag.ts'
import { type Admitted, type DevicePlace, type Errand, isWithin } from './errand.ts'
import type { Interlocks } from './interlocks.ts'
import { readNow } from './read-back.ts'
import type { TagTable } from './tag-table.ts'

export interface OperandDoubtsOptions {
  readonly interlocks: Interlocks
  readonly table: TagTable
  /** By name: an operand may be of another device file than what was written. */
  readonly devices: ReadonlyMap<string, DevicePlace>
  readonly clock: Clock
}

/** A write whose reply was lost may still arrive so much later; a device that sits on it longer has dropped it. */
const lateMs = 10_000
/** To look at what an operand holds now. */
const lookMs = 2_000

interface Doubt {
  /** What was written: the operand itself, or a tag of the same place. */
  readonly on: Admitted
  readonly operand: TagIndex
  /** Until then a value that is not the one that was written proves nothing. */
  readonly untilMs: MonotonicMs
}

/**
 * Operands of interlocks that we have written, and of which the tag table need not know what they hold: nobody has read them since, or the write may
 * still arrive. One entry a tag at the most.
 */
export class OperandDoubts {
  readonly #options: OperandDoubtsOptions
  readonly #doubts = new Map<TagIndex, Doubt>()

  constructor(options: OperandDoubtsOptions) {
    this.#options = options
  }

  /** Called while the errands still have their turn. */
  note(errands: readonly Errand[]): void {
    const { interlocks, clock } = this.#options
    for (const { on, ending, isAnswered } of errands.filter(({ stage }) => stage === 'sent')) {
      const isSeen = ending?.status === 'done' && ending.value !== undefined
      for (const operand of interlocks.changedBy(on.tag)) {
        // A tag of the same place was read back, not the operand.
        if (isSeen && operand === on.tag) this.#doubts.delete(operand)
        else this.#doubts.set(operand, { on, operand, untilMs: later(clock, isAnswered ? 0 : lateMs) })
      }
    }
  }

  /** Those of the operands of these errands' interlocks that stay unknown, after what could be looked at has been. */
  async unsettledAmong(errands: readonly Errand[]): Promise<ReadonlySet<TagIndex>> {
    const operands = new Set(errands.flatMap(({ on }) => this.#options.interlocks.operandsOf(on.tag)))
    const doubted = [...operands].flatMap((tag) => this.#doubts.get(tag) ?? [])
    if (doubted.length === 0) return new Set()
    const { table, devices } = this.#options
    const placed = Map.groupBy(doubted, ({ operand }) => devices.get(table.metas[operand]?.device ?? ''))
    await Promise.all([...placed].map(([place, doubts]) => place && this.#look(place, doubts)))
    return new Set([...operands].filter((tag) => this.#doubts.has(tag)))
  }

  async #look(place: DevicePlace, doubts: readonly Doubt[]): Promise<void> {
    const { table, clock } = this.#options
    const tags = doubts.map(({ operand }) => operand)
    const values = await readNow(tags, { place, table, clock, limitMs: lookMs }).catch(() => [])
    for (const [position, { on, operand, untilMs }] of doubts.entries()) {
      const value = values[position]
      const isSettled = clock.elapsed() >= untilMs || (operand === on.tag && value !== undefined && isWithin(value, on))
      if (value !== undefined && isSettled) this.#doubts.delete(operand)
    }
  }
}

function later(clock: Clock, ms: number): MonotonicMs {
  return (clock.elapsed() + ms) as MonotonicMs
}
