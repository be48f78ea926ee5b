import type { MonotonicMs } from '../../base/clock.ts'
import type { Running } from '../../base/running.ts'
import type { LineCounts } from './line-counts.ts'
import type { Answer, Ask } from './pdu.ts'

/** Who goes first on a line; polls among themselves by deadline, others first come, first served. */
export type Urgency = 'write' | 'read' | 'poll'

export interface AskOptions {
  readonly urgency: Urgency
  /** Takes back a request that has not been sent; one that was is ended by its own deadline. */
  readonly signal?: AbortSignal
  /** Of a poll: when its period is over. The earliest goes first. Absent: a second after it was asked. */
  readonly deadline?: MonotonicMs
  /** Instead of the line's own: how long it may wait for its answer once it is sent. */
  readonly timeoutMs?: number
}

/** A connection to one or more units: a socket or a serial line. */
export interface Line extends Running {
  /** As a person would name the other end. */
  readonly peer: string
  /** False once the connection is lost: nothing can be asked any more. */
  readonly isOpen: boolean
  /** Requests that it makes sense to have open at once. */
  readonly inflightMax: number
  readonly counts?: LineCounts
  /** Rejects with a LineFault where there is no answer. Every request is settled: by its answer, its deadline, or the end of the line. */
  ask(ask: Ask, options: AskOptions): Promise<Answer>
}
