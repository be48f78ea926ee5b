import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'
import type { Log } from '../../base/log.ts'
import type { Reading } from '../../model/tag.ts'
import type { PollResult } from '../driver.ts'
import { isBitArea, placeText } from './address.ts'
import { exceptionFault, LineFault } from './faults.ts'
import type { Item } from './item.ts'
import type { Line } from './line.ts'
import { LiveBlock } from './live-block.ts'
import { type Answer, askRead } from './pdu.ts'
import { type Block, joinTouching } from './planner.ts'
import { isAddressRefusal, isPassing, isUnitAbsent, type Part, splitWhileRefused } from './read-parts.ts'
import type { UnitBreaker } from './unit-breaker.ts'

export interface ScanOptions {
  readonly blocks: readonly Block<Item>[]
  readonly line: Line
  readonly units: UnitBreaker
  readonly clock: Clock
  readonly log: Log
}

/** What the device refused is asked for again this much later: somebody may have loaded another program. */
const refusalProbeMs = 60_000
const polling = { urgency: 'poll' } as const

/** The tags of one scan class on one connection: which requests read them, and what was last heard. */
export class Scan {
  readonly #options: ScanOptions
  #blocks: readonly LiveBlock[]

  constructor(options: ScanOptions) {
    this.#options = options
    this.#blocks = options.blocks.map((block) => new LiveBlock(block))
  }

  /** Reads every block once; rejects only when the connection is lost. */
  async poll(signal: AbortSignal): Promise<PollResult> {
    const round = new Round(this.#blocks, signal)
    const lanes = Math.min(this.#options.line.inflightMax, this.#blocks.length)
    // Each lane waits for its answer before it asks on, so that two scan classes share the line and none fills its queue.
    if (lanes <= 1) await this.#lane(round)
    else await Promise.all(Array.from({ length: lanes }, () => this.#lane(round)))
    this.#blocks = round.nextBlocks()
    return round.result()
  }

  async #lane(round: Round): Promise<void> {
    for (let live = round.take(); live !== undefined; live = round.take()) {
      if (live.rests(this.#options.clock.elapsed())) continue
      const { unit } = live.block
      const down = round.silentUnits.get(unit) ?? this.#options.units.downFault(unit)
      if (down === undefined) await this.#read(live, round)
      else round.skip(live, down)
    }
  }

  async #read(live: LiveBlock, round: Round): Promise<void> {
    const { line, units } = this.#options
    try {
      const answer = await line.ask(live.ask, polling)
      if (answer.kind === 'exception') return await this.#excepted(live, answer.code, round)
      units.answered(live.block.unit)
      if (live.refusedCode !== undefined) this.#tellBack(live)
      live.take(answer.data, round.readings)
    } catch (error) {
      if (!(error instanceof LineFault) || !line.isOpen) throw error
      this.#silent(live, error, round)
    }
  }

  #silent(live: LiveBlock, fault: Fault, round: Round): void {
    this.#options.units.silent(live.block.unit, fault)
    round.silent(live, fault)
  }

  async #excepted(live: LiveBlock, code: number, round: Round): Promise<void> {
    const { clock, units } = this.#options
    if (isPassing(code)) {
      const fault = exceptionFault(`unit ${live.block.unit}`, code)
      if (isUnitAbsent(code)) this.#silent(live, fault, round)
      else round.busy(live, fault)
      return
    }
    units.answered(live.block.unit)
    const now = clock.elapsed()
    // A block that could be read a moment ago and now meets a failing device is no hole.
    const isWhole = (code === 4 && live.isKnown) || now < (live.wholeUntil ?? 0)
    const parts = isAddressRefusal(code) && !isWhole ? await this.#split(live, code) : []
    if (parts.some(({ answer }) => answer.kind === 'data')) round.replace(live, this.#takeParts(parts, round))
    else this.#refuse(live, code, round)
  }

  async #split(live: LiveBlock, code: number): Promise<readonly Part[]> {
    const parts = await splitWhileRefused({ block: live.block, answer: { kind: 'exception', code } }, (block) => this.#ask(block))
    if (parts.every(({ answer }) => answer.kind === 'exception')) live.wholeUntil = this.#later()
    return parts
  }

  #ask(block: Block<Item>): Promise<Answer> {
    return this.#options.line.ask(askRead(block), polling)
  }

  /** What the device gives in parts is read in parts from now on, as few as its answers prove possible. */
  #takeParts(parts: readonly Part[], round: Round): readonly LiveBlock[] {
    const good: Block<Item>[] = []
    const others: LiveBlock[] = []
    for (const { block, answer } of parts) {
      const live = new LiveBlock(block)
      if (answer.kind === 'data') {
        live.take(answer.data, round.readings)
        good.push(block)
        continue
      }
      if (isPassing(answer.code)) round.busy(live, exceptionFault(`unit ${block.unit}`, answer.code))
      else this.#refuse(live, answer.code, round)
      others.push(live)
    }
    const countMax = Math.max(...good.map(({ count }) => count))
    return [...joinTouching(good, countMax).map((block) => new LiveBlock(block)), ...others]
  }

  #refuse(live: LiveBlock, code: number, round: Round): void {
    // A device failure may end any moment; what does not exist will not for a while.
    const probeAt = code <= 3 ? this.#later() : this.#options.clock.elapsed()
    if (live.refuse({ code, probeAt }, round.readings)) {
      const { message, remedy } = exceptionFault(spanText(live.block), code)
      this.#options.log.warn('The device refuses to be read.', { ...fieldsOf(live), error: message, remedy })
    }
  }

  #tellBack(live: LiveBlock): void {
    this.#options.log.info('The device gives again what it had refused.', fieldsOf(live))
  }

  #later(): MonotonicMs {
    return (this.#options.clock.elapsed() + refusalProbeMs) as MonotonicMs
  }
}

function spanText(block: Block<Item>): string {
  return `to read ${block.count} ${isBitArea(block.area) ? 'bits' : 'registers'} from ${placeText(block)}`
}

function fieldsOf({ block }: LiveBlock): Readonly<Record<string, unknown>> {
  return { unit: block.unit, area: block.area, start: block.start, count: block.count, tags: block.items.length }
}

/** One poll: what it has brought so far, and what it means for the next one. */
class Round {
  readonly readings: Reading[] = []
  /** Units that did not answer in this round: they are not asked again in it, for each silence costs a whole timeout. */
  readonly silentUnits = new Map<number, Fault>()
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
