import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Concurrency, Priority } from './definition.ts'

/** A run that wants to begin. */
export interface Start {
  readonly run: string
  readonly flow: string
  /** Runs of one group share the limit: a flow, or what its `per` gives. */
  readonly group: string
  readonly concurrency: Concurrency
  readonly priority: Priority
  readonly locks: readonly string[]
  /** Whose locks these are: a run that another one waits for has those of that one. */
  readonly holder: string
  /** It was under way in an earlier life: it takes its place without asking for room. */
  readonly isExempt: boolean
  /** It is in the journal, since an earlier life or from before its end: it waits for its turn, and is not refused. */
  readonly isKept?: boolean
  /** Resolves when it has ended. Never rejects. */
  readonly begin: () => Promise<void>
  /** It waits no more, and will not begin. Without it: it has done something, which is not forgotten but taken back when it is its turn. */
  readonly giveWay?: () => void
}

export type Verdict = 'begun' | 'queued' | 'no-room' | 'overloaded' | 'dropped'

export interface StartsOptions {
  readonly clock: Clock
  /** Why the machine can take no more than it must; undefined where it can. */
  readonly pressure: () => string | undefined
  /** To make room: a run under way is to end with its undo, one that waits is to be taken back, and the journal to say why. */
  readonly cancel: (run: string) => void
}

/**
 * How long a start of one class may be overtaken by those of the classes above. As waiting time counts for all alike, who comes before whom is settled
 * when they ask: a low one stands behind every high one of the next two minutes, and before all later ones.
 */
const patienceMs: Readonly<Record<Priority, number>> = { critical: 0, high: 10_000, normal: 30_000, low: 120_000 }
/** Runs under way at once, whatever their flows allow. */
const runsMax = 2_000
/** Starts that wait, of all flows together, and of one: `per` gives each of its results a queue, and whoever names them must leave room for other flows. */
const waitingMax = 10_000
const waitingOfFlowMax = 5_000
/** Runs that begin in one turn of the loop. */
const beginsPerTurn = 20

interface Waiting {
  readonly start: Start
  readonly rank: number
}

/** Who begins when. Locks are taken all at once, and whoever waits for one is not overtaken by those behind, so nobody waits for anybody in a circle. */
export class Starts {
  readonly #options: StartsOptions
  readonly #waiting: Waiting[] = []
  /** Of them `mayGive`: by group, those that `queue` counts. */
  readonly #waitingOf = { flow: new Map<string, number>(), group: new Map<string, number>(), mayGive: new Map<string, number>() }
  readonly #running = new Map<string, Start>()
  readonly #inGroup = new Map<string, number>()
  readonly #locks = new Map<string, { readonly holder: string; count: number }>()
  #isPlanned = false

  constructor(options: StartsOptions) {
    this.#options = options
  }

  get waiting(): number {
    return this.#waiting.length
  }

  get running(): number {
    return this.#running.size
  }

  waitingOf(flow: string): number {
    return this.#waitingOf.flow.get(flow) ?? 0
  }

  offer(start: Start): Verdict {
    if (start.isExempt) return this.#exempt(start)
    const isKept = start.isKept === true
    if (!isKept && start.priority === 'low' && this.#options.pressure() !== undefined) return 'overloaded'
    const isFree = this.#isFirst(start)
    if (isFree) {
      this.#begin(start)
      return 'begun'
    }
    return isKept ? this.#queued(start) : this.#unlessFull(start)
  }

  #queued(start: Start): Verdict {
    this.#enqueue(start)
    return 'queued'
  }

  #unlessFull(start: Start): Verdict {
    const { overflow, queueMax } = start.concurrency
    if (overflow === 'drop') return 'dropped'
    const isFull = (this.#waitingOf.mayGive.get(start.group) ?? 0) >= queueMax
    if (isFull && overflow === 'queue') return 'no-room'
    const hasReplaced = isFull && this.#replaceOldest(start)
    if (this.#waiting.length >= waitingMax || this.waitingOf(start.flow) >= Math.max(waitingOfFlowMax, queueMax)) return 'overloaded'
    if (isFull && !hasReplaced) this.#endOneOf(start)
    return this.#queued(start)
  }

  /** Takes a start back that has not begun; `before` is done where it waits still, and before it gives way. */
  withdraw(run: string, before?: () => void): boolean {
    const place = this.#waiting.findIndex(({ start }) => start.run === run)
    const giveWay = this.#waiting[place]?.start.giveWay
    if (giveWay === undefined) return false
    before?.()
    this.#take(place)
    giveWay()
    this.#plan()
    return true
  }

  /** A run under way already has its locks and its place; what it lacks it takes as soon as that is free. */
  #exempt(start: Start): Verdict {
    if (this.#hasLocks(start, new Set())) {
      this.#begin(start)
      return 'begun'
    }
    return this.#queued(start)
  }

  #isFirst(start: Start): boolean {
    if (!this.#hasRoom(start)) return false
    const rank = this.#rankOf(start)
    const claimed = new Set<string>()
    for (const { start: other, rank: otherRank } of this.#waiting) {
      if (otherRank > rank) break
      if (other.group === start.group) return false
      for (const lock of other.locks) claimed.add(lock)
    }
    return this.#hasLocks(start, claimed)
  }

