import type { Clock } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'
import { closedByUs, deafLine, lostWith, otherTerms } from './faults.ts'
import type { AskOptions, Line } from './line.ts'
import { LineCounts } from './line-counts.ts'
import type { Answer, Ask } from './pdu.ts'
import { UnitBreaker } from './unit-breaker.ts'

/** What outlives the connections of a line. */
export interface LineRecord {
  readonly units: UnitBreaker
  readonly counts: LineCounts
}

/** A line as one of its lessees has it. Disposing of it gives it back. */
export interface LeasedLine extends Line, LineRecord {
  /** Of all who share the line just now, one alone: who speaks for it. */
  readonly isFirst: boolean
  readonly counts: LineCounts
}

export interface LeaseOptions {
  /** The same for all that share the line. */
  readonly key: string
  /** How the line is set, as a text: a line is never had in another way than was asked for. */
  readonly terms: string
  readonly clock: Clock
  /** Limits the wait for the line, not the lease. */
  readonly signal: AbortSignal
  /** Opens the line; `signal` is over when nobody waits for it any more. */
  readonly open: (record: LineRecord, signal: AbortSignal) => Promise<Line>
}

/** Lines that were once open and are remembered: more than any site has. The oldest that nobody uses is forgotten. */
const recordsMax = 1_024

interface Shared {
  readonly record: LineRecord
  readonly terms: string
  readonly stop: AbortController
  readonly opening: Promise<Line>
  /** Rejects when nobody on the line answers any more. */
  readonly deaf: PromiseWithResolvers<never>
  /** To the breaker, which outlives the line. */
  listening?: Disposable
  readonly lessees: Set<object>
}

/** One owner for each serial port and each connection: whoever comes second shares it, and it is closed when the last one leaves. */
export class LinePool {
  readonly #records = new Map<string, LineRecord>()
  readonly #lines = new Map<string, Shared>()
  /** A line is not opened again before it is closed: a port has one owner, and a device two connections at the most. */
  readonly #closing = new Map<string, Promise<void>>()

  async lease(options: LeaseOptions): Promise<LeasedLine> {
    const { key, terms, signal } = options
    signal.throwIfAborted()
    const shared = this.#lines.get(key) ?? this.#open(options)
    if (shared.terms !== terms) throw otherTerms(key)
    const lessee = {}
    shared.lessees.add(lessee)
    const leave = async (): Promise<void> => {
      shared.lessees.delete(lessee)
      if (shared.lessees.size === 0) await this.#close(key, shared)
      else if (this.#lines.get(key) !== shared) await this.#closing.get(key)
    }
    try {
      const line = await unlessAborted(shared.opening, signal)
      return new Lease({
        ...shared.record,
        line,
        failure: Promise.race([line.failure, shared.deaf.promise]),
        leave,
        isFirst: () => shared.lessees.values().next().value === lessee,
      })
    } catch (error) {
      await leave()
      throw error
    }
  }

  #open({ key, terms, open, clock }: LeaseOptions): Shared {
    const stop = new AbortController()
    const record = this.#recordOf(key, clock)
    const before = this.#closing.get(key) ?? Promise.resolve()
    const opening = before.then(() => open(record, stop.signal))
    const deaf = Promise.withResolvers<never>()
    deaf.promise.catch(() => {}) // seen by the lessees
    const shared: Shared = { record, terms, stop, opening, deaf, lessees: new Set() }
    this.#lines.set(key, shared)
    const forget = (): void => {
      if (this.#lines.get(key) === shared) this.#lines.delete(key)
    }
    opening.then((line) => {
      // Each of several lessees alone would leave a deaf line and join it again, and nobody would ever open it anew.
      shared.listening = record.units.reopened(() => {
        deaf.reject(deafLine(line.peer))
        void this.#close(key, shared)
      })
      line.failure.catch(() => {
        forget()
        void this.#close(key, shared)
      })
    }, forget)
    return shared
  }

  /** Resolves when the line is closed; once is enough, more do no harm. */
  async #close(key: string, shared: Shared): Promise<void> {
    shared.stop.abort()
    if (this.#lines.get(key) === shared) this.#lines.delete(key)
    const before = this.#closing.get(key)
    const closing = Promise.all([before, shared.opening.then((line) => line[Symbol.asyncDispose]()).catch(() => {})]).then(() => {})
    this.#closing.set(key, closing)
    await closing
    shared.listening?.[Symbol.dispose]()
    if (this.#closing.get(key) === closing) this.#closing.delete(key)
  }

  #recordOf(key: string, clock: Clock): LineRecord {
    const record = this.#records.get(key) ?? { units: new UnitBreaker({ clock }), counts: new LineCounts(clock) }
    this.#records.delete(key)
    this.#records.set(key, record)
    if (this.#records.size > recordsMax) this.#forgetOldest()
    return record
  }

  #forgetOldest(): void {
    const oldest = [...this.#records.keys()].find((key) => !this.#lines.has(key))
    if (oldest !== undefined) this.#records.delete(oldest)
  }
}

interface Lent {
  readonly line: Line
  readonly failure: Promise<never>
  readonly units: UnitBreaker
  readonly counts: LineCounts
  readonly leave: () => Promise<void>
  readonly isFirst: () => boolean
}

class Lease implements LeasedLine {
  readonly failure: Promise<never>
  readonly #lent: Lent
  readonly #fail: (loss: Fault) => void
  #loss: Fault | undefined
  #left: Promise<void> | undefined

  constructor(lent: Lent) {
    this.#lent = lent
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {}) // seen by whoever watches
    this.failure = promise
    this.#fail = reject
    lent.failure.catch((loss: Fault) => this.#end(loss))
  }

  get peer(): string {
    return this.#lent.line.peer
  }

  get isOpen(): boolean {
    return this.#loss === undefined && this.#lent.line.isOpen
  }

  get inflightMax(): number {
    return this.#lent.line.inflightMax
  }

  get isFirst(): boolean {
    return this.#lent.isFirst()
  }

  get units(): UnitBreaker {
    return this.#lent.units
  }

  get counts(): LineCounts {
    return this.#lent.counts
  }

  ask(ask: Ask, options: AskOptions): Promise<Answer> {
    return this.#loss === undefined ? this.#lent.line.ask(ask, options) : Promise.reject(lostWith(this.#loss, false))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#loss ??= closedByUs(this.peer)
    this.#left ??= this.#lent.leave()
    await this.#left
  }

  #end(loss: Fault): void {
    if (this.#loss !== undefined) return
    this.#loss = loss
    this.#fail(loss)
  }
}

async function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const stop = (): void => reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
