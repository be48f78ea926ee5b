import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'
import type { Reading } from '../../model/tag.ts'
import type { PollResult } from '../driver.ts'
import { isBitArea, placeText } from './address.ts'
import { exceptionFault, LineFault } from './faults.ts'
import type { Item } from './item.ts'
import type { Learnt } from './learnt.ts'
import type { Line } from './line.ts'
import { badReading, LiveBlock } from './live-block.ts'
import { askRead } from './pdu.ts'
import { type Block, joinTouching } from './planner.ts'
import { isAddressRefusal, isMissing, isPassing, isUnitAbsent, type Part } from './read-parts.ts'
import type { RefusalNews } from './refusal-news.ts'
import { Round } from './round.ts'
import { surveyBlock } from './survey.ts'
import type { UnitBreaker } from './unit-breaker.ts'

export interface ScanOptions {
  readonly items: readonly Item[]
  readonly learnt: Learnt
  readonly line: Line
  readonly units: UnitBreaker
  readonly clock: Clock
  readonly news: RefusalNews
}

/** A value that was refused where others were given is asked for again this much later: somebody may have loaded another program. */
const holeProbeMs = 60_000
/** A request of which nothing was given may have met a device that is only starting. */
const wholeProbeMs = 5_000
/** Each probe that is refused doubles the time to the next. */
const probeMsMax = 16 * holeProbeMs
const polling = { urgency: 'poll' } as const

/** The tags of one scan class on one connection: which requests read them, and what was last heard. */
export class Scan {
  readonly #options: ScanOptions
  #blocks: readonly LiveBlock[]
  /** What was known before anything was read. */
  #known: readonly Reading[]
  #polls = 0
  /** Tags that were read besides while a poll is under way. */
  readonly #besides = new Set<number>()

