import type { Chance } from '../base/chance.ts'
import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { Histogram } from '../base/histogram.ts'
import type { DeviceConfig } from './config.ts'
import type { DeviceListener } from './device-listener.ts'
import type { PolledSource, PollResult } from './driver.ts'
import type { ScanCounts } from './scan-counts.ts'

export interface PollingOptions {
  readonly config: DeviceConfig
  readonly source: PolledSource
  readonly listener: DeviceListener
  readonly clock: Clock
  readonly chance: Chance
  readonly counts: PollCounts
  /** Called after each poll while the device answers, with what keeps silent though the rest answers. */
  readonly onAnswer: (silence: Fault | undefined) => void
  /** Called after each poll of which nothing was answered. */
  readonly onSilence: (fault: Fault) => void
  readonly signal: AbortSignal
}

export interface PollCounts {
  polls: number
  overruns: number
  silences: number
  /** From when a poll was due to when it began, s. */
  readonly lateness: Histogram
  /** By name. */
  readonly scans: Map<string, ScanCounts>
}

export const silentCode = 'device.silent'
/** A device that answered nothing at all this many times running is taken for lost, and connected to anew. */
const silentPollsMax = 3
/** Values are stale when two polls have gone by without an answer. */
const stalePolls = 2

/** Between the moments at which polls begin. */
const gridMs = 5

/** When one class is silent, others that have not been answered for this long are polled at once: only they can tell whether the device is lost. */
const answerAgeMsMax = 5_000

/** Polls every scan class at its own pace until the signal; rejects with the Fault of the device's silence, when none of them is answered. */
export async function pollScanClasses(options: PollingOptions): Promise<void> {
  const classes: ScanClass[] = []
  for (const [scan, periodMs] of Object.entries(options.config.scanMs)) {
    const scanClass = new ScanClass({ ...options, classes }, scan, periodMs)
    if (scanClass.hasTags) classes.push(scanClass)
  }
  if (classes.length === 0)
    return await new Promise<void>((resolve) => options.signal.addEventListener('abort', () => resolve(), { once: true }))
  await Promise.all(classes.map((scanClass) => scanClass.run()))
}

interface ScanClassOptions extends PollingOptions {
  /** All of the connection. */
  readonly classes: readonly ScanClass[]
}

class ScanClass {
  /** Whether the last poll was answered, if only in part. */
  isAnswered = false
  /** Why some or all of its tags have not been read for a while; undefined while all is well. */
  silence: Fault | undefined
  readonly #options: ScanClassOptions
  readonly #scan: string
  readonly #periodMs: number
  readonly #tags: readonly number[]
  readonly #counts: ScanCounts
  #staleTimer: Disposable | undefined
  /** When its values are stale, unless it is heard before; and the pace that was taken for this. */
  #staleAt = 0
  #paceMs = 0
  #isStale = false
  /** When the poll under way was begun. */
  #askedAt: number | undefined
  /** Running: those not answered in full, and those not answered at all. */
  #silentPolls = 0
  #deafPolls = 0
  #answeredAt = 0
  #isDoubted = false
  #wake: () => void = () => {}

