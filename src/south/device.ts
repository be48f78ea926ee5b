import type { Chance } from '../base/chance.ts'
import { type Clock, epochMs, type MonotonicMs } from '../base/clock.ts'
import { Fault, plainFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { type Running, startLoop } from '../base/running.ts'
import type { DeviceState, DeviceStatus } from '../model/device.ts'
import type { Reading } from '../model/tag.ts'
import type { DeviceConfig } from './config.ts'
import { connectionEnded, connectSlow, connectTimedOut, deviceAbsent, noMethods, UnwelcomeFault } from './device-faults.ts'
import type { DeviceListener } from './device-listener.ts'
import { DeviceCounts, deviceMetrics } from './device-metrics.ts'
import { DeviceNews } from './device-news.ts'
import type {
  CallOutcome,
  Connection,
  Driver,
  LearntNote,
  MethodCall,
  RawWrite,
  SubscribedSource,
  WriteOutcome,
  WriteRefusal,
} from './driver.ts'
import { pollScanClasses, silentCode } from './polling.ts'
import { ReconnectPace, wellAfterMs } from './reconnect-pace.ts'

export interface DeviceOptions {
  readonly config: DeviceConfig
  readonly driver: Driver<unknown, unknown>
  readonly listener: DeviceListener
  readonly stateFolder: string
  /** Folder of the site, for commands that people are told to type. */
  readonly siteFolder?: string
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
  /** Why each of these writes would not be sent, as far as that is known beforehand. Rejects with a Fault where it cannot be told. */
  refusals(writes: readonly RawWrite[], signal: AbortSignal): Promise<readonly (WriteRefusal | undefined)[]>
  /** Never rejects: an absent device, or one that knows no methods, is a failed outcome. */
  call(call: MethodCall, signal: AbortSignal): Promise<CallOutcome>
  status(): DeviceStatus
  metrics(): readonly Metric[]
}

interface Part {
  readonly silence?: Fault | undefined
  readonly missing?: Fault | undefined
}

const connectTimeoutMs = 5_000
/** Who waits for the first values wants to know by then that the device is slow to take us, if nothing else is known. */
const connectSlowMs = 2_000
/** A text that counts something would otherwise be news at every poll. */
const newestEveryMs = 1_000
/** Sentences in the status of a device; all of them stand in the journal. */
const learntMax = 20

/** Starts the one loop that owns a device: connecting, polling or listening, and connecting again. Ready at once: an absent device is a state, not an error. */
export function startDevice(options: DeviceOptions): Device {
  return new LiveDevice(options)
}

class LiveDevice implements Device {
  readonly failure: Promise<never>
  readonly #options: DeviceOptions
  readonly #loop: Running
  readonly #allTags: readonly number[]
  readonly counts = new DeviceCounts()
  #connection: Connection | undefined
  /** What keeps silent, and what the device does not give, though the rest answers. */
  #part: Part = {}
  readonly #news: DeviceNews
  readonly #pace: ReconnectPace
  /** Since when the device has answered on this connection. */
  #answersSince: MonotonicMs | undefined
  #status: DeviceStatus
  #toldAt = Number.NEGATIVE_INFINITY

  constructor(options: DeviceOptions) {
    this.#options = options
    this.#allTags = options.config.tags.map((_, position) => position)
    this.#status = { device: options.config.device, state: 'connecting', sinceMs: options.clock.now() }
    options.listener.status(this.#status)
    this.#news = new DeviceNews({ device: options.config.device, clock: options.clock, log: options.log })
    this.#pace = new ReconnectPace(options.chance)
    this.#loop = startLoop((signal) => this.#live(signal))
    this.failure = this.#loop.failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]()
    this.#news[Symbol.dispose]()
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
    return writes.map(() => ({ outcome: 'failed', fault, neverSent: true }))
  }

  async refusals(writes: readonly RawWrite[], signal: AbortSignal): Promise<readonly (WriteRefusal | undefined)[]> {
    const connection = this.#connection
    if (connection !== undefined) return (await connection.refusals?.(writes, signal)) ?? []
    const fault = deviceAbsent(this.#options.config.device)
    return writes.map(() => ({ of: 'place', fault }))
  }

  async call(call: MethodCall, signal: AbortSignal): Promise<CallOutcome> {
    const connection = this.#connection
    if (connection === undefined) return { outcome: 'failed', fault: deviceAbsent(this.#options.config.device) }
    return (await connection.call?.(call, signal)) ?? { outcome: 'failed', fault: noMethods(this.#options.config) }
  }

  metrics(): readonly Metric[] {
    const { device, state } = this.#status
    return deviceMetrics({ device, state, counts: this.counts, ofConnection: this.#connection?.metrics?.() ?? [] })
  }

  async #live(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#liveOnce(signal)
      if (!signal.aborted) await this.#options.clock.sleep(this.#pace.waitMs(), signal)
    }
  }

  /** One connection from beginning to end. */
  async #liveOnce(signal: AbortSignal): Promise<void> {
    this.#answersSince = undefined
    try {
      await using connection = await this.#connect(signal)
      await this.#use(connection, signal)
    } catch (error) {
      if (error instanceof UnwelcomeFault) this.#pace.broke({ answeredMs: 0, isSilent: false })
      else if (this.#connection === undefined) this.#pace.missed()
      if (!signal.aborted) this.#lost(error)
    } finally {
      this.#connection = undefined
    }
  }

  async #connect(signal: AbortSignal): Promise<Connection> {
    const { config, driver, stateFolder, siteFolder: site, clock, log } = this.#options
    const limit = new AbortController()
    using _timer = clock.after(connectTimeoutMs, () => limit.abort(connectTimedOut(config.device, connectTimeoutMs)))
    using _slow = clock.after(connectSlowMs, () => this.#misses(connectSlow(config.device, connectSlowMs)))
    return await driver.connect(config.config, config.tags, {
      signal: AbortSignal.any([signal, limit.signal]),
      clock,
      log,
      stateFolder,
      ...(site === undefined ? {} : { trustedAs: { name: config.device, site } }),
      scanMs: config.scanMs,
      learnt: (note) => this.#learnt(note),
      sharing: (tags) => this.#options.listener.sharing?.(tags),
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
      this.#pace.broke({ answeredMs: this.#answeredMs(), isSilent: error instanceof Fault && error.code === silentCode })
    } finally {
      stop.abort()
    }
  }

  #answeredMs(): number {
    return this.#answersSince === undefined ? 0 : this.#options.clock.elapsed() - this.#answersSince
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
    this.#answersSince ??= this.#options.clock.elapsed()
    const why = part.silence ?? part.missing
    const next = why === undefined ? 'online' : 'degraded'
    if (next === state) {
      this.#tellNewest(why)
      return
    }
    const forMs = this.#options.clock.now() - sinceMs
    if (why !== undefined) this.#news.inPart(why)
    else this.#news.online(state === 'degraded' ? { degradedMs: forMs } : { awayMs: forMs })
    this.#enter(next, why === undefined ? this.#status.lastFault : plainFault(why))
  }

  /** The first answer that is missed is a reason for tags that were never read, long before the device is taken for lost. */
  #misses(fault: Fault): void {
    const { state, lastFault } = this.#status
    const isKnown = lastFault?.code === silentCode || (this.#connection === undefined && lastFault !== undefined)
    if (state === 'connecting' && !isKnown) this.#tellNewest(fault)
  }

  /** The state is as it was, and what is said of it shall be true now: the unit that keeps silent may be another one by this time. */
  #tellNewest(fault: unknown): void {
    if (fault === undefined || this.#options.clock.elapsed() < this.#toldAt + newestEveryMs) return
    const newest = plainFault(fault)
    const { state, lastFault } = this.#status
    if (lastFault?.code !== newest.code || lastFault.message !== newest.message) this.#enter(state, newest)
  }

  /** The first loss is news; the hundredth failed attempt in a row is not. */
  #lost(error: unknown): void {
    const fault = plainFault(error)
    const wasOnline = this.#status.state !== 'connecting'
    if (this.#connection !== undefined) {
      this.counts.losses += 1
      this.#options.listener.stale(this.#allTags)
    }
    if (this.#answeredMs() >= wellAfterMs) this.#news.well()
    if (wasOnline) this.#news.lost(fault.code, error)
    else this.#news.unreachable(fault.code, error)
    if (wasOnline || this.#status.lastFault?.code !== fault.code) this.#enter('connecting', fault)
    else this.#tellNewest(error)
  }

  #enter(state: DeviceState, lastFault = this.#status.lastFault): void {
    const { clock, listener, config } = this.#options
    this.#toldAt = clock.elapsed()
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
