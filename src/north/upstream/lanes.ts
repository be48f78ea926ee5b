import type { Clock } from '../../base/clock.ts'
import type { OutboxRow, UnsentSurvey } from '../../store/contract.ts'
import { Cursor } from './cursor.ts'
import { Pace } from './pace.ts'

/** The part of the store from which lanes read. */
export interface LaneSource {
  /** The oldest rows above `afterId`, in order of their ids. */
  next(afterId: number, rowsMax: number, only?: 'state' | 'others'): Promise<readonly OutboxRow[]>
  /** Absent: everything goes in order. */
  survey?(afterId: number, rowsMax: number, only?: 'state' | 'others'): Promise<UnsentSurvey>
}

export interface LanesOptions {
  readonly source: LaneSource
  /** Whether this upstream has topics of which only the last value counts. */
  readonly hasStates: boolean
  readonly inflightMax: number
  readonly backlogPerSecondMax?: number
  readonly clock: Clock
}

/** A full window whose last row is older is the beginning of a backlog. */
const backlogAgeMs = 5_000
const surveyRows = 5_000
/** Topics that may be watched for their turn; a backlog with more goes in order, without a live lane. */
const blockedMax = 50_000
/** Of the messages under way: kept free for live ones while there is a backlog. */
const liveShare = 0.2

/**
 * Which row goes next. States go first, in their own order. Without a backlog all others go in the order of acceptance. Beside a backlog those of
 * topics that have nothing in it go at once, and those of the others after what their topic has in it: the order of a topic is never broken.
 */
export class Lanes {
  readonly #options: LanesOptions
  readonly #only: 'others' | undefined
  readonly #states: Cursor | undefined
  /** All in order; behind `#live` while there is a backlog. */
  #main: Cursor
  #live: Cursor | undefined
  /** Subjects that must not overtake, with the highest id of theirs that has to go before. */
  #blocked = new Map<string, number>()
  /** Sent by the live lane, and still to be passed by the other. */
  readonly #ahead = new Set<number>()
  #surveyedId: number | undefined
  #isInOrderOnly: boolean
  readonly #pace: Pace

  constructor(options: LanesOptions) {
    const { source, hasStates, clock, backlogPerSecondMax } = options
    this.#options = options
    this.#only = hasStates ? 'others' : undefined
    this.#states = hasStates ? new Cursor((afterId, rows) => source.next(afterId, rows, 'state'), 0) : undefined
    this.#main = this.#cursor(0)
    this.#isInOrderOnly = source.survey === undefined
    this.#pace = new Pace({ clock, ...(backlogPerSecondMax === undefined ? {} : { perSecondMax: backlogPerSecondMax }) })
  }

  /** Whether a backlog is sent beside the live values. */
  get isApart(): boolean {
    return this.#live !== undefined
  }

  /** The next row where one may go now; `free` messages may still be under way. Undefined also where something must be read first. */
  take(free: number): OutboxRow | undefined {
    const state = this.#states?.take()
    if (state !== undefined) {
      this.#pace.live()
      return state
    }
    if (isUnread(this.#states)) return undefined
    if (this.#live === undefined) return this.#main.take()
    const live = this.#takeLive(this.#live)
    return live === undefined && !isUnread(this.#live) ? this.#takeBacklog(this.#live, free) : live
  }

  /** Reads on; false where nothing was to be read. Rejects as the store does, and may then be asked again. */
  async fill(): Promise<boolean> {
    let hasRead = await readOn(this.#states)
    if (this.#surveyedId !== undefined) {
      await this.#survey(this.#surveyedId)
      hasRead = true
    }
    if (this.#live === undefined) {
      if (!(await readOn(this.#main))) return hasRead
      this.#lookForBacklog()
      return true
    }
    hasRead = (await readOn(this.#live)) || hasRead
    hasRead = (await readOn(this.#main)) || hasRead
    if (this.#main.isEmpty && !this.#main.mayHaveMore) this.#join(this.#live)
    return hasRead
  }

  /** Rows have been accepted. */
  wake(): void {
    for (const cursor of [this.#states, this.#live, this.#main]) if (cursor !== undefined) cursor.mayHaveMore = true
  }

  /** The outbox has forgotten these. What the backlog has already read, it must still know. */
  removed(ids: readonly number[]): void {
    if (this.#ahead.size === 0) return
    for (const id of ids) if (id > this.#main.fetchedId) this.#ahead.delete(id)
  }

  #cursor(afterId: number): Cursor {
    return new Cursor((after, rows) => this.#options.source.next(after, rows, this.#only), afterId)
  }

  #takeLive(live: Cursor): OutboxRow | undefined {
    for (let row = live.take(); row !== undefined; row = live.take()) {
      this.#pace.live()
      if (this.#blocked.has(row.subject)) this.#blocked.set(row.subject, row.id)
      else {
        this.#ahead.add(row.id)
        return row
      }
    }
    return undefined
  }

  #takeBacklog(live: Cursor, free: number): OutboxRow | undefined {
    if (free <= Math.floor(this.#options.inflightMax * liveShare)) return undefined
    for (let row = this.#main.peek(); row !== undefined; row = this.#main.peek()) {
      if (row.id > live.takenId) {
        this.#join(live)
        return this.#main.take()
      }
      const isSent = this.#ahead.has(row.id)
      if (!isSent && !this.#pace.mayGo()) return undefined
      this.#main.take()
      if (isSent) {
        this.#ahead.delete(row.id)
        continue
      }
      if ((this.#blocked.get(row.subject) ?? Number.MAX_SAFE_INTEGER) <= row.id) this.#blocked.delete(row.subject)
      return row
    }
    return undefined
  }

  #lookForBacklog(): void {
    const { last } = this.#main
    if (this.#isInOrderOnly || this.#surveyedId !== undefined || last === undefined || !this.#main.isFull) return
    if (this.#options.clock.now() - last.timeMs > backlogAgeMs) this.#surveyedId = 0
  }

  /** One step of finding out which topics have something in the backlog; meanwhile all goes in order. */
  async #survey(afterId: number): Promise<void> {
    const step = await this.#options.source.survey?.(afterId, surveyRows, this.#only)
    if (step === undefined) return
    for (const [subject, id] of step.subjects) this.#blocked.set(subject, id)
    this.#surveyedId = step.lastId
    if (this.#blocked.size > blockedMax) {
      this.#isInOrderOnly = true
      this.#surveyedId = undefined
      this.#blocked = new Map()
    } else if (step.isEnd) this.#part(step.lastId)
  }

  /** From here on live rows go their own way. */
  #part(lastId: number): void {
    this.#surveyedId = undefined
    const sentId = this.#main.takenId
    for (const [subject, id] of this.#blocked) if (id <= sentId) this.#blocked.delete(subject)
    this.#live = this.#cursor(Math.max(lastId, sentId))
  }

  /** The backlog is gone: all goes in order again. */
  #join(live: Cursor): void {
    this.#main = live
    this.#live = undefined
    this.#blocked = new Map()
    this.#ahead.clear()
  }
}

function isUnread(cursor: Cursor | undefined): boolean {
  return cursor?.isEmpty === true && cursor.mayHaveMore
}

async function readOn(cursor: Cursor | undefined): Promise<boolean> {
  if (cursor === undefined || !isUnread(cursor)) return false
  await cursor.fetch()
  return true
}
