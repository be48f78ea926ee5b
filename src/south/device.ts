import { type Backoff, backoffMs, type Chance } from '../base/chance.ts'
import { type Clock, epochMs } from '../base/clock.ts'
import { type Fault, plainFault } from '../base/fault.ts'
import { Histogram } from '../base/histogram.ts'
import { errorFields, type Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { type Running, startLoop } from '../base/running.ts'
import type { DeviceState, DeviceStatus } from '../model/device.ts'
import type { Reading } from '../model/tag.ts'
import type { DeviceConfig } from './config.ts'
import { connectionEnded, connectTimedOut, deviceAbsent, noMethods } from './device-faults.ts'
import type { DeviceListener } from './device-listener.ts'
import type { CallOutcome, Connection, Driver, LearntNote, MethodCall, RawWrite, SubscribedSource, WriteOutcome } from './driver.ts'
import { pollScanClasses, silentCode } from './polling.ts'
import { ofDevice, type ScanCounts, scanMetrics } from './scan-counts.ts'

export interface DeviceOptions {
  readonly config: DeviceConfig
  readonly driver: Driver<unknown, unknown>
  readonly listener: DeviceListener
  readonly stateFolder: string
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

/** One device of the site, whether it is there or not. */
export interface Device extends Running {
  /** Rejects with a Fault when the device is absent or does not answer. */
  read(tags: readonly number[], signal: AbortSignal): Promise<readonly Reading[]>
  /** Never rejects: an absent device is a failed outcome. */
  write(writes: readonly RawWrite[], signal: AbortSignal): Promise<readonly WriteOutcome[]>
  /** Never rejects: an absent device, or one that knows no methods, is a failed outcome. */
  call(call: MethodCall, signal: AbortSignal): Promise<CallOutcome>
  status(): DeviceStatus
  metrics(): readonly Metric[]
}

interface Part {
  readonly silence?: Fault | undefined
  readonly missing?: Fault | undefined
}

/** An absent device costs one attempt in 0.35 to 0.7 s: soon enough to have it back within a second, rare enough to cost nothing. */
const reconnect: Backoff = { firstMs: 100, maxMs: 700 }
const connectTimeoutMs = 5_000
/** A connection that lived this long was a good one: the next loss starts from the first back-off again. */
const settledAfterMs = 5_000
/** Sentences in the status of a device; all of them stand in the journal. */
const learntMax = 20
/** s; finest where a loop that is well lies, up to where it is a nuisance. */
const latenessBounds = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1]

/** Starts the one loop that owns a device: connecting, polling or listening, and connecting again. Ready at once: an absent device is a state, not an error. */
export function startDevice(options: DeviceOptions): Device {
  return new LiveDevice(options)
}

class LiveDevice implements Device {
  readonly failure: Promise<never>
  readonly #options: DeviceOptions
  readonly #loop: Running
  readonly #allTags: readonly number[]
  readonly counts = {
    connects: 0,
    losses: 0,
    polls: 0,
    overruns: 0,
    silences: 0,
    scans: new Map<string, ScanCounts>(),
    lateness: new Histogram(latenessBounds),
  }
  #connection: Connection | undefined
  /** What keeps silent, and what the device does not give, though the rest answers. */
  #part: Part = {}
  /** Of the last loss. */
  #toldCode: string | undefined
  #status: DeviceStatus

  constructor(options: DeviceOptions) {
    this.#options = options
    this.#allTags = options.config.tags.map((_, position) => position)
    this.#status = { device: options.config.device, state: 'connecting', sinceMs: options.clock.now() }
    options.listener.status(this.#status)
    this.#loop = startLoop((signal) => this.#live(signal))
    this.failure = this.#loop.failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]()
  }

  status(): DeviceStatus {
    return this.#status
  }

  read(tags: readonly number[], signal: AbortSignal): Promise<readonly Reading[]> {
    return this.#connection?.read(tags, signal) ?? Promise.reject(deviceAbsent(this.#options.config.device))
  }

  async write(writes: readonly RawWrite[], signal: AbortSignal): Promise<readonly WriteOutcome[]> {
    const connection = this.#connection
    if (connection !== undefined) return await connection.write(writes, signal)
    const fault = deviceAbsent(this.#options.config.device)
    return writes.map(() => ({ outcome: 'failed', fault }))
  }

  async call(call: MethodCall, signal: AbortSignal): Promise<CallOutcome> {
    const connection = this.#connection
    if (connection === undefined) return { outcome: 'failed', fault: deviceAbsent(this.#options.config.device) }
    return (await connection.call?.(call, signal)) ?? { outcome: 'failed', fault: noMethods(this.#options.config) }
  }

  metrics(): readonly Metric[] {
    const labels = { device: this.#options.config.device }
    return [
      ...(this.#connection?.metrics?.().map((metric) => ofDevice(metric, labels)) ?? []),
      {
        name: 'lineside_device_online',
        help: 'Whether the device answers, if only in part.',
        type: 'gauge',
        value: this.#status.state === 'connecting' ? 0 : 1,
        labels,
      },
      {
        name: 'lineside_device_degraded',
        help: 'Whether a part of the device (a unit, a block) keeps silent while the rest answers.',
        type: 'gauge',
        value: this.#status.state === 'degraded' ? 1 : 0,
        labels,
      },
      { name: 'lineside_device_connects_total', help: 'Connections made.', type: 'counter', value: this.counts.connects, labels },
      { name: 'lineside_device_losses_total', help: 'Connections lost.', type: 'counter', value: this.counts.losses, labels },
      { name: 'lineside_device_polls_total', help: 'Scan classes read.', type: 'counter', value: this.counts.polls, labels },
      {
        name: 'lineside_device_overruns_total',
        help: 'Polls left out because the one before took too long.',
        type: 'counter',
        value: this.counts.overruns,
        labels,
      },
      {
        name: 'lineside_device_silences_total',
        help: 'Polls that were not answered in full.',
        type: 'counter',
        value: this.counts.silences,
        labels,
      },
      ...scanMetrics(this.counts.scans, labels),
      ...this.counts.lateness.metrics({
        name: 'lineside_poll_lateness_seconds',
        help: 'How much later than due polls began.',
        labels,
      }),
    ]
  }

  async #live(signal: AbortSignal): Promise<void> {
    const { clock, chance } = this.#options
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      const livedMs = await this.#liveOnce(signal)
      if (livedMs > settledAfterMs) attempt = 1
      if (!signal.aborted) await clock.sleep(backoffMs(reconnect, attempt, chance), signal)
    }
  }

  /** One connection from beginning to end; ms it lived. */
  async #liveOnce(signal: AbortSignal): Promise<number> {
    const { clock } = this.#options
    let connectedAt: number | undefined
    try {
      await using connection = await this.#connect(signal)
      connectedAt = clock.elapsed()
      await this.#use(connection, signal)
    } catch (error) {
      if (!signal.aborted) this.#lost(error)
    } finally {
      this.#connection = undefined
    }
    return connectedAt === undefined ? 0 : clock.elapsed() - connectedAt
  }

  async #connect(signal: AbortSignal): Promise<Connection> {
    const { config, driver, stateFolder, clock, log } = this.#options
    const limit = new AbortController()
    using _timer = clock.after(connectTimeoutMs, () => limit.abort(connectTimedOut(config.device, connectTimeoutMs)))
    return await driver.connect(config.config, config.tags, {
      signal: AbortSignal.any([signal, limit.signal]),
      clock,
      log,
      stateFolder,
      scanMs: config.scanMs,
      learnt: (note) => this.#learnt(note),
    })
  }

  async #use(connection: Connection, signal: AbortSignal): Promise<void> {
    const stop = new AbortController()
    const until = AbortSignal.any([signal, stop.signal])
    const stopped = new Promise<void>((resolve) => until.addEventListener('abort', () => resolve(), { once: true }))
    this.#connection = connection
    this.#part = {}
    connection.onMissing?.((missing) => {
      if (this.#connection === connection) this.#answers({ ...this.#part, missing })
    })
    this.counts.connects += 1
    try {
      const { source, events } = connection
      void events?.listen((told) => this.#options.listener.events?.(told), until)
      const listening =
        source.kind === 'polled'
          ? pollScanClasses({
              ...this.#options,
              source,
              counts: this.counts,
              onAnswer: (silence) => this.#answers({ ...this.#part, silence }, 'answered'),
              onSilence: (fault) => this.#misses(fault),
              signal: until,
            })
          : this.#listen(source, until).then(() => stopped)
      await Promise.race([connection.failure, listening, stopped])
      until.throwIfAborted()
      throw connectionEnded(this.#options.config.device)
    } catch (error) {
      if (!signal.aborted) this.#lost(error) // before the connection is disposed of: a hung one takes its time, and its values are dead now
    } finally {
      stop.abort()
    }
  }

  async #listen(source: SubscribedSource, signal: AbortSignal): Promise<void> {
    const { listener, clock } = this.#options
    await source.subscribe((readings) => listener.readings(readings, clock.now()), signal)
    this.#answers(this.#part, 'answered')
  }

  /** A device is online when it has answered: one that takes connections and says nothing is not. One that answers only in part is degraded. */
  #answers(part: Part, when?: 'answered'): void {
    const { state, sinceMs } = this.#status
    this.#part = part
    if (state === 'connecting' && when !== 'answered') return
    const why = part.silence ?? part.missing
    const next = why === undefined ? 'online' : 'degraded'
    if (next === state) return
    const { log, config, clock } = this.#options
    if (why !== undefined) log.warn('The device answers only in part.', { device: config.device, ...errorFields(why) })
    else if (state === 'degraded')
      log.info('The device answers in full again.', { device: config.device, degradedMs: clock.now() - sinceMs })
    else log.info('The device is online.', { device: config.device, awayMs: clock.now() - sinceMs })
    this.#enter(next, why === undefined ? this.#status.lastFault : plainFault(why))
  }

  /** The first answer that is missed is a reason for tags that were never read, long before the device is taken for lost. */
  #misses(fault: Fault): void {
    const { state, lastFault } = this.#status
    if (state === 'connecting' && lastFault?.code !== fault.code && lastFault?.code !== silentCode) this.#enter(state, plainFault(fault))
  }

  /** The first loss is news; the hundredth failed attempt in a row is not. */
  #lost(error: unknown): void {
    const { log, config, listener } = this.#options
    const fault = plainFault(error)
    const wasOnline = this.#status.state !== 'connecting'
    const isNews = wasOnline || this.#toldCode !== fault.code
    this.#toldCode = fault.code
    if (this.#connection !== undefined) {
      this.counts.losses += 1
      listener.stale(this.#allTags)
    }
    if (!isNews) return
    log.warn(wasOnline ? 'Lost the device.' : 'Cannot reach the device.', {
      device: config.device,
      ...errorFields(error),
    })
    this.#enter('connecting', fault)
  }

  #enter(state: DeviceState, lastFault = this.#status.lastFault): void {
    const { clock, listener, config } = this.#options
    const sinceMs = state === this.#status.state ? this.#status.sinceMs : epochMs(clock.now())
    const learnt = (this.#connection?.learnt?.() ?? []).slice(0, learntMax).map(({ message }) => message)
    this.#status = {
      device: config.device,
      state,
      sinceMs,
      ...(lastFault === undefined ? {} : { lastFault }),
      ...(learnt.length === 0 ? {} : { learnt }),
    }
    listener.status(this.#status)
  }

  #learnt(note: LearntNote): void {
    const { log, config, listener } = this.#options
    log.info('Learnt something about the device.', { device: config.device, ...note })
    listener.learnt?.(note)
    this.#enter(this.#status.state)
  }
}
