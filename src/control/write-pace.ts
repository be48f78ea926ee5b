import type { MonotonicMs } from '../base/clock.ts'
import type { Ramp, TagIndex, TagMeta, TagValue, WriteRules } from '../model/tag.ts'
import { rampTooSteep, stepTooLarge, tooOften } from './command-faults.ts'

/** How often and how far each tag is written. One entry a tag at the most. */
export class WritePace {
  readonly #windows = new Map<TagIndex, RateWindow>()
  readonly #budgets = new Map<TagIndex, RampBudget>()

  /** Counts this write, or throws `command.rate`. */
  checkRate(asked: { readonly tag: TagIndex; readonly meta: TagMeta; readonly rules: WriteRules; readonly now: MonotonicMs }): void {
    const { tag, meta, rules, now } = asked
    const window = this.#windows.get(tag) ?? new RateWindow(rules.ratePerSecondMax)
    this.#windows.set(tag, window)
    if (!window.isOpen(now)) throw tooOften(meta, rules.ratePerSecondMax)
  }

  /** Throws `command.step` or `command.ramp` where `change` is too large. Nothing is counted yet. */
  checkChange(asked: ChangeAsked): void {
    const { meta, rules, change } = asked
    if (rules.stepMax !== undefined && change > rules.stepMax * floatSlack) throw stepTooLarge(meta, { change, stepMax: rules.stepMax })
    const left = this.#budget(asked)?.leftAt(asked.now)
    if (left !== undefined && change > left * floatSlack) throw rampTooSteep(meta, { change, left })
  }

  /** The change is going to be sent: it counts, whatever becomes of it. */
  countChange(asked: ChangeAsked): void {
    this.#budget(asked)?.spend(asked.now, asked.change)
  }

  #budget({ tag, rules: { ramp } }: ChangeAsked): RampBudget | undefined {
    if (ramp === undefined) return undefined
    const budget = this.#budgets.get(tag) ?? new RampBudget(ramp)
    this.#budgets.set(tag, budget)
    return budget
  }
}

export interface ChangeAsked {
  readonly tag: TagIndex
  readonly meta: TagMeta
  readonly rules: WriteRules
  /** In engineering units, never negative. */
  readonly change: number
  readonly now: MonotonicMs
}

/** From 20.1 to 25.1 is a step of 5, though not in floating point. */
const floatSlack = 1 + 1e-6

/** The largest change of any element; undefined where the values are no numbers. */
export function changeOf(from: TagValue, to: TagValue): number | undefined {
  if (Array.isArray(from) && Array.isArray(to)) {
    const changes = to.map((item, place) => changeOf(from[place] ?? Number.NaN, item))
    return changes.every((change) => change !== undefined) ? Math.max(0, ...changes) : undefined
  }
  const change = Math.abs(Number(to) - Number(from))
  return isNumber(from) && isNumber(to) && Number.isFinite(change) ? change : undefined
}

function isNumber(value: TagValue): boolean {
  return typeof value === 'number' || typeof value === 'bigint'
}

/** When a tag was written lately. */
class RateWindow {
  readonly #spanMs: number
  readonly #countMax: number
  #moments: MonotonicMs[] = []

  /** Less than one a second is one in so many seconds. */
  constructor(perSecondMax: number) {
    this.#spanMs = Math.max(1_000, 1_000 / perSecondMax)
    this.#countMax = Math.max(1, Math.floor(perSecondMax))
  }

  /** Counts this write if there is room for it. */
  isOpen(now: MonotonicMs): boolean {
    this.#moments = this.#moments.filter((moment) => now - moment < this.#spanMs)
    if (this.#moments.length >= this.#countMax) return false
    this.#moments.push(now)
    return true
  }
}

/** A bucket that holds what may be changed at once, and fills at the ramp's pace. */
class RampBudget {
  readonly #ramp: Ramp
  #left: number
  #at: MonotonicMs | undefined

  constructor(ramp: Ramp) {
    this.#ramp = ramp
    this.#left = ramp.amount
  }

  leftAt(now: MonotonicMs): number {
    const passedMs = this.#at === undefined ? 0 : now - this.#at
    return Math.min(this.#ramp.amount, this.#left + (this.#ramp.amount * passedMs) / this.#ramp.perMs)
  }

  spend(now: MonotonicMs, change: number): void {
    this.#left = Math.max(0, this.leftAt(now) - change)
    this.#at = now
  }
}
