import { type Clock, type EpochMs, isoTime } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { Verdict } from './starts.ts'
import { onAbort } from './stop.ts'

/** Within it the first refusal is told by itself, and those after it by one event that counts them. */
const spanMs = 1_000

export interface RefusalsOptions {
  readonly record: (event: SiteEvent) => void
  readonly clock: Clock
  /** When it ends, what was counted until then is told. */
  readonly life: AbortSignal
}

/** Why a start was refused: an event, and what it says. */
export interface Refusal {
  readonly type: 'flow.overloaded' | 'flow.dropped' | 'flow.refused'
  /** One of few: each is counted by itself. */
  readonly why: { readonly reason: string } | { readonly code: string }
  readonly data: Readonly<Record<string, unknown>>
}

/** Refusals of one flow for one reason, of which the first has been told. */
interface Burst {
  readonly flow: string
  readonly of: Omit<Refusal, 'data'>
  timer: Disposable
  /** Since the last event. */
  refused: number
  firstMs: EpochMs
  lastMs: EpochMs
}

/**
 * Starts that were refused, as events: a flood of them must not be a flood of events, and yet it can be seen from the events how many there were.
 * Each says of how many starts it tells (`refused`), and all together tell of each once.
 */
export class Refusals {
  readonly #options: RefusalsOptions
  readonly #bursts = new Map<string, Burst>()

  constructor(options: RefusalsOptions) {
    this.#options = options
    onAbort(options.life, () => this.#end())
  }

  tell(flow: string, { type, why, data }: Refusal): void {
    const { clock, record } = this.#options
    const key = JSON.stringify([flow, type, why])
    const burst = this.#bursts.get(key)
    const now = clock.now()
    if (burst !== undefined) {
      if (burst.refused === 0) burst.firstMs = now
      burst.refused += 1
      burst.lastMs = now
      return
    }
    record({ type, subject: flow, timeMs: now, data: { ...why, refused: 1, ...data } })
    this.#bursts.set(key, { flow, of: { type, why }, timer: this.#timer(key), refused: 0, firstMs: now, lastMs: now })
  }

  #timer(key: string): Disposable {
    return this.#options.clock.after(spanMs, () => this.#spanEnds(key))
  }

  #spanEnds(key: string): void {
    const burst = this.#bursts.get(key)
    if (burst === undefined) return
    if (burst.refused === 0) {
      this.#bursts.delete(key)
      return
    }
    this.#sum(burst)
    burst.timer = this.#timer(key)
  }

  #sum(burst: Burst): void {
    const { clock, record } = this.#options
    const { flow, of, refused, firstMs, lastMs } = burst
    const data = { ...of.why, refused, first: isoTime(firstMs), last: isoTime(lastMs) }
    record({ type: of.type, subject: flow, timeMs: clock.now(), data })
    burst.refused = 0
  }

  #end(): void {
    for (const burst of this.#bursts.values()) {
      burst.timer[Symbol.dispose]()
      if (burst.refused > 0) this.#sum(burst)
    }
    this.#bursts.clear()
  }
}

type Refused = Exclude<Verdict, 'begun' | 'queued'>

export function refusedAs(verdict: Refused): 'flow.dropped' | 'flow.overloaded' {
  return verdict === 'dropped' ? 'flow.dropped' : 'flow.overloaded'
}

/** For people. */
export function startRefused(flow: string, verdict: Refused, waiting: number): Fault {
  const { why, remedy } = whyRefused[verdict]
  const waits = waiting === 0 ? '' : ` (${waiting} starts wait)`
  return new Fault(refusedAs(verdict), `${flow} was not started: ${why}${waits}.`, { remedy, isRetryable: true })
}

const whyRefused = {
  'no-room': {
    why: 'as many wait already as may',
    remedy: 'Start it less often; `concurrency` in its file says how many may run and wait.',
  },
  overloaded: {
    why: 'the machine has more to do than it can',
    remedy: 'Start it later; flows of a higher `priority` are refused last.',
  },
  dropped: {
    why: 'one is under way, or what it needs is held by another flow, and it does not wait',
    remedy: 'Start it when that one has ended, or cancel that one.',
  },
} as const