  #rankOf({ priority, isExempt }: Start): number {
    return isExempt ? Number.NEGATIVE_INFINITY : this.#options.clock.elapsed() + patienceMs[priority]
  }

  #enqueue(start: Start): void {
    const rank = this.#rankOf(start)
    this.#waiting.splice(placeBehind(this.#waiting, rank), 0, { start, rank })
    this.#count(start, 1)
  }

  /** Out of the queue. */
  #take(place: number): Start | undefined {
    const [taken] = this.#waiting.splice(place, 1)
    if (taken === undefined) return undefined
    this.#count(taken.start, -1)
    return taken.start
  }

  #count({ flow, group, giveWay }: Start, change: number): void {
    count(this.#waitingOf.flow, flow, change)
    count(this.#waitingOf.group, group, change)
    if (giveWay !== undefined) count(this.#waitingOf.mayGive, group, change)
  }

  #hasRoom({ group, concurrency, isExempt }: Start): boolean {
    return isExempt || (this.#running.size < runsMax && (this.#inGroup.get(group) ?? 0) < concurrency.limit)
  }

  #hasLocks({ locks, holder }: Start, claimed: ReadonlySet<string>): boolean {
    return locks.every((lock) => {
      const held = this.#locks.get(lock)
      return held === undefined ? !claimed.has(lock) : held.holder === holder
    })
  }

  /** Only in its own group: what is kept apart does not push each other out. What has done something is no start that a newer one makes needless. */
  #replaceOldest({ group }: Start): boolean {
    const oldest = this.#waiting.find(({ start }) => start.group === group && start.giveWay !== undefined)
    if (oldest !== undefined) this.#options.cancel(oldest.start.run)
    return oldest !== undefined
  }

  #endOneOf({ group }: Start): void {
    const running = this.#running.values().find((other) => other.group === group)
    if (running !== undefined) this.#options.cancel(running.run)
  }

  #begin(start: Start): void {
    this.#running.set(start.run, start)
    this.#inGroup.set(start.group, (this.#inGroup.get(start.group) ?? 0) + 1)
    for (const lock of start.locks) {
      const held = this.#locks.get(lock)
      if (held === undefined) this.#locks.set(lock, { holder: start.holder, count: 1 })
      else held.count += 1
    }
    void start.begin().finally(() => this.#ended(start))
  }

  #ended(start: Start): void {
    this.#running.delete(start.run)
    const left = (this.#inGroup.get(start.group) ?? 1) - 1
    if (left === 0) this.#inGroup.delete(start.group)
    else this.#inGroup.set(start.group, left)
    for (const lock of start.locks) this.#release(lock)
    this.#plan()
  }

  #release(lock: string): void {
    const held = this.#locks.get(lock)
    if (held === undefined) return
    held.count -= 1
    if (held.count === 0) this.#locks.delete(lock)
  }

  #plan(): void {
    if (this.#isPlanned || this.#waiting.length === 0) return
    this.#isPlanned = true
    setImmediate(() => {
      this.#isPlanned = false
      this.#admit()
    })
  }

  /** From the first on, and no further than to where every group that waits has been found full: the queue may be long. */
  #admit(): void {
    const claimed = new Set<string>()
    const full = new Set<string>()
    let begun = 0
    for (let place = 0; full.size < this.#waitingOf.group.size; ) {
      const start = this.#waiting[place]?.start
      if (start === undefined) return
      if (!this.#hasRoom(start)) {
        full.add(start.group) // its locks are not claimed: it could not begin if it had them
        place += 1
      } else if (!this.#hasLocks(start, claimed)) {
        for (const lock of start.locks) claimed.add(lock)
        place += 1
      } else if (begun >= beginsPerTurn) {
        this.#plan()
        return
      } else {
        begun += 1
        this.#take(place)
        this.#begin(start)
      }
    }
  }
}

/** Behind all that are no later; they stand in order. */
function placeBehind(waiting: readonly Waiting[], rank: number): number {
  let low = 0
  for (let high = waiting.length; low < high; ) {
    const middle = (low + high) >> 1
    if ((waiting[middle]?.rank ?? 0) > rank) high = middle
    else low = middle + 1
  }
  return low
}

function count(counts: Map<string, number>, key: string, change: number): void {
  const left = (counts.get(key) ?? 0) + change
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}

/** Starts a second of one flow, and how many may come at once: a flow that begins itself over and over must not be all that the gateway does. */
const startsPerSecond = 200
const startsAtOnce = 1_000

/** A bucket of starts that fills with time. */
export class StartRate {
  readonly #clock: Clock
  #tokens = startsAtOnce
  #filledAt: MonotonicMs

  constructor(clock: Clock) {
    this.#clock = clock
    this.#filledAt = clock.elapsed()
  }

  take(): boolean {
    const now = this.#clock.elapsed()
    this.#tokens = Math.min(startsAtOnce, this.#tokens + ((now - this.#filledAt) / 1_000) * startsPerSecond)
    this.#filledAt = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
