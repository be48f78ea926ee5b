import type { Consumed, EventsAsk, EventsPage, JournalEvent } from '../model/journal.ts'
import { type Consumers, consumersMigration, openConsumers } from './consumers.ts'
import type { RunRecord } from './contract.ts'
import { type Db, numberPragma, type Schema } from './database.ts'
import { eventBlocksMigration } from './event-blocks.ts'
import { type EventTable, openEventTable } from './events.ts'
import type { EventRow, InboxRowText, Sized, SizedRow } from './rows.ts'
import { openRunTables, type RunTables, runsMigration } from './runs.ts'

/** journal.db: what happened, the lives of runs, and how far the consumers of events have come. Events are only ever added at the end and taken from the front. */
export interface Journal {
  readonly consumers: Omit<Consumers, 'enqueue' | 'consumed' | 'counts'>
  append(rows: readonly EventRow[]): void
  record(rows: readonly SizedRow<RunRecord>[]): void
  readonly runs: Pick<RunTables, 'open' | 'one' | 'list'>
  events(ask: { readonly type?: string; readonly rowsMax: number }): readonly JournalEvent[]
  eventsPage(ask: EventsAsk): EventsPage
  enqueue(items: Sized<InboxRowText>): ReturnType<Consumers['enqueue']>
  consumed(asks: readonly Consumed[]): void
  /** Takes the oldest events and ended runs away while the file is over its limit. Gives the number of rows taken. */
  trim(): number
  counts(): { readonly events: number; readonly openRuns: number } & ReturnType<Consumers['counts']>
}

export const journalSchema: Schema = {
  applicationId: 0x4c696e4a, // "LinJ"
  sequences: ['events', 'runs', 'run_records', 'inbox', 'dead_letters'],
  migrations: [
    `CREATE TABLE events (
       id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, subject TEXT NOT NULL, time_ms INTEGER NOT NULL, data TEXT NOT NULL
     ) STRICT;
     CREATE INDEX events_by_type ON events (type);
     CREATE TABLE runs (
       id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL UNIQUE, flow TEXT NOT NULL, begun_ms INTEGER NOT NULL,
       definition TEXT NOT NULL, input TEXT NOT NULL, ended_ms INTEGER, state TEXT, outcome TEXT
     ) STRICT;
     CREATE INDEX runs_open ON runs (id) WHERE ended_ms IS NULL;
     CREATE INDEX runs_ended ON runs (ended_ms) WHERE ended_ms IS NOT NULL;
     CREATE TABLE run_records (
       id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
       step TEXT NOT NULL, time_ms INTEGER NOT NULL, status TEXT, data TEXT NOT NULL
     ) STRICT;
     CREATE INDEX run_records_by_run ON run_records (run);`,
    consumersMigration,
    runsMigration,
    eventBlocksMigration,
  ],
}

/** How much may be written before the file's size is looked at again. */
const sizeCheckBytes = 256 * 1024
/** Events go in steps, and a commit does at most so many steps: trimming must not be felt. It outpaces any writer all the same. */
const trimRows = 1_000
const trimRuns = 20
const trimStepsMax = 10

export function openJournal(db: Db, limits: { readonly bytesMax: number }): Journal {
  const runs = openRunTables(db)
  const events = openEventTable(db)
  const consumers = openConsumers(db)
  const trimmer = openTrimmer(db, { bytesMax: limits.bytesMax, runs, events })
  return {
    consumers,
    append: (rows) => {
      events.append(rows)
      for (const { bytes } of rows) trimmer.wrote(bytes)
    },
    enqueue: ({ rows, bytes }) => {
      trimmer.wrote(bytes)
      return consumers.enqueue(rows)
    },
    consumed: (asks) => {
      for (const ask of asks) consumers.consumed(ask)
    },
    record: (rows) => {
      for (const { row, bytes } of rows) {
        runs.record(row)
        trimmer.wrote(bytes)
      }
    },
    runs,
    events: events.latest,
    eventsPage: events.page,
    trim: trimmer.trim,
    counts: () => ({ events: events.count(), openRuns: runs.countOpen(), ...consumers.counts() }),
  }
}

interface Trimmer {
  wrote(bytes: number): void
  trim(): number
}

interface Trimming {
  readonly bytesMax: number
  readonly runs: RunTables
  readonly events: EventTable
}

/** Whatever is oldest goes first: events by their order, ended runs by their end. Open runs stay, whatever the limit. */
function openTrimmer(db: Db, { bytesMax, runs, events }: Trimming): Trimmer {
  const oldestEvent = db.prepare<[], { id: number; time_ms: number }>('SELECT id, time_ms FROM events ORDER BY id LIMIT 1')
  const step = (): number => {
    const oldest = oldestEvent.get()
    const dropped = runs.dropEnded({ untilMs: oldest?.time_ms ?? Number.MAX_SAFE_INTEGER, runsMax: trimRuns })
    return dropped > 0 || oldest === undefined ? dropped : events.dropBefore(oldest.id + trimRows)
  }
  let bytesSince = sizeCheckBytes // a limit may have been lowered since the last start
  return {
    wrote: (bytes) => {
      bytesSince += bytes
    },
    trim: () => {
      if (bytesSince < sizeCheckBytes) return 0
      let taken = 0
      for (let steps = 0; steps < trimStepsMax && usedBytes(db) > bytesMax; steps += 1) taken += step()
      if (usedBytes(db) <= bytesMax) bytesSince = 0
      return taken
    },
  }
}

function usedBytes(db: Db): number {
  return (numberPragma(db, 'page_count') - numberPragma(db, 'freelist_count')) * numberPragma(db, 'page_size')
}
