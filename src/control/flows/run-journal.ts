import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { RunRecord } from '../../store/contract.ts'
import { Stopped } from './faults.ts'

/** Resolves when the records are on disk, and the events with them: both or neither, so that a power cut tells nothing that is not so and forgets nothing that is. */
export type KeepRuns = (records: readonly RunRecord[], events: readonly SiteEvent[]) => Promise<unknown>

export interface RunJournalOptions {
  readonly append: KeepRuns
  readonly clock: Clock
  readonly log: Log
  /** Of the daemon. */
  readonly stop: AbortSignal
}

interface Entry {
  readonly record: RunRecord
  readonly events?: readonly SiteEvent[]
  readonly resolve?: () => void
  readonly reject?: (error: unknown) => void
}

const retryPauseMs = 200
/** Rows in one call to the store. */
const batchRowsMax = 2_000
const batchCharsMax = 4 * 1024 ** 2
/** Records that may wait for the disk before no step begins any more. */
const waitingMax = 20_000

/**
 * The way of all runs into the journal, in one order. What is told while a call is under way makes the next one larger, so that one flush of the disk
 * serves all of it. While the store is away, runs wait.
 */
export class RunJournal {
  readonly #options: RunJournalOptions
  readonly #lost = new Map<string, Fault>()
  #waiting: Entry[] = []
  #isSending = false
  #isPlanned = false
  #room = Promise.withResolvers<void>()

  constructor(options: RunJournalOptions) {
    this.#options = options
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Goes to the disk soon, and before anything that is told later. */
  note(record: RunRecord): void {
    this.#push({ record })
  }

  /** Resolves when this, what is told of it, and all that was told before it, is on disk. Rejects where the journal will never take this run. */
  keep(record: RunRecord, events: readonly SiteEvent[] = []): Promise<void> {
    const lost = this.#lost.get(record.run)
    if (lost !== undefined) return Promise.reject(lost)
    return new Promise((resolve, reject) => this.#push({ record, events, resolve, reject }))
  }

  /** To be awaited, where it is given, before more is done that will be told. */
  room(): Promise<void> | undefined {
    return this.#waiting.length > waitingMax ? this.#room.promise : undefined
  }

  /** The run has ended: nothing more will be told of it. */
  forget(run: string): void {
    this.#lost.delete(run)
  }

  /** Sent at the end of this turn: within it a beginning is followed by its first intent, and an outcome by the next one. */
  #push(entry: Entry): void {
    this.#waiting.push(entry)
    if (this.#isSending || this.#isPlanned) return
    this.#isPlanned = true
    setImmediate(() => {
      this.#isPlanned = false
      if (!this.#isSending) void this.#send()
    })
  }

  async #send(): Promise<void> {
    this.#isSending = true
    while (this.#waiting.length > 0) {
      await this.#deliver(this.#take())
      if (this.#waiting.length > waitingMax) continue
      this.#room.resolve()
      this.#room = Promise.withResolvers<void>()
    }
    this.#isSending = false
  }

  #take(): readonly Entry[] {
    let rows = 0
    let chars = 0
    for (const { record } of this.#waiting) {
      chars += charsOf(record)
      if (rows > 0 && (rows >= batchRowsMax || chars > batchCharsMax)) break
      rows += 1
    }
    return this.#waiting.splice(0, rows)
  }

  async #deliver(entries: readonly Entry[]): Promise<void> {
    try {
      await this.#append(entries)
      for (const { resolve } of entries) resolve?.()
    } catch (error) {
      await this.#refused(entries, error)
    }
  }

  /** What the journal does not take of one run must not be the end of another. */
  async #refused(entries: readonly Entry[], error: unknown): Promise<void> {
    const byRun = Map.groupBy(entries, ({ record }) => record.run)
    if (byRun.size > 1 && error instanceof Fault) {
      for (const own of byRun.values()) await this.#deliver(own)
      return
    }
    for (const run of byRun.keys()) if (error instanceof Fault) this.#lost.set(run, error)
    for (const { reject } of entries) reject?.(error)
  }

  async #append(entries: readonly Entry[]): Promise<void> {
    const { append, clock, log, stop } = this.#options
    const records = entries.map(({ record }) => record)
    const told = entries.flatMap(({ events = [] }) => events)
    for (let attempt = 1; ; attempt += 1) {
      try {
        await append(records, told)
        if (attempt > 1) log.info('The journal answers again; runs go on.')
        return
      } catch (error) {
        if (!(error instanceof Fault) || !error.isRetryable) throw error
        if (attempt === 1) log.warn('The journal does not answer; runs wait for it.', errorFields(error))
        await clock.sleep(retryPauseMs, stop).catch(() => {
          throw new Stopped()
        })
      }
    }
  }
}

function charsOf(record: RunRecord): number {
  switch (record.kind) {
    case 'begun':
      return record.definition.length + record.input.length
    case 'settled':
    case 'reopened':
      return 0
    default:
      return record.data.length
  }
}
