import type { Reading } from '../../../src/model/tag.ts'
import { UnwelcomeFault } from '../../../src/south/device-faults.ts'
import type { Connection, Driver, PollResult, RawWrite, SubscribedSource, WriteOutcome } from '../../../src/south/driver.ts'
import { type AttemptWatch, ReconnectRule } from './reconnect-rule.ts'

/** What is looked at while a driver works. */
export interface DriverWatch {
  /** The plant's time. */
  epoch(): number
  /** What a poll or a subscription brought, and so goes into the tag table; it was asked for after `since`. */
  told(readings: readonly Reading[], since: number): void
  /** What a read that somebody asked for brought. */
  read(readings: readonly Reading[], since: number): void
  written(writes: readonly RawWrite[], outcomes: readonly WriteOutcome[]): void
}

interface Open {
  readonly what: string
  readonly sinceMs: number
}

/** Lets a driver through unchanged, and sees what it is asked, what it answers, and what it never answers. */
export class WatchedDriver implements Driver<unknown, unknown> {
  readonly name: string
  readonly #driver: Driver<unknown, unknown>
  readonly #watch: DriverWatch
  readonly #open = new Set<Open>()
  readonly #rule = new ReconnectRule()

  constructor(driver: Driver<unknown, unknown>, watch: DriverWatch) {
    this.name = driver.name
    this.#driver = driver
    this.#watch = watch
  }

  async connect(...[config, tags, context]: Parameters<Driver<unknown, unknown>['connect']>): Promise<Connection> {
    const attempt = this.#rule.begun()
    try {
      const connection = await this.#settles('a connection', this.#driver.connect(config, tags, context))
      return this.#watched(connection, attempt)
    } catch (error) {
      attempt.ended(error instanceof UnwelcomeFault ? 'broken' : 'absent')
      throw error
    }
  }

  /** What was asked at least this long ago and has not been answered. */
  openFor(ms: number): readonly string[] {
    return [...this.#open].filter(({ sinceMs }) => performance.now() - sinceMs >= ms).map(({ what }) => what)
  }

  /** By when a device that has been well since then must have been called. */
  calledByMs(sinceMs: number): number {
    return this.#rule.dueMs(sinceMs)
  }

  /** The most by which a device was called later than its pause allows. */
  get calledLateMs(): number {
    return this.#rule.lateMs
  }

  #watched(connection: Connection, attempt: AttemptWatch): Connection {
    const { source } = connection
    let hasFailed = false
    connection.failure.catch(() => {
      hasFailed = true
      attempt.broke()
    })
    return {
      failure: connection.failure,
      source:
        source.kind === 'polled'
          ? { ...source, poll: (scan: string, signal: AbortSignal) => this.#poll(() => source.poll(scan, signal), attempt) }
          : this.#subscribed(source, attempt),
      read: (wanted: readonly number[], signal: AbortSignal) => this.#read(() => connection.read(wanted, signal)),
      write: (writes: readonly RawWrite[], signal: AbortSignal) => this.#write(writes, () => connection.write(writes, signal)),
      [Symbol.asyncDispose]: async () => {
        // Who is polled and left without having failed has been silent.
        const how = source.kind === 'polled' && !hasFailed ? 'silent' : 'broken'
        attempt.broke()
        await this.#settles('a disposal', Promise.resolve(connection[Symbol.asyncDispose]())).finally(() => attempt.ended(how))
      },
    }
  }

  #subscribed(source: SubscribedSource, attempt: AttemptWatch): SubscribedSource {
    return {
      ...source,
      subscribe: async (report, signal) => {
        const told = (readings: readonly Reading[]): void => {
          this.#watch.told(readings, 0)
          report(readings)
        }
        await source.subscribe(told, signal)
        attempt.answered()
      },
    }
  }

  async #poll(poll: () => Promise<PollResult>, attempt: AttemptWatch): Promise<PollResult> {
    const since = this.#watch.epoch()
    const result = await this.#settles('a poll', poll())
    if (result.silence === undefined) attempt.answered()
    this.#watch.told(result.readings, since)
    return result
  }

  async #read(read: () => Promise<readonly Reading[]>): Promise<readonly Reading[]> {
    const since = this.#watch.epoch()
    const readings = await this.#settles('a read', read())
    this.#watch.read(readings, since)
    return readings
  }

  async #write(writes: readonly RawWrite[], write: () => Promise<readonly WriteOutcome[]>): Promise<readonly WriteOutcome[]> {
    const outcomes = await this.#settles('a write', write())
    this.#watch.written(writes, outcomes)
    return outcomes
  }

  async #settles<Result>(what: string, work: Promise<Result>): Promise<Result> {
    const open: Open = { what, sinceMs: performance.now() }
    this.#open.add(open)
    try {
      return await work
    } finally {
      this.#open.delete(open)
    }
  }
}