  constructor(options: ScanOptions) {
    this.#options = options
    const { blocks, whole, refused, unreadable } = options.learnt.plan(options.items)
    const known: Reading[] = unreadable.map(({ item, status }) => badReading(item, status))
    const standing = refused.map(({ block, code }) => {
      const live = new LiveBlock(block)
      live.isHole = true
      live.refuse({ code, probeAt: this.#later(live) }, known)
      return live
    })
    const asked = blocks.map((block) => new LiveBlock(block))
    for (const live of asked.filter(({ block }) => whole.has(block))) this.#keepWhole(live, { forMs: probeMsMax, isWhollyRefused: true })
    this.#blocks = [...asked, ...standing]
    this.#known = known
  }

  /**
   * These tags were read besides: a button that was seen pressed and has sprung back before the next poll would be as it was at the last one, and stay
   * pressed for everybody. What the poll under way has read of them may be older than that, and is not told. What was refused so far and given now is
   * asked for at the next poll, or it would look alive for minutes in which nobody reads it.
   */
  readBesides(readings: readonly Reading[]): void {
    const tags = new Set(readings.map(({ tag }) => tag))
    const given = new Set(readings.filter(({ quality }) => quality !== 'bad').map(({ tag }) => tag))
    for (const live of this.#blocksOf(tags)) live.tellAnew()
    for (const live of this.#blocksOf(given)) live.askSoon(this.#options.clock.elapsed())
    for (const tag of this.#polls > 0 ? tags : []) this.#besides.add(tag)
  }

  #blocksOf(tags: ReadonlySet<number>): readonly LiveBlock[] {
    return this.#blocks.filter(({ block }) => block.items.some(({ tag }) => tags.has(tag)))
  }

  /** Reads every block once; rejects only when the connection is lost. */
  async poll(signal: AbortSignal): Promise<PollResult> {
    const round = new Round(this.#blocks, signal)
    this.#polls += 1
    try {
      return this.#without(this.#besides, await this.#pollOnce(round))
    } finally {
      this.#polls -= 1
      if (this.#polls === 0) this.#besides.clear()
    }
  }

  #without(tags: ReadonlySet<number>, result: PollResult): PollResult {
    if (tags.size === 0) return result
    for (const live of this.#blocksOf(tags)) live.tellAnew()
    return { ...result, readings: result.readings.filter(({ tag }) => !tags.has(tag)) }
  }

  async #pollOnce(round: Round): Promise<PollResult> {
    round.readings.push(...this.#known)
    this.#known = []
    const lanes = Math.min(this.#options.line.inflightMax, this.#blocks.length)
    // Each lane waits for its answer before it asks on, so that two scan classes share the line and none fills its queue.
    if (lanes <= 1) await this.#lane(round)
    else await Promise.all(Array.from({ length: lanes }, () => this.#lane(round)))
    this.#blocks = round.hasLearnt ? this.#planAnew(round.nextBlocks()) : round.nextBlocks()
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
      if (live.refusedCode !== undefined || live.isWhollyRefused) this.#givenAgain(live, round)
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
    if (isAddressRefusal(code) && !isWhole) return await this.#survey(live, code, round)
    if (live.isWhollyRefused && isMissing(code)) this.#options.learnt.add({ kind: 'whole', span: live.block, code })
    this.#refuse(live, code, round)
  }

  /** What the device gives in parts is read in parts from now on, as few as its answers prove possible. */
  async #survey(live: LiveBlock, code: number, round: Round): Promise<void> {
    const { line, learnt } = this.#options
    const { parts, findings } = await surveyBlock(live.block, code, (span) => line.ask(askRead(span), polling))
    const isNothingGiven = !parts.some(({ answer }) => answer.kind === 'data')
    if (live.isWhollyRefused && !isNothingGiven) learnt.forget(live.block)
    // Once may be a device that is starting; twice is worth remembering.
    const isNews = (!isNothingGiven || live.refusals > 0) && findings.map((finding) => learnt.add(finding)).includes(true)
    if (isNews) round.hasLearnt = true
    if (isNothingGiven) {
      const isWhollyRefused = parts.every(({ answer }) => answer.kind === 'exception' && isMissing(answer.code))
      if (parts.length > 1) this.#keepWhole(live, { forMs: holeProbeMs, isWhollyRefused })
      return this.#refuse(live, code, round)
    }
    const { good, others } = this.#takeParts(parts, round)
    const countMax = Math.max(...good.map(({ block }) => block.count))
    const joined = joinTouching(
      good.map(({ block }) => block),
      countMax,
    )
    round.replace(live, [...(isNews ? good : joined.map((block) => new LiveBlock(block))), ...others])
  }

  /** It is asked for as a whole until then, and not taken apart. */
  #keepWhole(live: LiveBlock, { forMs, isWhollyRefused }: { readonly forMs: number; readonly isWhollyRefused: boolean }): void {
    live.wholeUntil = (this.#options.clock.elapsed() + forMs) as MonotonicMs
    live.isWhollyRefused = isWhollyRefused
  }

  #takeParts(parts: readonly Part[], round: Round): { readonly good: readonly LiveBlock[]; readonly others: readonly LiveBlock[] } {
    const good: LiveBlock[] = []
    const others: LiveBlock[] = []
    for (const { block, answer } of parts) {
      const live = new LiveBlock(block)
      if (answer.kind === 'data') {
        live.take(answer.data, round.readings)
        good.push(live)
        continue
      }
      live.isHole = !isPassing(answer.code)
      if (live.isHole) this.#refuse(live, answer.code, round)
      else round.busy(live, exceptionFault(`unit ${block.unit}`, answer.code))
      others.push(live)
    }
    return { good, others }
  }

  /** What is refused stays as it is; the rest is read as what was learnt suggests. */
  #planAnew(blocks: readonly LiveBlock[]): readonly LiveBlock[] {
    const keyOf = ({ unit, area, start, count, items }: Block<Item>): string =>
      `${unit}/${area}:${start}+${count} ${items.map(({ tag }) => tag)}`
    const standing = blocks.filter((live) => live.refusedCode !== undefined)
    const read = blocks.filter((live) => live.refusedCode === undefined)
    const known = new Map(read.map((live) => [keyOf(live.block), live]))
    const planned = this.#options.learnt.planBlocks(read.flatMap(({ block }) => block.items))
    return [...planned.map((block) => known.get(keyOf(block)) ?? new LiveBlock(block)), ...standing]
  }

  #refuse(live: LiveBlock, code: number, round: Round): void {
    // A device failure may end any moment; what does not exist will not for a while.
    const probeAt = isMissing(code) ? this.#later(live) : this.#options.clock.elapsed()
    if (!live.refuse({ code, probeAt }, round.readings)) return
    const { message, remedy } = exceptionFault(spanText(live.block), code)
    this.#options.news.refused(live.block, { code, fields: { error: message, remedy } })
  }

  #givenAgain(live: LiveBlock, round: Round): void {
    this.#options.news.given(live.block)
    this.#keepWhole(live, { forMs: 0, isWhollyRefused: false })
    this.#options.learnt.forget(live.block)
    round.hasLearnt = true
  }

  #later({ refusals, isHole }: LiveBlock): MonotonicMs {
    const firstMs = isHole ? holeProbeMs : wholeProbeMs
    return (this.#options.clock.elapsed() + Math.min(firstMs * 2 ** refusals, probeMsMax)) as MonotonicMs
  }
}

function spanText(block: Block<Item>): string {
  return `to read ${block.count} ${isBitArea(block.area) ? 'bits' : 'registers'} from ${placeText(block)}`
}
