import type { Running } from '../../base/running.ts'
import type { Answer, Ask } from './pdu.ts'

/** Who goes first on a line; within one urgency, first come, first served. */
export type Urgency = 'write' | 'read' | 'poll'

export interface AskOptions {
  readonly urgency: Urgency
  /** Takes back a request that has not been sent; one that was is ended by its own deadline. */
  readonly signal?: AbortSignal
}

/** A connection to one or more units: TCP here, a serial line elsewhere. */
export interface Line extends Running {
  /** As a person would name the other end. */
  readonly peer: string
  /** False once the connection is lost: nothing can be asked any more. */
  readonly isOpen: boolean
  /** Requests that it makes sense to have open at once. */
  readonly inflightMax: number
  /** Rejects with a LineFault where there is no answer. Every request is settled: by its answer, its deadline, or the end of the line. */
  ask(ask: Ask, options: AskOptions): Promise<Answer>
}
