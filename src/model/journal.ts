import type { EpochMs } from '../base/clock.ts'
import type { SiteEvent } from './event.ts'

/** An event as the journal holds it. */
export type JournalEvent = SiteEvent & {
  /** Grows without being reused: the order of the journal. */
  readonly id: number
  /** Of its CloudEvent: the same wherever the event is told of. */
  readonly uid: string
}

export interface EventsAsk {
  /** Any of these; one that ends in `*` is all that begin so. Absent: every type. */
  readonly types?: readonly string[]
  /** The same for the subject. */
  readonly subject?: string
  readonly fromMs?: number
  /** Before this moment. */
  readonly toMs?: number
  readonly order: 'oldest' | 'newest'
  /** Of the page before; absent: from the beginning, or the end. */
  readonly cursor?: number
  readonly rowsMax: number
}

export interface EventsPage {
  readonly events: readonly JournalEvent[]
  /** How far this look went: a bounded way, which may have found nothing. */
  readonly cursor: number
  /** Nothing lies beyond it now. */
  readonly isEnd: boolean
}

/** Something for one consumer alone: a message, a change, or an event once more. */
export interface InboxItem {
  readonly consumer: string
  readonly event: Omit<JournalEvent, 'id'>
}

/** Its id is that of the inbox. */
export type InboxRow = JournalEvent

/** All up to `lastId` are done, and those of `ahead`. */
export interface ConsumerCursor {
  readonly lastId: number
  readonly ahead: readonly number[]
  /** It has none yet: this is where it would begin. */
  readonly isNew?: boolean
}

export interface Consumed {
  readonly consumer: string
  /** Ids of the inbox. */
  readonly done: readonly number[]
  readonly cursor?: ConsumerCursor
  /** What was given up; whatever it was, it counts as done. */
  readonly dead: readonly {
    readonly event: Omit<JournalEvent, 'id'>
    readonly deadMs: EpochMs
    readonly attempts: number
    readonly code: string
    readonly reason: string
  }[]
}

export interface DeadLetterAsk {
  readonly consumer?: string
  readonly afterId: number
  readonly rowsMax: number
}

/** Its id is that of the letter. */
export interface DeadLetter extends JournalEvent {
  readonly consumer: string
  readonly deadMs: EpochMs
  readonly attempts: number
  readonly code: string
  readonly reason: string
}

export interface DeadLetterOrder {
  readonly action: 'retry' | 'discard'
  /** Absent: all there are, a bounded number at a time. */
  readonly ids?: readonly number[]
  readonly consumer?: string
}
