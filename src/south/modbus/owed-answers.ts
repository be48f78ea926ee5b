import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Area } from './address.ts'
import { type Ask, askRead } from './pdu.ts'
import type { AnswerFinder } from './rtu-frame.ts'

/** Answers that one unit may owe: more were lost for good. */
const owedMax = 6
const areas: Readonly<Record<number, Area>> = { 1: 'co', 2: 'di', 3: 'hr', 4: 'ir' }

interface Owing {
  /** Oldest first. */
  readonly answers: readonly AnswerFinder[]
  /** Not asked before, so that what is only a little late comes by itself. */
  readonly until: MonotonicMs
}

/**
 * What units still owe after a timeout. An RTU answer does not say which request it is for, and a slow unit answers them all in order: one
 * that comes too late would pass for the answer to the next request of the same shape, and so would every one after it. So before a unit
 * is trusted again it must answer something that nothing it owes can look like.
 */
export class OwedAnswers {
  readonly #clock: Clock
  readonly #owing = new Map<number, Owing>()
  /** The last read that each unit has answered: what it is asked to get in step. At most one for each of 247 units. */
  readonly #answered = new Map<number, Ask>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  owes(finder: AnswerFinder, holdMs: number): void {
    const { unit } = finder.ask
    const answers = [...(this.#owing.get(unit)?.answers ?? []), finder].slice(-owedMax)
    this.#owing.set(unit, { answers, until: this.#after(holdMs) })
  }

  /** The unit has refused to get in step: it is left alone until whatever it owes is here. */
  hold(unit: number, holdMs: number): void {
    this.#owing.set(unit, { answers: [], until: this.#after(holdMs) })
  }

  /** How many owed answers came with these bytes. */
  hear(chunk: Uint8Array): number {
    if (this.#owing.size === 0) return 0
    let came = 0
    for (const [unit, { answers, until }] of this.#owing) {
      const left = answers.filter((finder) => finder.push(chunk) === undefined)
      came += answers.length - left.length
      if (left.length > 0) this.#owing.set(unit, { answers: left, until })
      else if (answers.length > 0) this.#owing.delete(unit)
    }
    return came
  }

  isHeld(unit: number): boolean {
    const owing = this.#owing.get(unit)
    return owing !== undefined && this.#clock.elapsed() < owing.until
  }

  /** Until the first unit may be asked again. */
  firstHeldMs(): number {
    const ends = [...this.#owing.values()].map(({ until }) => until - this.#clock.elapsed()).filter((ms) => ms > 0)
    return ends.length === 0 ? 0 : Math.min(...ends)
  }

  /** What to ask before `ask`, so that its answer can be told from all that the unit owes; undefined where it owes nothing, or nothing is known to ask. */
  stepFor(ask: Ask): Ask | undefined {
    const owing = this.#owing.get(ask.unit)
    if (owing === undefined) return undefined
    const base = [this.#answered.get(ask.unit), ask].find((known) => known !== undefined && known.answer.kind === 'data')
    const step = owing.answers.length === 0 || base === undefined ? undefined : otherShape(base, owing.answers)
    if (step === undefined) this.#owing.delete(ask.unit)
    return step
  }

  answered(ask: Ask): void {
    if (this.#owing.size > 0) this.#owing.delete(ask.unit)
    if (ask.answer.kind === 'data') this.#answered.set(ask.unit, ask)
  }

  #after(ms: number): MonotonicMs {
    return (this.#clock.elapsed() + ms) as MonotonicMs
  }
}

/** A read from the same place whose answer has another length than any that is owed: mostly shorter, so that it touches nothing new. */
function otherShape({ unit, pdu }: Ask, owed: readonly AnswerFinder[]): Ask | undefined {
  const [code = 0] = pdu
  const area = areas[code]
  if (area === undefined) return undefined
  const start = pdu.readUInt16BE(1)
  const each = area === 'co' || area === 'di' ? 8 : 1
  const taken = new Set(owed.filter(({ ask }) => ask.pdu[0] === code).map(({ ask }) => ask.answer.sizeBytes))
  for (let size = 1; size <= owedMax + 1; size += 1) {
    const step = askRead({ unit, area, start, count: 1 + (size - 1) * each })
    if (!taken.has(step.answer.sizeBytes)) return step
  }
  return undefined
}
