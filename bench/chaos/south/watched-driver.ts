import type { Reading } from '../../../src/model/tag.ts'
import type { Connection, Driver, RawWrite, WriteOutcome } from '../../../src/south/driver.ts'

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

  constructor(driver: Driver<unknown, unknown>, watch: DriverWatch) {
    this.name = driver.name
    this.#driver = driver
    this.#watch = watch
  }

  async connect(...[config, tags, context]: Parameters<Driver<unknown, unknown>['connect']>): Promise<Connection> {
    const connection = await this.#settles('a connection', this.#driver.connect(config, tags, context))
    const { source } = connection
    return {
      failure: connection.failure,
      source:
        source.kind === 'polled'
          ? { ...source, poll: (scan: string, signal: AbortSignal) => this.#poll(() => source.poll(scan, signal)) }
          : {
              ...source,
              subscribe: (report: (readings: readonly Reading[]) => void, signal: AbortSignal) =>
                source.subscribe((readings) => {
                  this.#watch.told(readings, 0)
                  report(readings)
                }, signal),
            },
      read: (wanted: readonly number[], signal: AbortSignal) => this.#read(() => connection.read(wanted, signal)),
      write: (writes: readonly RawWrite[], signal: AbortSignal) => this.#write(writes, () => connection.write(writes, signal)),
      [Symbol.asyncDispose]: () => this.#settles('a disposal', Promise.resolve(connection[Symbol.asyncDispose]())),
    }
  }

  /** What was asked at least this long ago and has not been answered. */
  openFor(ms: number): readonly string[] {
    return [...this.#open].filter(({ sinceMs }) => performance.now() - sinceMs >= ms).map(({ what }) => what)
  }

  async #poll<Result extends { readonly readings: readonly Reading[] }>(poll: () => Promise<Result>): Promise<Result> {
    const since = this.#watch.epoch()
    const result = await this.#settles('a poll', poll())
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
