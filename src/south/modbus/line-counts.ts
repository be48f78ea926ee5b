import type { Clock } from '../../base/clock.ts'
import type { Metric } from '../../base/metric.ts'

/** Bus use is shown over the last minute, in steps of ten seconds. */
const stepMs = 10_000
const steps = 6
/** How much of the newest answer goes into the pace of a unit. */
const newestShare = 0.2

/** What happened on one line since the process began, over all its connections. */
export class LineCounts {
  requests = 0
  timeouts = 0
  lateAnswers = 0
  crcErrors = 0
  /** Requests that were not sent, for their unit is left alone. */
  spared = 0
  readonly #clock: Clock
  readonly #bornAt: number
  readonly #busyMs = new Float64Array(steps)
  readonly #paceMs = new Float64Array(256)
  #busyTotalMs = 0
  #step: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#bornAt = clock.elapsed()
    this.#step = Math.floor(this.#bornAt / stepMs)
  }

  answered(unit: number, tookMs: number): void {
    const before = this.#paceMs[unit] ?? 0
    this.#paceMs[unit] = before === 0 ? tookMs : before + (tookMs - before) * newestShare
  }

  /** The line was taken for so long, up to now. */
  busy(ms: number): void {
    this.#turn()
    this.#busyTotalMs += ms
    this.#busyMs[this.#step % steps] = (this.#busyMs[this.#step % steps] ?? 0) + ms
  }

  /** 0 to 1, over the last minute. */
  use(): number {
    this.#turn()
    const now = this.#clock.elapsed()
    const seenMs = Math.min(now - this.#bornAt, (steps - 1) * stepMs + (now % stepMs))
    return seenMs <= 0 ? 0 : Math.min(1, this.#busyMs.reduce((sum, ms) => sum + ms, 0) / seenMs)
  }

  slowest(): { readonly unit: number; readonly tookMs: number } {
    let unit = 0
    let tookMs = 0
    for (let each = 0; each < this.#paceMs.length; each += 1) {
      const pace = this.#paceMs[each] ?? 0
      if (pace <= tookMs) continue
      unit = each
      tookMs = pace
    }
    return { unit, tookMs }
  }

  metrics(labels: { readonly line: string; readonly device?: string }): readonly Metric[] {
    const slowest = this.slowest()
    const counter = (name: string, help: string, value: number): Metric => ({
      name: `lineside_line_${name}_total`,
      help,
      type: 'counter',
      value,
      labels,
    })
    const gauge = (name: string, help: string, value: number): Metric => ({
      name: `lineside_line_${name}`,
      help,
      type: 'gauge',
      value,
      labels,
    })
    return [
      counter('requests', 'Modbus requests sent over the line.', this.requests),
      counter('timeouts', 'Requests that were not answered in time.', this.timeouts),
      counter('late_answers', 'Answers that came after their time and were thrown away.', this.lateAnswers),
      counter('crc_errors', 'Answers that were damaged on the way.', this.crcErrors),
      counter('spared', 'Requests that were not sent because their unit was silent and is left alone.', this.spared),
      counter('busy_seconds', 'Time that the line was taken by a request and its answer.', this.#busyTotalMs / 1_000),
      gauge('use_ratio', 'Share of the last minute that the line was taken.', this.use()),
      gauge('slowest_unit', 'The unit that takes longest to answer.', slowest.unit),
      gauge('slowest_answer_seconds', 'How long the slowest unit takes to answer.', slowest.tookMs / 1_000),
    ]
  }

  #turn(): void {
    const step = Math.floor(this.#clock.elapsed() / stepMs)
    for (let passed = Math.max(this.#step + 1, step - steps + 1); passed <= step; passed += 1) this.#busyMs[passed % steps] = 0
    this.#step = step
  }
}
