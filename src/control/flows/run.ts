import type { EpochMs, MonotonicMs } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { RunRecord, StepRecord } from '../../store/contract.ts'
import type { BreakerPool } from '../breaker-pool.ts'
import type { CompiledFlow } from './compiled.ts'
import type { Question, RunFacts } from './effect.ts'
import { Stopped } from './faults.ts'
import type { Frame } from './frame.ts'
import { freeze } from './frozen.ts'
import type { RunStart } from './kept.ts'
import { type Answer, type By, type Cause, type Decision, isMeantBy, Past, placeOf } from './past.ts'
import type { RunEnd } from './run-end.ts'
import type { RunJournal } from './run-journal.ts'
import type { StepPorts } from './step-ports.ts'
import { onAbort } from './stop.ts'
import type { Turn } from './turn.ts'

export interface RunOptions {
  readonly id: string
  readonly flow: CompiledFlow
  readonly start: RunStart
  readonly begunMs: EpochMs
  /** What an earlier life kept of it. */
  readonly past: readonly StepRecord[]
  readonly isResumed: boolean
  readonly ports: StepPorts
  readonly journal: RunJournal
  readonly breakers: BreakerPool
  readonly turn: Turn
  /** Told what happens in it. */
  readonly tell: (type: string, run: Run, data: Readonly<Record<string, unknown>>) => void
  readonly toldAtEnd: (run: Run, end: RunEnd) => readonly SiteEvent[]
  readonly log: Log
  /** Ends with the daemon. */
  readonly life: AbortSignal
}

type Untold<Of> = Of extends unknown ? Omit<Of, 'run' | 'timeMs'> : never
type Asked = Question & { readonly key: string; readonly sinceMs: EpochMs; readonly answer: (answer: Answer) => void }

/** One run of a flow: where it stands, and who may say what to it. How it goes on is in carry-out.ts and below. */
export class Run {
  readonly id: string
  readonly flow: CompiledFlow
  readonly start: RunStart
  readonly begunMs: EpochMs
  readonly isResumed: boolean
  readonly past: Past
  readonly ports: StepPorts
  readonly breakers: BreakerPool
  readonly life: AbortSignal
  readonly facts: RunFacts
  readonly #options: RunOptions
  readonly #forward = new AbortController()
  readonly #asked = new Map<string, Asked>()
  readonly #left = new Set<string>()
  readonly #onProgress = new Set<() => void>()
  readonly #leavable = new Set<{ readonly key: string; readonly leave: () => void }>()
  #resumed = Promise.withResolvers<void>()
  #heldMs = 0
  #heldSince: MonotonicMs | undefined
  #cancelled: Cause | undefined

  constructor(options: RunOptions) {
    this.#options = options
    this.id = options.id
    this.flow = options.flow
    this.start = options.start
    this.begunMs = options.begunMs
    this.isResumed = options.isResumed
    this.past = new Past(options.past)
    this.ports = options.ports
    this.breakers = options.breakers
    this.life = options.life
    const { parent } = options.start
    const { name, definition } = options.flow
    const depth = parent === undefined ? 0 : parent.depth + 1
    const holder = parent === undefined || this.parent === undefined ? options.id : parent.holder
    this.facts = { id: options.id, flow: name, version: definition.version, depth, holder, log: options.log }
    this.#hold()
  }

  /** Aborted when nothing new may begin on the way forward: on a failure, a cancel, at the end of its time, with the daemon. */
  get forward(): AbortSignal {
    return this.#forward.signal
  }

  /** What a person or the clock has ended it with. */
  get cancelled(): Cause | undefined {
    return this.#cancelled
  }

