import { systemChance } from '../../../src/base/chance.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { TagTable } from '../../../src/control/tag-table.ts'
import { asTagId, asTagIndex, type Reading, type Tag, type TagValue, type WriteRules } from '../../../src/model/tag.ts'
import { findDriver } from '../../../src/site/drivers.ts'
import { type Device, startDevice } from '../../../src/south/device.ts'
import type { Driver, RawWrite, WriteOutcome } from '../../../src/south/driver.ts'
import { quietLog } from './quiet-log.ts'
import { WatchedDriver } from './watched-driver.ts'

export interface DeviceRoundOptions {
  readonly driver: Driver<unknown, unknown>
  /** As in a device file: the driver's keys, and each tag's. */
  readonly config: Readonly<Record<string, unknown>>
  readonly scan: Readonly<Record<string, string>>
  readonly tags: readonly RoundTag[]
  readonly stateFolder: string
  readonly epoch: () => number
  /** Whether the device may have given this value for what was asked after `since`. */
  isTrue(tag: number, value: TagValue, since: number): boolean
  written(writes: readonly RawWrite[], outcomes: readonly WriteOutcome[]): void
  lose(what: string): void
}

export interface RoundTag {
  readonly path: string
  readonly file: Readonly<Record<string, unknown>>
  readonly isWritable: boolean
}

/** Values of one tag that may wait to be passed on: more than come in one turn of the loop. */
const toldMax = 1_000

const rules: WriteRules = { confirmMs: 0, tolerance: 0, role: 'operator', ratePerSecondMax: 1_000 }

/** The device loop, the real driver and the tag table, with every value looked at twice: as the driver brings it, and as the table passes it on. */
export class DeviceRound implements AsyncDisposable {
  readonly device: Device
  readonly #options: DeviceRoundOptions
  readonly #driver: WatchedDriver
  readonly #table: TagTable
  /** By tag: the good values that the driver brought since the last one that was passed on, that one first; and when the newest came. */
  readonly #good: { values: string[]; atMs: number }[] = []
  /** By tag: when the device last vouched for the value. */
  readonly #heardMs: number[] = []
  values = 0

  constructor(options: DeviceRoundOptions) {
    this.#options = options
    const { driver, config, scan, tags, stateFolder } = options
    const schema = findDriver(driver.name)
    if (schema === undefined) throw new Error(`no schema for ${driver.name}`)
    const parsed = tags.map(({ path, file: { scan: scanClass = 'normal', write, ...address }, isWritable }): Tag<unknown> => {
      const rest = isWritable && write !== undefined ? { write: rules } : {}
      return { id: asTagId(`d/${path}`), device: 'd', path, scan: String(scanClass), address: schema.address.parse(address), ...rest }
    })
    this.#table = new TagTable(parsed, systemClock)
    this.#table.onChanges((batch) => {
      for (const { tag, sample } of batch) if (sample.quality === 'good') this.#passedOn(tag, sample.value)
    })
    this.#driver = new WatchedDriver(driver, {
      epoch: options.epoch,
      told: (readings, since) => this.#told(readings, since),
      read: (readings, since) => this.#check(readings, since),
      written: (writes, outcomes) => options.written(writes, outcomes),
    })
    this.device = startDevice({
      config: {
        device: 'd',
        driver: driver.name,
        config: schema.config.parse(config),
        capabilities: [],
        scanMs: periods(scan),
        tags: parsed,
      },
      driver: this.#driver,
      listener: {
        readings: (readings, receivedMs) => this.#table.take(0, readings, receivedMs),
        heard: (places, receivedMs) => {
          for (const place of places) this.#heardMs[place] = performance.now()
          this.#table.heard(0, places, receivedMs)
        },
        stale: (places) => this.#table.stale(0, places),
        status: () => {},
      },
      stateFolder,
      clock: systemClock,
      chance: systemChance,
      log: quietLog,
    })
    this.device.failure.catch((error: unknown) => options.lose(`the device loop died: ${String(error)}`))
  }

  /** Tags that are not good, or that the device has not vouched for since then. */
  missingSince(ms: number): readonly string[] {
    return this.#options.tags.flatMap(({ path }, tag) => {
      const heardMs = Math.max(this.#good[tag]?.atMs ?? 0, this.#heardMs[tag] ?? 0)
      return heardMs >= ms && this.#quality(tag) === 'good' ? [] : [path]
    })
  }

  /** Tags that claim to be good. */
  goodTags(): readonly string[] {
    return this.#options.tags.flatMap(({ path }, tag) => (this.#quality(tag) === 'good' ? [path] : []))
  }

  openFor(ms: number): readonly string[] {
    return this.#driver.openFor(ms)
  }

  /** How long after its faults ended the device may still be left alone, by what it did before. */
  leftAloneMs(sinceMs: number): number {
    return this.#driver.calledByMs(sinceMs) - sinceMs
  }

  /** The most by which it was left alone for longer than that, faults or none. */
  get calledLateMs(): number {
    return this.#driver.calledLateMs
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.device[Symbol.asyncDispose]()
  }

  #quality(tag: number): string | undefined {
    return this.#table.current(asTagIndex(tag))?.quality
  }

  #told(readings: readonly Reading[], since: number): void {
    this.#check(readings, since)
    for (const { tag, value, quality } of readings) {
      if (quality !== 'good' || value === null) continue
      const values = this.#good[tag]?.values ?? []
      if (values.at(-1) !== textOf(value)) values.push(textOf(value))
      this.#good[tag] = { values: values.slice(-toldMax), atMs: performance.now() }
    }
  }

  #check(readings: readonly Reading[], since: number): void {
    for (const { tag, value, quality } of readings) {
      if (quality !== 'good' || value === null) continue
      this.values += 1
      if (!this.#options.isTrue(tag, value, since)) {
        const path = this.#options.tags[tag]?.path
        this.#options.lose(`a wrong value was read: ${path} as ${textOf(value)}`)
      }
    }
  }

  #passedOn(tag: number, value: TagValue | null): void {
    // Two reports in one turn of the loop are passed on one after the other: what is published may be older than the newest, and never older than the last.
    const { values = [] } = this.#good[tag] ?? {}
    const place = values.indexOf(textOf(value))
    if (place >= 0) values.splice(0, place)
    else
      this.#options.lose(
        `a value was published that was not read: ${this.#options.tags[tag]?.path} as ${textOf(value)}, read ${values.at(-1)}`,
      )
  }
}

function periods(scan: Readonly<Record<string, string>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(scan).map(([name, text]) => [name, Number.parseInt(text, 10)]))
}

export function textOf(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? 'nothing'
}
