import type { Clock, MonotonicMs } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { errorFields, type Log } from '../base/log.ts'
import type { StoreFile } from './file.ts'
import type { Reserve } from './reserve.ts'

/** One call's rows. They stand or fall together. */
export interface Write<Tables, Result> {
  readonly rows: number
  readonly bytes: number
  /** It takes rows away: the one thing that a full disk still gets room for. */
  readonly isFreeing?: boolean
  run(tables: Tables): Result
}

export interface CommitStats {
  readonly commits: number
  readonly calls: number
  readonly rows: number
  readonly failures: number
  readonly refused: number
  readonly commitMsTotal: number
  /** Of the last 10 to 20 s. */
  readonly commitMsMax: number
  readonly groupRowsMax: number
  readonly isFailing: boolean
}

/** Past these, a call is refused with `store.overloaded`: who writes faster than the disk must wait, and memory stays bounded. */
const waitingRowsMax = 100_000
const waitingBytesMax = 64 * 1024 ** 2
/** One transaction's share: a longer one would keep the first caller of the group waiting for the last. */
const groupRowsMax = 5_000

interface Waiting<Tables> {
  readonly write: Write<Tables, unknown>
  readonly resolve: (result: never) => void
  readonly reject: (error: unknown) => void
}

/**
 * The one writer of a file. All writes of one turn of the loop become one transaction, and are answered after its commit: the disk is flushed once for
 * all of them. What arrives while a commit runs waits at the ports and forms the next group, so groups grow as the disk gets slower.
 */
export class CommitGroup<Tables> {
  readonly #file: StoreFile<Tables>
  readonly #clock: Clock
  readonly #log: Log
  /** Runs at the end of each transaction: what keeps the file within its limits. */
  readonly #atEnd: (tables: Tables) => void
  readonly #reserve: Reserve | undefined
  #waiting: Waiting<Tables>[] = []
  #waitingRows = 0
  #waitingBytes = 0
  #isScheduled = false
  #failing: { readonly since: MonotonicMs; readonly fault: unknown } | undefined
  readonly #sums = { commits: 0, calls: 0, rows: 0, failures: 0, refused: 0, commitMsTotal: 0, groupRowsMax: 0 }
  #commitMsMax = { now: 0, before: 0 }

  constructor(options: {
    readonly file: StoreFile<Tables>
    readonly clock: Clock
    readonly log: Log
    readonly atEnd: (tables: Tables) => void
    readonly reserve?: Reserve
  }) {
    this.#file = options.file
    this.#clock = options.clock
    this.#log = options.log
    this.#atEnd = options.atEnd
    this.#reserve = options.reserve
  }

