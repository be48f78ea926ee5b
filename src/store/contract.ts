import type { EpochMs } from '../base/clock.ts'
import type { Packed } from '../base/packed.ts'
import type { AnyEvent } from '../model/event.ts'
import type { HistoryAsk, HistoryBatch, HistoryPage } from '../model/history.ts'
import type {
  Consumed,
  ConsumerCursor,
  DeadLetter,
  DeadLetterAsk,
  DeadLetterOrder,
  EventsAsk,
  EventsPage,
  InboxItem,
  InboxRow,
  JournalEvent,
} from '../model/journal.ts'
import type { RunState } from '../model/run-state.ts'

/** What other rooms may ask of the store. Every answer to a write comes after the commit: an answer is a promise kept on disk. */
export interface StoreCalls {
  /** To the journal. */
  append(events: readonly AnyEvent[]): null
  /** To the journal of runs, in order, and to the journal what is told with it: all or nothing. */
  recordRuns(ask: { readonly records: readonly RunRecord[]; readonly events?: readonly AnyEvent[] }): null
  /** The next runs that have begun and not ended, oldest first, with their records in order. */
  openRuns(ask: { readonly afterId: number }): OpenRuns
  /** Newest first. */
  runs(ask: RunsAsk): readonly RunRow[]
  /** null where the journal does not know it. */
  run(ask: { readonly run: string }): KeptRun | null
  /** To the outbox; the answer means "accepted". The last id of the rows. */
  accept(messages: readonly OutgoingMessage[]): { readonly lastId: number }
  /** The oldest unsent rows of one upstream with an id above `afterId`, in order; `only` some of them. */
  nextUnsent(ask: UnsentAsk): readonly OutboxRow[]
  /** What waits on which topics, without reading it all at once. */
  surveyUnsent(ask: UnsentAsk): UnsentSurvey
  /** The upstream broker has acknowledged these, or will never take them (`refused`). */
  removeSent(ask: RemoveAsk): null
  outboxStatus(ask: null): readonly OutboxStatus[]
  /** To sessions.db, all or nothing; said twice it changes nothing more. The answer names the file: a fresh one after a damaged one has another number. */
  keepSessions(changes: SessionChanges): { readonly file: number }
  sessionsPage(ask: SessionsPageAsk): SessionsPage
  /** Newest first. */
  events(ask: { readonly type?: string; readonly rowsMax: number }): readonly JournalEvent[]
  /** A bounded look at the journal; the next one goes on from its cursor. */
  eventsPage(ask: EventsAsk): EventsPage
  /** Keeps items for single consumers. Their ids: the last one, those before it without a gap; `dropped`: the oldest, for want of room. */
  enqueue(items: readonly InboxItem[]): { readonly lastId: number; readonly dropped: number }
  /** What waits for one consumer, in order. */
  inbox(ask: { readonly consumer: string; readonly afterId: number; readonly rowsMax: number }): readonly InboxRow[]
  /** Where a consumer goes on in the journal; one that is here for the first time begins with what comes next. */
  consumerCursor(ask: { readonly consumer: string }): ConsumerCursor
  /** What consumers are done with: once this is answered it does not come again. */
  consumed(asks: readonly Consumed[]): null
  /** What consumers could not take, oldest first. */
  deadLetters(ask: DeadLetterAsk): readonly DeadLetter[]
  /** How many there are, by consumer. */
  deadLetterCounts(ask: null): Readonly<Record<string, number>>
  /** Into the inboxes of their consumers again, or away. How many of each consumer. */
  orderDeadLetters(order: DeadLetterOrder): Readonly<Record<string, number>>
  keepHistory(batch: HistoryBatch): null
  /** What a tag was, oldest first, beginning with a value that was in force at `fromMs` where one is known. */
  historyPage(ask: HistoryAsk): HistoryPage
}

/** What the store tells north. */
export interface StoreNews {
  /** Rows have been accepted: whoever sends may look again. */
  accepted(ask: null): null
}

/** A step of a run's life. `intent` stands before an effect, `outcome` after it; a `decision` says which way the run goes on, and who said so. */
export type RunRecord =
  | {
      readonly kind: 'begun'
      readonly run: string
      readonly flow: string
      readonly timeMs: EpochMs
      /** Kept once, however many runs begin with it. */
      readonly definition: string
      readonly input: string
    }
  | StepRecord
  | {
      readonly kind: 'ended'
      readonly run: string
      readonly timeMs: EpochMs
      readonly state: Exclude<RunState, 'settled'>
      readonly data: string
    }
  /** A person has brought in order what the run left `unsettled`. */
  | { readonly kind: 'settled'; readonly run: string; readonly timeMs: EpochMs }
  /** A person lets an ended run go on. */
  | { readonly kind: 'reopened'; readonly run: string; readonly timeMs: EpochMs }

/** What happened in a run; these are what it is rebuilt from. */
export type StepRecord =
  | { readonly kind: 'intent'; readonly run: string; readonly step: string; readonly timeMs: EpochMs; readonly data: string }
  | {
      readonly kind: 'outcome'
      readonly run: string
      readonly step: string
      readonly timeMs: EpochMs
      readonly status: StepStatus
      readonly data: string
    }
  | { readonly kind: 'decision'; readonly run: string; readonly step: string; readonly timeMs: EpochMs; readonly data: string }

/** retrying: an attempt failed, and another one may follow. unknown: nobody can say whether it was done. */
export type StepStatus = 'done' | 'failed' | 'unknown' | 'skipped' | 'retrying'

export interface RunRow {
  readonly id: number
  readonly run: string
  readonly flow: string
  /** Of its definition: the hash of the text, where it is kept by that. */
  readonly version: string
  readonly begunMs: EpochMs
  readonly input: string
  readonly endedMs?: EpochMs
  readonly state?: RunState
  /** Of the record that ended it. */
  readonly outcome?: string
}

