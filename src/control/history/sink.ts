import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Door } from '../../base/door.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import { type Running, startLoop } from '../../base/running.ts'
import type { HistoryBatch } from '../../model/history.ts'
import type { ChangeBatch, Sample } from '../../model/sample.ts'
import type { TagIndex, TagMeta } from '../../model/tag.ts'
import type { StoreCalls } from '../../store/contract.ts'

export interface HistorySinkOptions {
  readonly tags: readonly TagMeta[]
  /** Whose history is kept. */
  readonly wanted: readonly number[]
  readonly store: Door<StoreCalls>
  readonly clock: Clock
  readonly log: Log
}

/** What a crash loses at most: so long the newest values are in memory alone. */
const historyWindowMs = 2_000
/** The gateway says that it is alive, also where nothing changes: after a crash the values since then count as unknown. */
const aliveEveryMs = 10_000
const batchRowsMax = 5_000
/** Past it the oldest go, and are counted: the store is away. */
const waitingMax = 50_000

interface Row {
  readonly place: number
  readonly timeMs: number
  readonly value: number
}

/** The way of values into history.db, in batches. Costs nothing where nobody asks for a history. */
export class HistorySink {
  readonly #options: HistorySinkOptions
  readonly #places: ReadonlyMap<TagIndex, number>
  readonly #names: readonly string[]
  /** The last value of each was not good: that is said once. */
  readonly #isUnknown: boolean[] = []
  #waiting: Row[] = []
  #flushing: Promise<void> | undefined
  #isFirst = true
  #aliveAt: MonotonicMs | undefined
  #lost = 0
  #isFailing = false

  constructor(options: HistorySinkOptions) {
    this.#options = options
    this.#places = new Map(options.wanted.map((tag, place) => [tag as TagIndex, place]))
    this.#names = options.wanted.map((tag) => options.tags[tag]?.id ?? '')
  }

  get isEmpty(): boolean {
    return this.#places.size === 0
  }

  has(tag: TagIndex): boolean {
    return this.#places.has(tag)
  }

  take(batch: ChangeBatch): void {
    if (this.#places.size === 0) return
    for (const { tag, sample } of batch) {
      const place = this.#places.get(tag)
      if (place !== undefined) this.#push(place, sample)
    }
    if (this.#waiting.length > waitingMax) this.#drop()
    if (this.#waiting.length >= batchRowsMax && this.#flushing === undefined && !this.#isFailing) void this.flush()
  }

  /** Resolves when all that was taken is kept, or cannot be now. Never rejects. */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = undefined
    })
    await this.#flushing
  }

  start(): Running {
    return startLoop(async (signal) => {
      while (!signal.aborted) {
        await this.#options.clock.sleep(historyWindowMs, signal)
        await this.flush()
      }
    })
  }

  metrics(): readonly Metric[] {
    if (this.isEmpty) return []
    const help = 'Values that no history holds, because the store was away too long.'
    return [
      { name: 'lineside_history_tags', help: 'Tags whose history is kept.', type: 'gauge', value: this.#places.size },
      { name: 'lineside_history_waiting', help: 'Values that are in memory alone.', type: 'gauge', value: this.#waiting.length },
      { name: 'lineside_history_lost_total', help, type: 'counter', value: this.#lost },
    ]
  }

  #push(place: number, { value, quality, receivedMs }: Sample): void {
    const number = quality === 'bad' || quality === 'stale' ? Number.NaN : numberOf(value)
    const isUnknown = Number.isNaN(number)
    if (isUnknown && this.#isUnknown[place] === true) return
    this.#isUnknown[place] = isUnknown
    this.#waiting.push({ place, timeMs: receivedMs, value: number })
  }

  #drop(): void {
    const over = this.#waiting.length - waitingMax + batchRowsMax
    this.#waiting.splice(0, over)
    this.#lost += over
  }

  async #flush(): Promise<void> {
    const { store, clock, log } = this.#options
    const isQuiet = this.#waiting.length === 0 && this.#aliveAt !== undefined && clock.elapsed() - this.#aliveAt < aliveEveryMs
    if (isQuiet || this.isEmpty) return
    let rows: readonly Row[] = []
    try {
      do {
        rows = this.#waiting.splice(0, batchRowsMax)
        await store.call('keepHistory', this.#batchOf(rows))
        this.#isFirst = false
        this.#aliveAt = clock.elapsed()
      } while (this.#waiting.length >= batchRowsMax)
      if (this.#isFailing) log.info('The history is kept again.')
      this.#isFailing = false
    } catch (error) {
      this.#waiting = [...rows, ...this.#waiting]
      if (this.#waiting.length > waitingMax) this.#drop()
      if (!this.#isFailing) log.warn('The history is not kept; its values wait in memory.', errorFields(error))
      this.#isFailing = true
    }
  }

  #batchOf(rows: readonly Row[]): HistoryBatch {
    return {
      isFirst: this.#isFirst,
      aliveMs: this.#options.clock.now(),
      tags: this.#names,
      places: Uint16Array.from(rows, ({ place }) => place),
      times: Float64Array.from(rows, ({ timeMs }) => timeMs),
      values: Float64Array.from(rows, ({ value }) => value),
    }
  }
}

/** NaN for what is no number. */
function numberOf(value: Sample['value']): number {
  switch (typeof value) {
    case 'number':
      return value
    case 'boolean':
      return value ? 1 : 0
    case 'bigint':
      return Number(value)
    default:
      return Number.NaN
  }
}
