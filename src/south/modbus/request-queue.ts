import type { Fault } from '../../base/fault.ts'
import type { Urgency } from './line.ts'
import type { Answer, Ask } from './pdu.ts'

/** A request that has not been sent. */
export interface Waiting {
  readonly ask: Ask
  readonly resolve: (answer: Answer) => void
  readonly reject: (fault: Fault) => void
}

export interface WaitingOptions {
  readonly urgency: Urgency
  readonly signal?: AbortSignal
  /** Called when the signal takes the request out of the queue. */
  readonly abandon?: () => void
}

/** After so many urgent requests running one poll goes between, so that a flood of writes cannot blind the line. */
const urgentRunMax = 8

/** Writes before reads before polls. */
export class RequestQueue {
  readonly #waitingMax: number
  readonly #waiting: Readonly<Record<Urgency, Waiting[]>> = { write: [], read: [], poll: [] }
  readonly #listening = new Map<Waiting, () => void>()
  #urgentRun = 0

  constructor(options: { readonly waitingMax: number }) {
    this.#waitingMax = options.waitingMax
  }

  get size(): number {
    const { write, read, poll } = this.#waiting
    return write.length + read.length + poll.length
  }

  get isFull(): boolean {
    return this.size >= this.#waitingMax
  }

  push(waiting: Waiting, { urgency, signal, abandon }: WaitingOptions): void {
    const queue = this.#waiting[urgency]
    queue.push(waiting)
    if (signal === undefined) return
    const stop = (): void => {
      this.#listening.delete(waiting)
      queue.splice(queue.indexOf(waiting), 1)
      abandon?.()
    }
    signal.addEventListener('abort', stop, { once: true })
    this.#listening.set(waiting, () => signal.removeEventListener('abort', stop))
  }

  take(): Waiting | undefined {
    const { write, read, poll } = this.#waiting
    const isPollsTurn = this.#urgentRun >= urgentRunMax && poll.length > 0
    const urgent = isPollsTurn ? undefined : (write.shift() ?? read.shift())
    this.#urgentRun = urgent === undefined ? 0 : this.#urgentRun + 1
    const next = urgent ?? poll.shift()
    if (next !== undefined) this.#unlisten(next)
    return next
  }

  takeAll(): readonly Waiting[] {
    const all = Object.values(this.#waiting).flatMap((queue) => queue.splice(0))
    for (const waiting of all) this.#unlisten(waiting)
    return all
  }

  #unlisten(waiting: Waiting): void {
    if (this.#listening.size === 0) return
    this.#listening.get(waiting)?.()
    this.#listening.delete(waiting)
  }
}
