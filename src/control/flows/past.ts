import type { PlainFault } from '../../base/fault.ts'
import type { StepRecord, StepStatus } from '../../store/contract.ts'
import { type Again, countedAgain, notAgain } from './done-again.ts'
import { revive } from './frozen.ts'
import { RunTime } from './run-time.ts'

/** What is known of a part of a run: of a step, or of one write of a step that has several. */
export interface Part {
  /** As it was frozen. Values are computed once: a run that goes on after a crash must not compute them anew. */
  readonly intent?: string
  /** An intent was kept, and what became of it is not known. */
  readonly isInDoubt: boolean
  readonly status?: Exclude<StepStatus, 'retrying'>
  readonly result?: unknown
  readonly fault?: PlainFault
  /** That have failed. */
  readonly attempts: number
  /** Its place among all records of the run: undo goes backwards along it. */
  readonly order: number
}

/** Why a run goes backwards. */
export interface Cause {
  readonly state: 'failed' | 'cancelled'
  readonly step?: string
  readonly fault?: PlainFault
  /** A person may want to leave the plant as it stands. */
  readonly isUndone: boolean
}

/** How a step failed, for those who look at it because the flow goes on. */
export interface ToldFailure {
  /** The step that failed first: itself, or one below it. */
  readonly step: string
  readonly status: 'failed' | 'unknown'
  readonly code: string
  readonly message: string
  readonly remedy: string
  readonly attempts: number
}

/** How the step of this key failed, and how often it had failed before. */
export function toldFailure(key: string, { status, fault, attempts }: Omit<FailedPart, 'isInDoubt' | 'order'>): ToldFailure {
  const { code, message, remedy } = fault
  return { step: stepIdOf(lastOf(key)), status, code, message, remedy, attempts: attempts + 1 }
}

type FailedPart = Part & { readonly status: ToldFailure['status']; readonly fault: PlainFault }

function hasFailed(part: Part): part is FailedPart {
  return part.fault !== undefined
}

/** Who decided, and why. */
export interface By {
  readonly by: string
  readonly why?: string
}

/** What a person says where a run asks. */
export interface Answer extends By {
  readonly verdict: 'done' | 'failed' | 'repeat' | 'approved' | 'rejected'
}

/** What is to be heeded once it is the turn of the run: by it nothing is done, and a run that waits for its turn goes on waiting. */
type Said = { readonly order: 'pause' | 'resume' | 'skip' } & By

/** The data of a decision record. */
export type Decision =
  | Said
  | ({ readonly order: 'settle' } & By)
  /** Kept before it is obeyed: a power cut in between does not let the run go on. The first journals hold none of the cause. */
  | ({ readonly order: 'cancel'; readonly cause?: Cause } & By)
  /** `isAnew`: under keys of its own. The first journals hold none: what was done again had the keys of the first time, and is known by them. */
  | ({ readonly order: 'retry'; readonly steps: readonly string[]; readonly isAnew?: true } & By)
  | ({ readonly order: 'answer' } & Answer)
  /** Which way a switch, an each or a parallel went. */
  | { readonly order: 'way'; readonly way: unknown }
  /** Of what stands below a step several may fail: which of them was the first. */
  | { readonly order: 'failure'; readonly failure: ToldFailure }
  | { readonly order: 'unwind'; readonly cause: Cause }

function isSaid(decision: Decision): decision is Said {
  return decision.order === 'pause' || decision.order === 'resume' || decision.order === 'skip'
}

/** What the journal says of a run, put together: it is all that a run goes by, in its first life as in a later one. */
export class Past {
  readonly vars: Record<string, unknown> = {}
  readonly time = new RunTime()
  readonly #parts = new Map<string, Part>()
  readonly #ways = new Map<string, unknown>()
  readonly #failures = new Map<string, ToldFailure>()
  readonly #skipped = new Set<string>()
  readonly #answers = new Map<string, Answer>()
  /** Few runs have any. */
  #again: ReadonlyMap<string, Again> | undefined
  #cause: Cause | undefined
  /** Behind it the run goes backwards. */
  #causeOrder = Number.POSITIVE_INFINITY
  #order = 0
  #reopenedOrder: number | undefined

  constructor(records: readonly StepRecord[]) {
    for (const record of records) this.take(record)
  }

  /** Set once the run goes backwards. */
  get cause(): Cause | undefined {
    return this.#cause
  }

