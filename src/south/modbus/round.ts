import type { Fault } from '../../base/fault.ts'
import type { Reading } from '../../model/tag.ts'
import type { PollResult } from '../driver.ts'
import type { LiveBlock } from './live-block.ts'

/** One poll: what it has brought so far, and what it means for the next one. */
export class Round {
  readonly readings: Reading[] = []
  /** Units that did not answer in this round: they are not asked again in it, for each silence costs a whole timeout. */
  readonly silentUnits = new Map<number, Fault>()
  /** What was learnt calls for other requests. */
  hasLearnt = false
  readonly #blocks: readonly LiveBlock[]
  readonly #signal: AbortSignal
  readonly #silentTags: number[] = []
  readonly #skipped = new Set<LiveBlock>()
  readonly #silent = new Set<LiveBlock>()
  readonly #replaced = new Map<LiveBlock, readonly LiveBlock[]>()
  #fault: Fault | undefined
  #next = 0

  constructor(blocks: readonly LiveBlock[], signal: AbortSignal) {
    this.#blocks = blocks
    this.#signal = signal
  }

  take(): LiveBlock | undefined {
    if (this.#signal.aborted) return undefined
    const live = this.#blocks[this.#next]
    this.#next += 1
    return live
  }

  skip(live: LiveBlock, fault: Fault): void {
    this.#skipped.add(live)
    this.busy(live, fault)
  }

  silent(live: LiveBlock, fault: Fault): void {
    this.#silent.add(live)
    this.silentUnits.set(live.block.unit, fault)
    this.busy(live, fault)
  }

  busy(live: LiveBlock, fault: Fault): void {
    this.#fault ??= fault
    for (const { tag } of live.block.items) this.#silentTags.push(tag)
  }

  replace(live: LiveBlock, by: readonly LiveBlock[]): void {
    this.#replaced.set(live, by)
  }

  /** What was skipped goes first next time, what was silent last: a request that the device never answers must not starve those behind it. */
  nextBlocks(): readonly LiveBlock[] {
    if (this.#replaced.size === 0 && this.#silentTags.length === 0) return this.#blocks
    const rank = (live: LiveBlock): number => (this.#skipped.has(live) ? 0 : this.#silent.has(live) ? 2 : 1)
    return this.#blocks.toSorted((one, other) => rank(one) - rank(other)).flatMap((live) => this.#replaced.get(live) ?? [live])
  }

  result(): PollResult {
    if (this.#fault === undefined) return { readings: this.readings }
    return { readings: this.readings, silence: { tags: this.#silentTags, fault: this.#fault } }
  }
}
