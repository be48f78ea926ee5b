import type { PlainFault } from '../../base/fault.ts'
import { startOf } from './kept.ts'
import { type Decision, placeOf, stepIdOf } from './past.ts'
import { Spread } from './spread.ts'

/** A run as the journal tells it. */
export interface CountedRun {
  readonly flow: string
  readonly begunMs: number
  readonly input: string
  readonly endedMs?: number
  readonly state?: string
  readonly records: readonly {
    readonly step: string
    readonly timeMs: number
    readonly status: string | null
    readonly data: string | null
  }[]
}

export interface FlowStats {
  readonly flow: string
  readonly mode?: 'shadow'
  readonly runs: number
  /** By how they ended; `open` go on. */
  readonly states: Readonly<Record<string, number>>
  readonly tookMs: Quantiles
  /** Where the time goes, the longest first. `(queued)` is before the first step. */
  readonly waits: readonly StepTime[]
  readonly failures: readonly { readonly step: string; readonly times: number; readonly codes: Readonly<Record<string, number>> }[]
  readonly retries: readonly { readonly step: string; readonly times: number }[]
  readonly undone: readonly { readonly step: string; readonly times: number; readonly failed: number }[]
  /** What was decided, and how often: cases of a switch, branches that were done, numbers of rounds, answers of people. */
  readonly ways: readonly { readonly step: string; readonly ways: Readonly<Record<string, number>> }[]
}

export interface Quantiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

export interface StepTime extends Quantiles {
  readonly step: string
  readonly times: number
  /** Of the time of all runs of the flow; steps side by side may make more than 1 together. */
  readonly share: number
}

/** What is counted apart: more is `…`. A site has as many flows; what old journals hold beside them is not without end. */
const flowsMax = 2_000
const stepsMax = 300
const waysMax = 50
const more = '…'

/** Counts runs as they are told one after the other: its memory grows with the flows and their steps, not with the runs. */
export class FlowCounting {
  readonly #flows = new Map<string, OneFlow>()