  /** Steps of which something was taken back since the run went backwards: not the branches that it did without before. */
  get undone(): ReadonlySet<string> {
    const isUndo = (key: string, { order, status }: Part): boolean => key.includes('~') && order > this.#causeOrder && status !== 'skipped'
    return new Set([...this.#parts].flatMap(([key, part]) => (isUndo(key, part) ? [stepIdOf(key)] : [])))
  }

  /** Whether anything has been done, or may have been. */
  get isBlank(): boolean {
    return this.#order === 0
  }

  /** A person has let it go on again; `now` where it has not begun to, and has no place and no locks. */
  get reopened(): 'now' | 'before' | undefined {
    if (this.#reopenedOrder === undefined) return undefined
    return this.#order === this.#reopenedOrder ? 'now' : 'before'
  }

  get parts(): ReadonlyMap<string, Part> {
    return this.#parts
  }

  part(key: string): Part | undefined {
    return this.#parts.get(key)
  }

  way(key: string): unknown {
    return this.#ways.get(key)
  }

  failure(key: string): ToldFailure | undefined {
    return this.#failures.get(key)
  }

  /** Of a step by itself: a write that has failed is one of several parts, and a condition that was unknown has failed for all of them. */
  failedPart(key: string): FailedPart | undefined {
    let part = this.#parts.get(key) ?? this.#parts.get(`${key}/0`)
    for (let place = 1; part !== undefined && !hasFailed(part); place += 1) part = this.#parts.get(`${key}/${place}`)
    return part
  }

  isSkipped(key: string): boolean {
    return this.#skipped.size > 0 && [...this.#skipped].some((said) => isMeantBy(said, key))
  }

  /** How a step has ended that a person names; undefined where it has not, in one of its places at the least. */
  endOf(said: string): Part['status'] {
    const own = [...this.#parts].flatMap(([key, part]) => (placeOf(key) === said || lastOf(placeOf(key)) === said ? [part] : []))
    return own.every(({ status }) => status !== undefined) ? own.at(-1)?.status : undefined
  }

  again(key: string): Again {
    return this.#again?.get(key) ?? notAgain
  }

  answer(key: string): Answer | undefined {
    return this.#answers.get(key)
  }

  take(record: StepRecord): void {
    const decision = record.kind === 'decision' ? (revive(record.data) as Decision) : undefined
    if (decision !== undefined && isSaid(decision)) {
      this.#hear(record, decision)
      return
    }
    this.#order += 1
    this.time.begin(record.timeMs)
    switch (record.kind) {
      case 'intent':
        this.#parts.set(record.step, {
          intent: record.data,
          isInDoubt: true,
          attempts: this.#parts.get(record.step)?.attempts ?? 0,
          order: this.#order,
        })
        return
      case 'outcome':
        this.#takeOutcome(record)
        return
      case 'decision':
        if (decision !== undefined) this.#decide(record, decision)
        return
      default:
        record satisfies never
    }
  }

  #hear({ step, timeMs }: StepRecord, { order }: Said): void {
    if (order === 'pause') this.time.pause(timeMs)
    else if (order === 'resume') this.time.resume(timeMs)
    else this.#skipped.add(step)
  }

  #takeOutcome({ step, status, data }: Extract<StepRecord, { readonly kind: 'outcome' }>): void {
    const before = this.#parts.get(step)
    const attempts = before?.attempts ?? 0
    const order = this.#order
    if (status === 'retrying') {
      const intent = before?.intent === undefined ? {} : { intent: before.intent }
      this.#parts.set(step, { ...intent, isInDoubt: false, attempts: attempts + 1, order })
      return
    }
    const known = { isInDoubt: status === 'unknown', status, attempts, order }
    if (status === 'failed' || status === 'unknown') {
      this.#parts.set(step, { ...known, fault: JSON.parse(data) as PlainFault })
      return
    }
    const { result, vars } = revive(data) as { readonly result?: unknown; readonly vars?: Readonly<Record<string, unknown>> }
    if (vars !== undefined) Object.assign(this.vars, vars)
    this.#parts.set(step, result === undefined ? known : { ...known, result })
  }

  #decide({ step, timeMs }: StepRecord, decision: Exclude<Decision, Said>): void {
    switch (decision.order) {
      case 'answer':
        this.#answers.set(step, decision)
        return
      case 'way':
        this.#ways.set(step, decision.way)
        return
      case 'failure':
        this.#failures.set(step, decision.failure)
        return
      case 'unwind':
        this.#goBack(decision.cause)
        return
      case 'retry':
        this.#forget(new Set(decision.steps), decision)
        this.time.forget(timeMs)
        this.#reopenedOrder = this.#order
        return
      case 'cancel':
        if (this.#reopenedOrder === this.#order - 1) this.#reopenedOrder = this.#order // it waits for its turn as before
        this.#goBack(this.#cause ?? decision.cause)
        return
      case 'settle':
        return
      default:
        decision satisfies never
    }
  }

  #goBack(cause: Cause | undefined): void {
    if (cause === undefined) return
    this.#cause = cause
    this.#causeOrder = Math.min(this.#causeOrder, this.#order)
  }

  /** These steps are to be done again, and what was undone of them to be undone again. */
  #forget(steps: ReadonlySet<string>, { isAnew }: { readonly isAnew?: true }): void {
    this.#cause = undefined
    this.#causeOrder = Number.POSITIVE_INFINITY
    const begun = [...this.#parts].filter(([key]) => steps.has(stepIdOf(key)))
    if (isAnew === true && begun.length > 0) this.#again = countedAgain(this.#again, begun)
    for (const known of [this.#parts, this.#ways, this.#failures, this.#answers, this.#skipped]) {
      for (const key of known.keys()) if (steps.has(stepIdOf(key))) known.delete(key)
    }
  }
}

/**
 * Whether a person who says `close`, `close@2` or `open~close` means the step of this key: a name alone stands for all rounds of an each. No two steps
 * of a flow have one name, those of undo included.
 */
export function isMeantBy(said: string, key: string): boolean {
  return said === key || lastOf(key) === said || lastOf(key).replace(/@.*/, '') === said
}

/** `close@2` of `open@1~close@2`. */
function lastOf(key: string): string {
  return key.slice(key.lastIndexOf('~') + 1)
}

/** `open` of `open/0`, which is one write of several. */
export function placeOf(key: string): string {
  return key.replace(/\/\d+$/, '')
}

/** Of a key such as `open/0`, `open@2.0` (in the third round of an each) or `open~close` (an undo step of it). */
export function stepIdOf(key: string): string {
  return /^[^@/~]+/.exec(key)?.[0] ?? key
}
