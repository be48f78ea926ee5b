import type { Chance } from '../base/chance.ts'
import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { Histogram } from '../base/histogram.ts'
import type { DeviceConfig } from './config.ts'
import type { DeviceListener } from './device-listener.ts'
import type { PolledSource, PollResult } from './driver.ts'

export interface PollingOptions {
  readonly config: DeviceConfig
  readonly source: PolledSource
  readonly listener: DeviceListener
  readonly clock: Clock
  readonly chance: Chance
  readonly counts: PollCounts
  /** Called at each poll that was answered, if only in part. */
  readonly onAnswer: () => void
  readonly signal: AbortSignal
}

export interface PollCounts {
  polls: number
  overruns: number
  silences: number
  /** From when a poll was due to when it began, s. */
  readonly lateness: Histogram
}

/** A device that answered nothing at all this many times running is taken for lost, and connected to anew. */
const silentPollsMax = 3
/** Values are stale when two polls have gone by without an answer. */
const stalePolls = 2

/** Polls every scan class at its own pace until the signal; rejects with the Fault of the device's silence. */
export async function pollScanClasses(options: PollingOptions): Promise<void> {
  const classes = Object.entries(options.config.scanMs)
    .map(([scan, periodMs]) => new ScanClass(options, scan, periodMs))
    .filter((scanClass) => scanClass.hasTags)
  if (classes.length === 0)
    return await new Promise<void>((resolve) => options.signal.addEventListener('abort', () => resolve(), { once: true }))
  await Promise.all(classes.map((scanClass) => scanClass.run()))
}

class ScanClass {
  readonly #options: PollingOptions
  readonly #scan: string
  readonly #periodMs: number
  readonly #tags: readonly number[]
  #staleTimer: Disposable | undefined
  #isStale = false
  /** When the poll under way was begun. */
  #askedAt: number | undefined
  #silentPolls = 0
  #cycleMs = 0

  constructor(options: PollingOptions, scan: string, periodMs: number) {
    this.#options = options
    this.#scan = scan
    this.#periodMs = periodMs
    this.#tags = options.config.tags.flatMap((tag, position) => (tag.scan === scan ? [position] : []))
  }

  get hasTags(): boolean {
    return this.#tags.length > 0
  }

  async run(): Promise<void> {
    const { clock, signal, chance } = this.#options
    try {
      this.#watch()
      await this.#pollOnce()
      // The first poll is made at once; from there on devices keep a phase of their own, so that fifty of them spread over the period.
      let due = clock.elapsed() + this.#periodMs * chance()
      while (!signal.aborted) {
        await clock.sleep(Math.max(0, due - clock.elapsed()), signal)
        this.#options.counts.lateness.observe(Math.max(0, clock.elapsed() - due) / 1_000)
        await this.#pollOnce()
        due = this.#nextDue(due)
      }
    } finally {
      this.#staleTimer?.[Symbol.dispose]()
    }
  }

  /** A poll that took longer than its period leaves out those it overran, and says so, rather than chase them. */
  #nextDue(due: number): number {
    const next = due + this.#periodMs
    const missed = Math.max(0, Math.ceil((this.#options.clock.elapsed() - next) / this.#periodMs))
    this.#options.counts.overruns += missed
    return next + missed * this.#periodMs
  }

  async #pollOnce(): Promise<void> {
    const { clock, source, signal, counts } = this.#options
    const started = clock.elapsed()
    this.#askedAt = started
    const result = await source.poll(this.#scan, signal)
    this.#askedAt = undefined
    if (signal.aborted) return
    this.#cycleMs = clock.elapsed() - started
    counts.polls += 1
    this.#take(result)
  }

  #take(result: PollResult): void {
    const { listener, clock, counts } = this.#options
    const nowMs = clock.now()
    if (result.readings.length > 0) listener.readings(result.readings, nowMs)
    if (result.silence === undefined) {
      this.#options.onAnswer()
      listener.heard(this.#tags, nowMs)
      this.#silentPolls = 0
      this.#isStale = false
      this.#watch()
      return
    }
    counts.silences += 1
    this.#takeSilence(result.silence)
  }

  #takeSilence(silence: NonNullable<PollResult['silence']>): void {
    const { listener, clock } = this.#options
    const silent = new Set(silence.tags)
    const answered = this.#tags.filter((tag) => !silent.has(tag))
    listener.heard(answered, clock.now())
    if (answered.length > 0) this.#options.onAnswer()
    this.#silentPolls += 1
    if (this.#silentPolls >= stalePolls || this.#isStale) listener.stale(silence.tags)
    if (answered.length > 0) this.#watch()
    else if (this.#silentPolls >= silentPollsMax) throw silenceFault(this.#options.config.device, silence.fault)
  }

  /** A device that is slower than its scan class is no dead device: its own pace counts, if that is longer than the period. */
  #watch(): void {
    this.#staleTimer?.[Symbol.dispose]()
    const limitMs = stalePolls * Math.max(this.#periodMs, this.#cycleMs)
    this.#staleTimer = this.#options.clock.after(limitMs, () => this.#lookWhetherStale(limitMs / stalePolls))
  }

  /** Only a question that has been open for a whole period says that the device is silent: when our own loop was late to ask, nobody is to blame. */
  #lookWhetherStale(periodMs: number): void {
    const { clock, listener } = this.#options
    const openMs = this.#askedAt === undefined ? 0 : clock.elapsed() - this.#askedAt
    if (openMs < periodMs) {
      this.#staleTimer = clock.after(periodMs - openMs, () => this.#lookWhetherStale(periodMs))
      return
    }
    this.#isStale = true
    listener.stale(this.#tags)
  }
}

function silenceFault(device: string, cause: Fault): Fault {
  return new Fault('device.silent', `The device ${device} has not answered ${silentPollsMax} polls running: ${cause.message}`, {
    remedy: cause.remedy,
    isRetryable: true,
    cause,
  })
}
