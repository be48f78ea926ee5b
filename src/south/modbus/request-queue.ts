import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'
import { abandoned, lineBusy, lostWith } from './faults.ts'
import type { AskOptions, Urgency } from './line.ts'
import type { LineCounts } from './line-counts.ts'
import type { Answer, Ask } from './pdu.ts'
import type { UnitBreaker } from './unit-breaker.ts'

/** A request that has not been sent. */
export interface Waiting {
  readonly ask: Ask
  readonly timeoutMs: number
  readonly deadline: MonotonicMs
  readonly resolve: (answer: Answer) => void
  readonly reject: (fault: Fault) => void
}

interface Queued extends Waiting {
  /** Where somebody may give it up while it waits. */
  readonly unlisten?: () => void
}

export interface RequestQueueOptions {
  readonly peer: string
  readonly timeoutMs: number
  readonly clock: Clock
  readonly counts: LineCounts
  /** Tells at the moment of sending which units are left alone. */
  readonly units?: UnitBreaker
}

/** Requests of one line that may wait to be sent; one more is refused. */
const waitingMax = 1_024
/** After so many urgent requests running one poll goes between, so that a flood of writes cannot blind the line. */
const urgentRunMax = 8
const deadlineOfOthersMs = 1_000

/** What goes over a line next: writes before reads before polls, and of the polls the one whose period ends first. No poll is starved: later ones have later deadlines. */
export class RequestQueue {
  readonly #options: RequestQueueOptions
  readonly #waiting: Readonly<Record<Urgency, Queued[]>> = { write: [], read: [], poll: [] }
  #urgentRun = 0
  #loss: Fault | undefined

  constructor(options: RequestQueueOptions) {
    this.#options = options
  }

  get size(): number {
    const { write, read, poll } = this.#waiting
    return write.length + read.length + poll.length
  }

  ask(ask: Ask, options: AskOptions): Promise<Answer> {
    const { peer } = this.#options
    if (this.#loss !== undefined) return Promise.reject(lostWith(this.#loss, false))
    if (this.size >= waitingMax) return Promise.reject(lineBusy(peer, waitingMax))
    if (options.signal?.aborted === true) return Promise.reject(abandoned(peer))
    return new Promise((resolve, reject) => this.#push({ ask, resolve, reject, ...this.#times(options) }, options))
  }

  /** The next to be sent. `isHeld`: units that must wait a little, whose requests stay. */
  take(isHeld?: (unit: number) => boolean): Waiting | undefined {
    const { units, counts } = this.#options
    for (let next = this.#next(isHeld); next !== undefined; next = this.#next(isHeld)) {
      next.unlisten?.()
      const down = units?.claim(next.ask.unit)
      if (down === undefined) return next
      counts.spared += 1
      next.reject(down)
    }
    return undefined
  }

  /** Nothing waits any more, and nothing will. */
  end(loss: Fault): void {
    this.#loss ??= loss
    for (const waiting of Object.values(this.#waiting).flatMap((queue) => queue.splice(0))) {
      waiting.unlisten?.()
      waiting.reject(lostWith(loss, false))
    }
  }

  #times({ deadline, timeoutMs }: AskOptions): Pick<Waiting, 'deadline' | 'timeoutMs'> {
    return {
      deadline: deadline ?? ((this.#options.clock.elapsed() + deadlineOfOthersMs) as MonotonicMs),
      timeoutMs: timeoutMs ?? this.#options.timeoutMs,
    }
  }

  #push(waiting: Waiting, { urgency, signal }: AskOptions): void {
    const queue = this.#waiting[urgency]
    const stop = (): void => {
      queue.splice(queue.indexOf(queued), 1)
      waiting.reject(abandoned(this.#options.peer))
    }
    signal?.addEventListener('abort', stop, { once: true })
    const queued: Queued = signal === undefined ? waiting : { ...waiting, unlisten: () => signal.removeEventListener('abort', stop) }
    if (urgency === 'poll') insert(queue, queued)
    else queue.push(queued)
  }

  #next(isHeld?: (unit: number) => boolean): Queued | undefined {
    const { write, read, poll } = this.#waiting
    const polled = this.#urgentRun >= urgentRunMax ? pull(poll, isHeld) : undefined
    const urgent = polled === undefined ? (pull(write, isHeld) ?? pull(read, isHeld)) : undefined
    this.#urgentRun = urgent === undefined ? 0 : this.#urgentRun + 1
    return polled ?? urgent ?? pull(poll, isHeld)
  }
}

/** Behind those of the same deadline; mostly that is the end. */
function insert(queue: Queued[], waiting: Queued): void {
  const before = queue.findLastIndex(({ deadline }) => deadline <= waiting.deadline)
  queue.splice(before + 1, 0, waiting)
}

function pull(queue: Queued[], isHeld?: (unit: number) => boolean): Queued | undefined {
  if (isHeld === undefined) return queue.shift()
  const place = queue.findIndex(({ ask }) => !isHeld(ask.unit))
  return place < 0 ? undefined : queue.splice(place, 1)[0]
}