  constructor(options: ScanClassOptions, scan: string, periodMs: number) {
    this.#options = options
    this.#scan = scan
    this.#periodMs = periodMs
    this.#tags = options.config.tags.flatMap((tag, position) => (tag.scan === scan ? [position] : []))
    this.#counts = options.counts.scans.get(scan) ?? { periodMs, cycleMs: 0, overruns: 0 }
    if (this.hasTags) options.counts.scans.set(scan, this.#counts)
  }

  get hasTags(): boolean {
    return this.#tags.length > 0
  }

  async run(): Promise<void> {
    const { clock, signal, chance } = this.#options
    signal.addEventListener('abort', () => this.#wake(), { once: true })
    try {
      this.#watch()
      await this.#pollOnce()
      // The first poll is made at once; from there on devices keep a phase of their own, so that fifty of them spread over the period.
      let due = onGrid(clock.elapsed() + this.#periodMs * chance())
      while (!signal.aborted) {
        due = await this.#sleepUntil(due)
        if (signal.aborted) return
        this.#options.counts.lateness.observe(Math.max(0, clock.elapsed() - due) / 1_000)
        await this.#pollOnce()
        due = this.#nextDue(due)
      }
    } finally {
      this.#staleTimer?.[Symbol.dispose]()
    }
  }

  /** A slow class looks up now and then whether it is asked to poll sooner; when the poll is due then. */
  async #sleepUntil(due: number): Promise<number> {
    const { clock, signal } = this.#options
    do {
      const nowAt = clock.elapsed()
      if (this.#isDoubted) return nowAt
      // A timer counts whole milliseconds, and rounds down: a part of one would cost a second timer.
      await this.#sleep(Math.min(Math.max(0, Math.ceil(due - nowAt)), answerAgeMsMax))
    } while (clock.elapsed() < due && !signal.aborted)
    return due
  }

  /** Ends early with the signal. Its own, because a listener on the signal for each of a thousand sleeps a second costs as much as the timer. */
  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(ms, resolve)
      this.#wake = () => {
        timer[Symbol.dispose]()
        resolve()
      }
    })
  }

  /** A poll that took longer than its period leaves out those it overran, and says so, rather than chase them. */
  #nextDue(due: number): number {
    const next = due + this.#periodMs
    const missed = Math.max(0, Math.ceil((this.#options.clock.elapsed() - next) / this.#periodMs))
    this.#options.counts.overruns += missed
    this.#counts.overruns += missed
    return next + missed * this.#periodMs
  }

  async #pollOnce(): Promise<void> {
    const { clock, source, signal, counts } = this.#options
    const started = clock.elapsed()
    this.#askedAt = started
    const result = await source.poll(this.#scan, signal)
    this.#askedAt = undefined
    if (signal.aborted) return
    this.#counts.cycleMs = clock.elapsed() - started
    counts.polls += 1
    this.#take(result)
  }

  #take(result: PollResult): void {
    const { listener, clock, counts } = this.#options
    const nowMs = clock.now()
    if (result.readings.length > 0) listener.readings(result.readings, nowMs)
    if (result.silence === undefined) {
      listener.heard(this.#tags, nowMs)
      this.#answered()
      this.#silentPolls = 0
      this.#isStale = false
      this.silence = undefined
    } else {
      counts.silences += 1
      this.#takeSilence(result.silence)
    }
    const { classes, onAnswer } = this.#options
    if (classes.some(({ isAnswered }) => isAnswered)) onAnswer(classes.find(({ silence }) => silence !== undefined)?.silence)
  }

  #answered(): void {
    this.isAnswered = true
    this.#isDoubted = false
    this.#answeredAt = this.#options.clock.elapsed()
    this.#deafPolls = 0
    this.#watch()
  }

  #takeSilence({ tags, fault }: NonNullable<PollResult['silence']>): void {
    const { listener, clock, config } = this.#options
    const silent = new Set(tags)
    const answered = this.#tags.filter((tag) => !silent.has(tag))
    listener.heard(answered, clock.now())
    this.#silentPolls += 1
    if (this.#silentPolls >= stalePolls || this.#isStale) {
      listener.stale(tags)
      this.silence = fault
    }
    if (answered.length > 0) {
      this.#answered()
      return
    }
    this.isAnswered = false
    this.#isDoubted = false
    this.#deafPolls += 1
    this.#options.onSilence(fault)
    if (this.#deafPolls >= silentPollsMax && !this.#areOthersAnswered()) throw silenceFault(config.device, fault)
  }

  /** The other classes may lie on other units, or on blocks that still answer: then the device is not lost. */
  #areOthersAnswered(): boolean {
    const answered = this.#options.classes.filter((other) => other !== this && other.isAnswered)
    const newestAt = Math.max(...answered.map((other) => other.#answeredAt))
    if (this.#options.clock.elapsed() - newestAt > answerAgeMsMax) for (const other of answered) other.#isDoubted = true
    return answered.length > 0
  }

  /** A device that is slower than its scan class is no dead device: its own pace counts, if that is longer than the period. */
  #watch(): void {
    this.#paceMs = Math.max(this.#periodMs, this.#counts.cycleMs)
    this.#staleAt = this.#options.clock.elapsed() + stalePolls * this.#paceMs
    this.#staleTimer ??= this.#wakeAtStale()
  }

  /** The timer stays while the moment moves on: setting one anew at each of a thousand polls a second is what the poll itself costs. */
  #wakeAtStale(): Disposable {
    const { clock } = this.#options
    return clock.after(Math.max(0, this.#staleAt - clock.elapsed()), () => {
      this.#staleTimer = undefined
      if (clock.elapsed() < this.#staleAt) this.#staleTimer = this.#wakeAtStale()
      else this.#lookWhetherStale(this.#paceMs)
    })
  }

  /** Only a question that has been open for a whole period says that the device is silent: when our own loop was late to ask, nobody is to blame. */
  #lookWhetherStale(periodMs: number): void {
    const { clock, listener } = this.#options
    const openMs = this.#askedAt === undefined ? 0 : clock.elapsed() - this.#askedAt
    if (openMs < periodMs) {
      this.#staleAt = clock.elapsed() + periodMs - openMs
      this.#staleTimer = this.#wakeAtStale()
      return
    }
    this.#isStale = true
    listener.stale(this.#tags)
  }
}

/** Polls that are due within a few milliseconds are due at the same one: waking up for each alone costs half as much as the poll. */
function onGrid(dueMs: number): number {
  return Math.ceil(dueMs / gridMs) * gridMs
}

function silenceFault(device: string, cause: Fault): Fault {
  return new Fault(silentCode, `The device ${device} has not answered ${silentPollsMax} polls running: ${cause.message}`, {
    remedy: cause.remedy,
    isRetryable: true,
    cause,
  })
}