  /** Resolves when the rows are on the disk. */
  submit<Result>(write: Write<Tables, Result>): Promise<Result> {
    if (this.#reserve?.isHeld === false && write.isFreeing !== true) {
      const fault = diskFull(this.#file.name)
      this.#fail(fault)
      return Promise.reject(fault)
    }
    if (this.#waitingRows + write.rows > waitingRowsMax || this.#waitingBytes + write.bytes > waitingBytesMax) {
      this.#sums.refused += 1
      return Promise.reject(overloaded(this.#file.name, this.#waitingRows))
    }
    this.#waitingRows += write.rows
    this.#waitingBytes += write.bytes
    this.#schedule()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ write, resolve, reject })
    })
  }

  /** Commits all that waits. */
  flush(): void {
    while (this.#waiting.length > 0) this.#commit(this.#take())
  }

  stats(): CommitStats {
    const commitMsMax = Math.max(this.#commitMsMax.now, this.#commitMsMax.before)
    return { ...this.#sums, commitMsMax, isFailing: this.#failing !== undefined }
  }

  /** Why rows cannot be kept, as it was last found. */
  get fault(): Fault | undefined {
    return this.#failing?.fault instanceof Fault ? this.#failing.fault : undefined
  }

  /** Finds out whether rows can be kept again, where nobody brings any: changes nothing, and takes the disk for it. */
  probe(): Promise<void> {
    if (this.#failing === undefined) return Promise.resolve()
    return this.submit({ rows: 0, bytes: 0, run: () => this.#file.touch() })
  }

  /** Begins a new span for `commitMsMax`. */
  turnSpan(): void {
    this.#commitMsMax = { now: 0, before: this.#commitMsMax.now }
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    // An immediate runs after all messages of this turn have been delivered.
    setImmediate(() => {
      this.#isScheduled = false
      this.#commit(this.#take())
      if (this.#waiting.length > 0) this.#schedule()
    })
  }

  #take(): readonly Waiting<Tables>[] {
    let count = 0
    let rows = 0
    for (const { write } of this.#waiting) {
      if (count > 0 && rows + write.rows > groupRowsMax) break
      count += 1
      rows += write.rows
      this.#waitingRows -= write.rows
      this.#waitingBytes -= write.bytes
    }
    return this.#waiting.splice(0, count)
  }

  #commit(group: readonly Waiting<Tables>[]): void {
    if (group.length === 0) return
    const begun = this.#clock.elapsed()
    try {
      const outcomes = this.#file.transact((tables) => {
        const attempts = group.map(({ write }) => this.#file.attempt(write.run))
        this.#atEnd(tables)
        return attempts
      })
      this.#count(group, this.#clock.elapsed() - begun)
      for (const [place, waiting] of group.entries()) settle(waiting, outcomes[place])
      if (this.#reserve?.isHeld === false) this.#file.foldLog()
    } catch (error) {
      this.#fail(error)
      const freeing = this.#mayStillFree(error) ? group.filter(isFreeing) : []
      const isRoomGiven = freeing.length > 0 && this.#reserve?.give() === true
      for (const waiting of group) if (!isRoomGiven || !isFreeing(waiting)) waiting.reject(error)
      if (isRoomGiven) this.#commit(freeing)
    }
  }

  #mayStillFree(error: unknown): boolean {
    return this.#reserve?.isHeld === true && error instanceof Fault && error.code === 'store.full'
  }

  #count(group: readonly Waiting<Tables>[], tookMs: number): void {
    const rows = group.reduce((sum, { write }) => sum + write.rows, 0)
    const sums = this.#sums
    sums.commits += 1
    sums.calls += group.length
    sums.rows += rows
    sums.commitMsTotal += tookMs
    sums.groupRowsMax = Math.max(sums.groupRowsMax, rows)
    this.#commitMsMax.now = Math.max(this.#commitMsMax.now, tookMs)
    if (this.#failing === undefined) return
    this.#log.info('The store keeps rows again.', {
      file: this.#file.name,
      failedForMs: Math.round(this.#clock.elapsed() - this.#failing.since),
    })
    this.#failing = undefined
  }

  #fail(error: unknown): void {
    this.#sums.failures += 1
    const known = this.#failing
    this.#failing = { since: known?.since ?? this.#clock.elapsed(), fault: error }
    if (known !== undefined) return
    this.#log.error('The store cannot keep rows.', { file: this.#file.name, ...errorFields(error) })
  }
}

function isFreeing<Tables>({ write }: Waiting<Tables>): boolean {
  return write.isFreeing === true
}

function diskFull(file: string): Fault {
  return new Fault('store.full', `The disk is full: what room is left serves to take rows away from ${file}, and nothing is added.`, {
    remedy: 'Free space on the disk of the state folder; the store then goes on by itself.',
    isRetryable: true,
  })
}

function settle(waiting: Waiting<never>, outcome: { readonly result: unknown } | { readonly error: unknown } | undefined): void {
  if (outcome === undefined) return
  if ('error' in outcome) waiting.reject(outcome.error)
  else waiting.resolve(outcome.result as never)
}

function overloaded(name: string, rows: number): Fault {
  return new Fault('store.overloaded', `${rows} rows already wait to be written to ${name}.`, {
    remedy: 'Write less, or give the state folder a faster disk: this one cannot keep up.',
    isRetryable: true,
  })
}