  get left(): readonly string[] {
    return [...this.#left]
  }

  get questions(): readonly Asked[] {
    return [...this.#asked.values()]
  }

  /** The run that waits for it. Nobody does any more where a person has let it go on again by itself. */
  get parent(): string | undefined {
    return this.past.reopened === undefined ? this.start.parent?.run : undefined
  }

  /** An earlier life of the daemon began it: it has its place, and its locks. */
  get isUnderWay(): boolean {
    return this.isResumed && !this.past.isBlank && this.past.reopened !== 'now'
  }

  /** That it waits for its turn is no news: it did so before the daemon was started. */
  get hasWaited(): boolean {
    return this.isResumed && this.past.reopened !== 'now'
  }

  /** Resolves when it is on disk, and all before it. */
  async keep(record: Untold<RunRecord>): Promise<void> {
    await this.#options.journal.keep(this.#record(record))
  }

  /** The same of its end. What is told of it is kept with it: who waits for that event would wait in vain, were the power to go between the two. */
  async end(end: RunEnd): Promise<void> {
    const record = this.#record({ kind: 'ended', state: end.state, data: JSON.stringify(end) })
    await this.#options.journal.keep(record, this.#options.toldAtEnd(this, end))
  }

  /** Goes to the disk with whatever is kept next. */
  note(record: Untold<RunRecord>): void {
    this.#options.journal.note(this.#record(record))
  }

  decide(key: string, decision: Decision): void {
    this.note({ kind: 'decision', step: key, data: freeze(decision) })
  }

  tell(type: string, step: string, data: Readonly<Record<string, unknown>> = {}): void {
    this.#options.tell(type, this, { step, ...data })
  }

  /** Before each beginning: not while the run is paused, not after it was stopped, not too many in one turn of the loop, not more than the disk bears. */
  async gate({ stop }: Frame): Promise<void> {
    if (stop.aborted) throw new Stopped()
    await this.#options.turn.spend()
    await this.#options.journal.room()
    while (this.past.time.isPaused && !stop.aborted) await this.#untilResumed(stop)
    if (stop.aborted) throw new Stopped()
  }

  /** Resolves with what a person says, once it is kept. */
  async ask(key: string, question: Question): Promise<Answer> {
    const known = this.past.answer(key)
    if (known !== undefined) return known
    // Nobody is asked for what will not be done; what comes after a yes is to be seen.
    if (this.flow.definition.mode === 'shadow') return { verdict: question.kind === 'approve' ? 'approved' : 'repeat', by: 'shadow' }
    const answered = Promise.withResolvers<Answer>()
    const sinceMs = this.ports.clock.now()
    this.#asked.set(key, { ...question, key, sinceMs, answer: answered.resolve })
    this.tell('step.asks', key, { kind: question.kind, role: question.role, text: question.text })
    using _stop = onAbort(question.stop, () => answered.reject(new Stopped()))
    try {
      return await answered.promise
    } finally {
      this.#asked.delete(key)
    }
  }

  onProgress(look: () => void): Disposable {
    this.#onProgress.add(look)
    return { [Symbol.dispose]: () => this.#onProgress.delete(look) }
  }

  progressed(): void {
    for (const look of this.#onProgress) look()
  }

  /** A person must look at this step. */
  leave(key: string): void {
    this.#left.add(key)
  }

  stop(): void {
    this.#forward.abort()
  }

  /** Of a paused run: when it goes on. */
  get resumed(): Promise<void> {
    return this.#resumed.promise
  }

  /** How long it has been paused in this life, wherever the wall clock was set meanwhile. */
  get heldMs(): number {
    return this.#heldMs + (this.#heldSince === undefined ? 0 : this.ports.clock.elapsed() - this.#heldSince)
  }

  async pause(by: By): Promise<void> {
    const kept = this.keep({ kind: 'decision', step: '*', data: JSON.stringify({ order: 'pause', ...by } satisfies Decision) })
    this.#hold()
    await kept
  }

  async resume(by: By): Promise<void> {
    await this.keep({ kind: 'decision', step: '*', data: JSON.stringify({ order: 'resume', ...by } satisfies Decision) })
    this.#heldMs = this.heldMs
    this.#heldSince = undefined
    this.#resumed.resolve()
    this.#resumed = Promise.withResolvers()
  }

  /** It goes backwards from here, or ends as it stands. */
  async cancel(cause: Cause, by: By): Promise<void> {
    if (this.past.cause !== undefined) return
    this.#cancelled ??= cause
    this.#forward.abort()
    await this.keep({ kind: 'decision', step: '*', data: JSON.stringify({ order: 'cancel', cause, ...by } satisfies Decision) })
  }

  async skip(key: string, by: By): Promise<void> {
    await this.keep({ kind: 'decision', step: key, data: JSON.stringify({ order: 'skip', ...by } satisfies Decision) })
    this.tell('step.skipped', key, { ...by })
    const verdict = { verdict: 'done', ...by } as const
    // A write asks at each of its tags: `open/0`.
    for (const [place, asked] of this.#asked) if (asked.kind === 'in-doubt' && isMeantBy(key, placeOf(place))) asked.answer(verdict)
    for (const one of this.#leavable) if (isMeantBy(key, one.key)) one.leave()
  }

  /** A step under way that need not be waited for where a person skips it. */
  leavable(key: string, leave: () => void): Disposable {
    const one = { key, leave }
    this.#leavable.add(one)
    return { [Symbol.dispose]: () => this.#leavable.delete(one) }
  }

  async answer(key: string, answer: Answer): Promise<void> {
    const asked = this.#asked.get(key)
    await this.keep({ kind: 'decision', step: key, data: JSON.stringify({ order: 'answer', ...answer } satisfies Decision) })
    asked?.answer(answer)
  }

  #record(untold: Untold<RunRecord>): RunRecord {
    const record = { ...untold, run: this.id, timeMs: this.ports.clock.now() } as RunRecord
    if (record.kind === 'intent' || record.kind === 'outcome' || record.kind === 'decision') this.past.take(record)
    return record
  }

  #hold(): void {
    if (this.past.time.isPaused) this.#heldSince ??= this.ports.clock.elapsed()
  }

  async #untilResumed(stop: AbortSignal): Promise<void> {
    const stopped = Promise.withResolvers<void>()
    using _stop = onAbort(stop, stopped.resolve)
    await Promise.race([this.#resumed.promise, stopped.promise])
  }
}