export interface KeptRun extends RunRow {
  readonly records: readonly StepRecord[]
  /** Where one run is asked for; among many it stands once for all of a version. */
  readonly definition?: string
}

export interface OpenRuns {
  readonly runs: readonly KeptRun[]
  /** By `version`. */
  readonly definitions: Readonly<Record<string, string>>
  /** Where the next look begins. */
  readonly nextAfterId: number
  readonly isEnd: boolean
}

export interface RunsAsk {
  readonly flow?: string
  readonly state?: RunState
  /** Of the last row of the page before. */
  readonly beforeId?: number
  readonly rowsMax: number
}

/** What the outbox does with a row while it waits: keeps all in order (`events`), the last of a topic (`state`), or thins them when space runs short. */
export type StreamClass = 'events' | 'state' | 'trends'

/** A value or a message on its way upstream. Values are kept, not packets: the upstream's format dresses them when they leave. */
export interface OutgoingMessage {
  readonly upstream: string
  /** `sample`: subject is a TagId and body a StoredSample; `message`: subject is a topic and body its payload. */
  readonly kind: 'sample' | 'message'
  readonly subject: string
  readonly body: string
  readonly timeMs: EpochMs
  /** `stream`: `events` where absent. `key`: the same however often the message is sent, each time with another number. */
  readonly stream?: StreamClass
  readonly key?: string
}

export interface OutboxRow extends OutgoingMessage {
  /** Grows without gaps being reused: the order of acceptance. */
  readonly id: number
  /** Its number in its stream (upstream and class), from 1 without a gap. */
  readonly seq?: number
  /** Names the row of numbers: another one begins where the outbox had to begin anew. */
  readonly ledger?: number
}

export interface UnsentAsk {
  readonly upstream: string
  readonly afterId: number
  readonly rowsMax: number
  readonly only?: 'state' | 'others'
}

export interface UnsentSurvey {
  /** Each subject with the highest id of its rows. */
  readonly subjects: readonly (readonly [subject: string, lastId: number])[]
  /** How far this look went. */
  readonly lastId: number
  readonly isEnd: boolean
}

export interface RemoveAsk {
  readonly upstream: string
  readonly ids: readonly number[]
  /** Default: `sent`. */
  readonly outcome?: 'sent' | 'refused'
}

export interface OutboxStatus {
  readonly upstream: string
  readonly waitingRows: number
  readonly waitingBytes: number
  readonly acceptedTotal: number
  readonly droppedTotal: number
  readonly oldestMs?: EpochMs
  readonly ledger: number
  readonly streams: readonly StreamStatus[]
}

/** The books of one stream, since its ledger began. Each number that was given (`accepted`) is in one of them. */
export interface StreamStatus {
  readonly stream: StreamClass
  readonly accepted: number
  /** Acknowledged by the upstream broker. */
  readonly sent: number
  readonly waiting: number
  /** Dropped by the limits of size and age. */
  readonly dropped: number
  /** Taken out of a trend because space ran short. */
  readonly thinned: number
  /** The upstream broker would never take them. */
  readonly refused: number
  /** Values of a state that a newer one overtook; they have no number of their own. */
  readonly replaced: number
  /** What none of these explains. */
  readonly missing: number
}

/** What has changed in the sessions of the embedded broker, in the order in which it is carried out. */
export interface SessionChanges {
  /** Clients whose session has ended, with everything that belongs to it. */
  readonly forgotten: readonly string[]
  readonly sessions: readonly KeptSession[]
  readonly subscriptions: readonly KeptSubscription[]
  /** Messages for a session. The ids are the broker's, and say in which order they came. */
  readonly queued: Packed<QueuedMessage>
  /** Where the handshake of QoS 2 has got to. */
  readonly inFlight: readonly InFlightMessage[]
  /** Ids of messages that their client has acknowledged. */
  readonly settled: readonly number[]
  readonly received: readonly ReceivedPacketId[]
  /** An empty payload: retained no more. */
  readonly retained: Packed<{ readonly topic: string; readonly qos: number }>
  /** An empty topic: the client has none any more. */
  readonly wills: Packed<KeptWill>
}

export interface KeptSession {
  readonly client: string
  readonly awayMs: number | null // since when its client is away; null: it is here
  readonly user: string | null // whose it is; null: of nobody in particular
}

export interface KeptSubscription {
  readonly client: string
  readonly filter: string
  /** null: subscribed no more. */
  readonly qos: number | null
}

export interface QueuedMessage extends InFlightMessage {
  readonly client: string
  readonly topic: string
  readonly qos: number
}

export interface InFlightMessage {
  readonly id: number
  /** The packet identifier it was sent with. */
  readonly packetId: number | null
  /** QoS 2: its client has it, and only the identifier is still to be released. */
  readonly isReleased: boolean
}

/** A QoS 2 message of a client that was passed on, and whose identifier the client has not released. */
export interface ReceivedPacketId {
  readonly client: string
  readonly packetId: number
  readonly isOpen: boolean
}

export interface KeptWill {
  readonly client: string
  readonly topic: string
  readonly qos: number
  readonly isRetained: boolean
}

export type SessionsPart = 'sessions' | 'subscriptions' | 'queued' | 'received' | 'retained' | 'wills'

export interface SessionsPageAsk {
  readonly part: SessionsPart
  /** 0 for the first page. */
  readonly afterId: number
}

/** A bounded piece of what sessions.db holds, in the form in which it would be kept again. */
export interface SessionsPage {
  readonly file: number
  readonly changes: Partial<SessionChanges>
  /** Where the next page begins; absent after the last one. */
  readonly nextAfterId?: number
}
