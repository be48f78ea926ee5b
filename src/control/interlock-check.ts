import type { TagIndex } from '../model/tag.ts'
import { interlocked } from './command-faults.ts'
import type { Errand } from './errand.ts'
import type { Turn } from './locks.ts'
import { OperandDoubts, type OperandDoubtsOptions } from './operand-doubts.ts'

/**
 * Interlocks against what we write ourselves. What an interlock looks at is not written while it counts: it is locked with the tag. What the same
 * batch writes, and what a write may still reach, is unknown. docs/decisions/0019 says why.
 */
export class InterlockCheck {
  readonly #options: OperandDoubtsOptions
  readonly #doubts: OperandDoubts

  constructor(options: OperandDoubtsOptions) {
    this.#options = options
    this.#doubts = new OperandDoubts(options)
  }

  /** What these errands need to have for themselves, and what must only stand still. */
  turnOf(errands: readonly Errand[]): Turn {
    const { interlocks } = this.#options
    const mine = new Set(errands.flatMap(({ on }) => [on.tag, ...interlocks.writtenWith(on.tag)]))
    const looked = new Set(errands.flatMap(({ on }) => interlocks.changersOf(on.tag)))
    return { mine: [...mine].map(String), looked: [...looked.difference(mine)].map(String) }
  }

  /** In their turn, before the first check: finds out which operands nobody can know. */
  async prepare(errands: readonly Errand[]): Promise<void> {
    const { interlocks } = this.#options
    const interlockedOnes = errands.filter(({ on }) => interlocks.operandsOf(on.tag).length > 0)
    if (interlockedOnes.length === 0) return
    const written = new Set(errands.map(({ on }) => on.tag))
    const unsettled = await this.#doubts.unsettledAmong(interlockedOnes)
    for (const errand of interlockedOnes) {
      const operands = new Set(interlocks.operandsOf(errand.on.tag))
      const besides = new Set(interlocks.changersOf(errand.on.tag))
      besides.delete(errand.on.tag)
      errand.operands = { unsettled: operands.intersection(unsettled), written: besides.intersection(written) }
    }
  }

  /** Throws `command.interlock` where the interlock does not let the write pass. */
  check({ on: { tag, meta, rules }, operands }: Errand): void {
    if (rules.interlock === undefined) return
    const unknown = operands.written.size === 0 ? operands.unsettled : operands.unsettled.union(operands.written)
    const isFree = this.#options.interlocks.check(tag, unknown)
    if (isFree === true) return
    const text = rules.interlock
    if (isFree === false) throw interlocked(meta, text, { state: false })
    throw interlocked(meta, text, { state: 'unknown', written: this.#names(operands.written), unsettled: this.#names(operands.unsettled) })
  }

  /** While they still have their turn. */
  note(errands: readonly Errand[]): void {
    this.#doubts.note(errands)
  }

  #names(tags: ReadonlySet<TagIndex>): readonly string[] {
    return [...tags].flatMap((tag) => this.#options.table.metas[tag]?.id ?? [])
  }
}
