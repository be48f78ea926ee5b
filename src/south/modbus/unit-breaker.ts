import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'
import { LineFault, unitResting } from './faults.ts'

/** A unit that was silent so often is left alone, so that it holds the others up no more than once in a period. */
const silencesMax = 2
const probeMs = 5_000
/** So many requests without an answer, whoever was asked, may mean that the line itself is dead. */
const deafRunMin = 3

/** Faults that cost a whole timeout, or a gateway's. A unit whose answers come damaged is there. */
const silentCodes = new Set(['modbus.no-answer', 'modbus.garbled', 'modbus.exception-10', 'modbus.exception-11'])

interface Silence {
  readonly times: number
  readonly down: LineFault
  readonly probeAt: MonotonicMs
}

/** Out here, since a function that was made where another one was known would hold on to it. */
const nobody = (): void => {}

/**
 * Several units behind one line: a dead one may cost its neighbours one timeout a period. It belongs to the line and not to a device,
 * and outlives connections, so that a device that is connected to anew does not cost another timeout. A line with a single unit is
 * device.ts's to judge.
 */
export class UnitBreaker {
  readonly #clock: Clock
  /** How many devices use each unit. */
  readonly #users = new Map<number, number>()
  readonly #silences = new Map<number, Silence>()
  /** Whoever hands a fault on may report it too: it counts once. */
  readonly #counted = new WeakSet<Fault>()
  /** Units that were silent since anybody answered. */
  readonly #silentRun = new Set<number>()
  #silentRunTimes = 0
  #deaf: () => void = nobody

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock
  }

  use(units: Iterable<number>): Disposable {
    const used = new Set(units)
    for (const unit of used) this.#users.set(unit, (this.#users.get(unit) ?? 0) + 1)
    return { [Symbol.dispose]: () => this.#leave(used) }
  }

  /** Why the unit is not worth asking now. */
  downFault(unit: number): Fault | undefined {
    const silence = this.#silences.get(unit)
    if (silence === undefined || silence.times < silencesMax || this.#users.size <= 1) return undefined
    return this.#clock.elapsed() < silence.probeAt ? silence.down : undefined
  }

  /** The same for whoever asks of his own accord: nothing was sent for him, and nothing is before the unit is asked again. */
  restingFault(unit: number): LineFault | undefined {
    const silence = this.#silences.get(unit)
    if (silence === undefined || this.downFault(unit) === undefined) return undefined
    return unitResting({ unit, times: silence.times, restMs: silence.probeAt - this.#clock.elapsed(), cause: silence.down })
  }

  /** The same at the moment of sending; whoever is told nothing is the probe, and the only one. */
  claim(unit: number): Fault | undefined {
    const down = this.restingFault(unit)
    const silence = this.#silences.get(unit)
    if (down === undefined && silence !== undefined && silence.times >= silencesMax) {
      this.#silences.set(unit, { ...silence, probeAt: (this.#clock.elapsed() + probeMs) as MonotonicMs })
    }
    return down
  }

  answered(unit: number): void {
    this.heard()
    if (this.#silences.size > 0) this.#silences.delete(unit)
  }

  /** Somebody on the line has spoken, be it the gateway for a silent unit: the line itself is alive. */
  heard(): void {
    if (this.#silentRunTimes === 0) return
    this.#silentRunTimes = 0
    this.#silentRun.clear()
  }

  silent(unit: number, fault: Fault): void {
    const wasAsked = !(fault instanceof LineFault) || fault.wasSent
    if (!wasAsked || this.#counted.has(fault) || !silentCodes.has(fault.code)) return
    this.#counted.add(fault)
    if (fault instanceof LineFault) {
      this.#silentRun.add(unit)
      this.#silentRunTimes += 1
    }
    const times = (this.#silences.get(unit)?.times ?? 0) + 1
    const down = new LineFault(fault.code, fault.message, { remedy: fault.remedy, cause: fault.cause, wasSent: false })
    this.#silences.set(unit, { times, down, probeAt: (this.#clock.elapsed() + probeMs) as MonotonicMs })
    if (this.isDeaf) this.#deaf()
  }

  /** Nobody on the line has answered for a while, each of several devices having had its chance: each alone would only leave it and join again. */
  get isDeaf(): boolean {
    if (this.#silentRunTimes < deafRunMin || this.#users.size <= 1) return false
    return [...this.#users.keys()].every((unit) => this.#silentRun.has(unit) || (this.#silences.get(unit)?.times ?? 0) >= silencesMax)
  }

  /**
   * The line is opened anew: the silence may have been its own, so every unit has its chances again. `deaf` is called when all are silent on this
   * one too; it holds the line and who asked for it, so it is to be disposed of with them.
   */
  reopened(deaf: () => void): Disposable {
    this.#deaf = deaf
    this.heard()
    this.#silences.clear()
    return {
      [Symbol.dispose]: () => {
        if (this.#deaf === deaf) this.#deaf = nobody
      },
    }
  }

  #leave(units: ReadonlySet<number>): void {
    for (const unit of units) {
      const left = (this.#users.get(unit) ?? 1) - 1
      if (left > 0) this.#users.set(unit, left)
      else this.#users.delete(unit)
    }
  }
}
