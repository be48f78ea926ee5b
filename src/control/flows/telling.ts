import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Metric } from '../../base/metric.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { Run } from './run.ts'
import type { RunEnd } from './run-end.ts'
import { unsettledAlarm } from './unsettled.ts'

/** Steps of a second of which the beginning and the end are told as events; the journal of runs holds all of them. */
const stepEventsPerSecond = 100
const stepEventsAtOnce = 400

/** As OPC UA counts them, to 1,000. */
const unsettledSeverity = 800

export interface TellingOptions {
  readonly record: (event: SiteEvent) => void
  readonly clock: Clock
}

/** What runs say of themselves, in numbers that a journal, a broker and a person can bear. */
export class Telling {
  readonly #options: TellingOptions
  #tokens = stepEventsAtOnce
  #filledAt: MonotonicMs
  #steps = 0
  #untold = 0

  constructor(options: TellingOptions) {
    this.#options = options
    this.#filledAt = options.clock.elapsed()
  }

  /** Of a run, or of a step in it. */
  say(type: string, run: Run, data: Readonly<Record<string, unknown>>): void {
    if (type === 'step.started') this.#steps += 1
    if ((type === 'step.started' || type === 'step.completed') && !this.#take()) {
      this.#untold += 1
      return
    }
    this.#record(type, run.flow.name, ofRun(run, data))
  }

  /** To be kept and told with the end. */
  end(run: Run, end: RunEnd): readonly SiteEvent[] {
    const { state, ...rest } = end
    const timeMs = this.#options.clock.now()
    const { name } = run.flow
    const data = ofRun(run, { ...rest, tookMs: Math.max(0, timeMs - run.begunMs) })
    const told: SiteEvent = { type: `flow.${state}`, subject: name, timeMs, data }
    if (state !== 'unsettled') return [told]
    const text = `A run of ${name} could not be undone at ${(end.left ?? []).join(', ')}: somebody must look.`.slice(0, 500)
    const alarm = { severity: unsettledSeverity, text, flow: name, run: run.id }
    return [told, { type: 'alarm.raised', subject: unsettledAlarm(name), timeMs, data: alarm }]
  }

  metrics(): readonly Metric[] {
    const untold = 'Beginnings and ends of steps that were not told as events, because there were too many.'
    return [
      { name: 'lineside_flow_steps_total', help: 'Steps begun.', type: 'counter', value: this.#steps },
      { name: 'lineside_flow_step_events_untold_total', help: untold, type: 'counter', value: this.#untold },
    ]
  }

  #record(type: string, subject: string, data: Readonly<Record<string, unknown>>): void {
    const { record, clock } = this.#options
    record({ type, subject, timeMs: clock.now(), data })
  }

  #take(): boolean {
    const now = this.#options.clock.elapsed()
    this.#tokens = Math.min(stepEventsAtOnce, this.#tokens + ((now - this.#filledAt) / 1_000) * stepEventsPerSecond)
    this.#filledAt = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}

function ofRun({ id, flow: { definition } }: Run, data: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { version, mode } = definition
  return mode === 'shadow' ? { run: id, version, mode, ...data } : { run: id, version, ...data }
}