  take(run: CountedRun): void {
    const { mode } = startOf(run)
    const key = mode === undefined ? run.flow : `${run.flow} ${mode}`
    const known =
      this.#flows.get(key) ??
      (this.#flows.size < flowsMax ? new OneFlow(run.flow, mode) : (this.#flows.get(more) ?? new OneFlow(more, undefined)))
    this.#flows.set(known.flow === more ? more : key, known)
    known.take(run)
  }

  stats(): readonly FlowStats[] {
    return [...this.#flows.values()].map((flow) => flow.stats()).toSorted((one, other) => other.runs - one.runs)
  }
}

class OneFlow {
  readonly flow: string
  readonly #mode: 'shadow' | undefined
  readonly #states = new Map<string, number>()
  readonly #took = new Spread()
  readonly #waits = new Map<string, Spread>()
  readonly #failures = new Map<string, Map<string, number>>()
  readonly #retries = new Map<string, number>()
  readonly #undone = new Map<string, { times: number; failed: number }>()
  readonly #ways = new Map<string, Map<string, number>>()
  #runs = 0
  /** Of all runs, of those that go on up to the last that is known of them: what shares of time are taken of. */
  #totalMs = 0

  constructor(flow: string, mode: 'shadow' | undefined) {
    this.flow = flow
    this.#mode = mode
  }

  take({ begunMs, endedMs, state = 'open', records }: CountedRun): void {
    this.#runs += 1
    add(this.#states, state)
    if (endedMs !== undefined) this.#took.take(endedMs - begunMs)
    this.#totalMs += (endedMs ?? records.at(-1)?.timeMs ?? begunMs) - begunMs
    const [first] = records
    if (first !== undefined) this.#wait('(queued)', first.timeMs - begunMs)
    const spans = new StepSpans((step, ms) => this.#wait(step, ms))
    const undoing = new Map<string, boolean>()
    for (const record of records) {
      spans.take(record)
      this.#record(record, undoing)
    }
    spans.end()
    for (const [step, isFailed] of undoing) this.#undo(step, isFailed)
  }

  stats(): FlowStats {
    const totalMs = this.#totalMs
    const waits = [...this.#waits].map(
      ([step, spread]): StepTime => ({
        step,
        times: spread.count,
        share: totalMs === 0 ? 0 : Math.round((spread.sumMs / totalMs) * 1_000) / 1_000,
        ...quantiles(spread),
      }),
    )
    return {
      flow: this.flow,
      ...(this.#mode === undefined ? {} : { mode: this.#mode }),
      runs: this.#runs,
      states: Object.fromEntries(this.#states),
      tookMs: quantiles(this.#took),
      waits: waits.toSorted((one, other) => other.share - one.share),
      failures: [...this.#failures].map(([step, codes]) => ({ step, times: sum(codes), codes: Object.fromEntries(codes) })),
      retries: [...this.#retries].map(([step, times]) => ({ step, times })),
      undone: [...this.#undone].map(([step, count]) => ({ step, ...count })),
      ways: [...this.#ways].map(([step, ways]) => ({ step, ways: Object.fromEntries(ways) })),
    }
  }

  #record({ step: key, status, data }: CountedRun['records'][number], undoing: Map<string, boolean>): void {
    const step = idOf(key)
    const undone = undoneBy(key)
    if (undone !== undefined) undoing.set(undone, (undoing.get(undone) ?? false) || status === 'failed' || status === 'unknown')
    if (status === 'decision') {
      this.#decide(step, data)
      return
    }
    if (status === 'retrying') add(this.#retries, bounded(this.#retries, step, stepsMax))
    if (status === 'failed' || status === 'unknown') this.#fail(step, data)
  }

  #wait(step: string, ms: number): void {
    const name = bounded(this.#waits, step, stepsMax)
    const spread = this.#waits.get(name) ?? new Spread()
    this.#waits.set(name, spread)
    spread.take(ms)
  }

  #fail(step: string, data: string | null): void {
    const { code = 'unknown' } = JSON.parse(data ?? '{}') as Partial<PlainFault>
    count(this.#failures, step, code)
  }

  #undo(step: string, isFailed: boolean): void {
    const name = bounded(this.#undone, step, stepsMax)
    const known = this.#undone.get(name) ?? { times: 0, failed: 0 }
    this.#undone.set(name, known)
    known.times += 1
    if (isFailed) known.failed += 1
  }

  #decide(step: string, data: string | null): void {
    const decision = JSON.parse(data ?? '{}') as Decision
    if (decision.order === 'answer') count(this.#ways, step, decision.verdict)
    if (decision.order !== 'way') return
    const { way } = decision
    if (typeof way === 'string') count(this.#ways, step, way)
    else if (Array.isArray(way) && way.every((name) => typeof name === 'string') && way.length > 0)
      for (const name of way) count(this.#ways, step, name)
    else count(this.#ways, step, `${Array.isArray(way) ? way.length : 0} rounds`)
  }
}

interface StepSpan {
  readonly sinceMs: number
  /** When the last of its parts that have ended did. */
  untilMs?: number
  readonly ended: Set<string>
}

/** How long steps of a run took, each with all its writes, its attempts and the pauses between these. */
class StepSpans {
  readonly #open = new Map<string, StepSpan>()
  readonly #tell: (step: string, ms: number) => void

  constructor(tell: (step: string, ms: number) => void) {
    this.#tell = tell
  }

  take({ step: key, timeMs, status }: CountedRun['records'][number]): void {
    if (status === 'decision') return
    const place = placeOf(key)
    if (status === null && this.#open.get(place)?.ended.has(key) === true) this.#close(place) // a person had it done again
    const span = this.#open.get(place)
    if (status === null || status === 'retrying') {
      if (span === undefined) this.#open.set(place, { sinceMs: timeMs, ended: new Set() })
      return
    }
    if (span === undefined) return
    span.untilMs = timeMs
    span.ended.add(key)
  }

  end(): void {
    for (const place of [...this.#open.keys()]) this.#close(place)
  }

  #close(place: string): void {
    const { sinceMs, untilMs } = this.#open.get(place) ?? {}
    this.#open.delete(place)
    if (sinceMs !== undefined && untilMs !== undefined) this.#tell(idOf(place), untilMs - sinceMs)
  }
}

function quantiles(spread: Spread): Quantiles {
  return { p50: spread.quantile(0.5), p90: spread.quantile(0.9), p99: spread.quantile(0.99), max: spread.maxMs }
}

/** `ask-undo` of `ask~ask-undo@2/0`. */
function idOf(key: string): string {
  return /^[^@/]+/.exec(key.split('~').at(-1) ?? '')?.[0] ?? key
}

/** `ask` of `ask@1~ask-undo`: the place that was undone. */
function undoneBy(key: string): string | undefined {
  return key.includes('~') ? stepIdOf(key) : undefined
}

function count(counts: Map<string, Map<string, number>>, step: string, what: string): void {
  const name = bounded(counts, step, stepsMax)
  const own = counts.get(name) ?? new Map<string, number>()
  counts.set(name, own)
  add(own, bounded(own, what, waysMax))
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function bounded(counts: ReadonlyMap<string, unknown>, key: string, most: number): string {
  return counts.has(key) || counts.size < most ? key : more
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, one) => total + one, 0)
}
