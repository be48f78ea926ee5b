import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'

/** A unit that was silent so often is left alone, so that it holds the others up no more than once in a period. */
const silencesMax = 2
const probeMs = 5_000

interface Silence {
  readonly fault: Fault
  readonly times: number
  readonly probeAt: MonotonicMs
}

/** Several units behind one connection: a dead one may cost its neighbours one timeout a period. A connection with a single unit is device.ts's to judge. */
export class UnitBreaker {
  readonly #clock: Clock
  readonly #isNeeded: boolean
  readonly #silences = new Map<number, Silence>()

  constructor(options: { readonly clock: Clock; readonly unitCount: number }) {
    this.#clock = options.clock
    this.#isNeeded = options.unitCount > 1
  }

  /** Why the unit is not to be asked now; whoever is told nothing asks, and is the probe. */
  downFault(unit: number): Fault | undefined {
    const silence = this.#silences.get(unit)
    if (silence === undefined || silence.times < silencesMax) return undefined
    const now = this.#clock.elapsed()
    if (now < silence.probeAt) return silence.fault
    this.#silences.set(unit, { ...silence, probeAt: (now + probeMs) as MonotonicMs })
    return undefined
  }

  answered(unit: number): void {
    if (this.#silences.size > 0) this.#silences.delete(unit)
  }

  silent(unit: number, fault: Fault): void {
    if (!this.#isNeeded) return
    const times = (this.#silences.get(unit)?.times ?? 0) + 1
    this.#silences.set(unit, { fault, times, probeAt: (this.#clock.elapsed() + probeMs) as MonotonicMs })
  }
}
