import { epochMs } from '../base/clock.ts'
import type { SiteEvent } from '../model/event.ts'
import type { RunRecord } from './contract.ts'
import { type Db, numberPragma, type Schema } from './database.ts'
import type { EventRow, SizedRow } from './rows.ts'
import { openRunTables, type RunTables, runsMigration } from './runs.ts'

export type JournalEvent = SiteEvent & { readonly id: number }

/** journal.db: what happened, and the lives of runs. Events are only ever added at the end and taken from the front. */
export interface Journal {
  append(rows: readonly EventRow[]): void
  record(rows: readonly SizedRow<RunRecord>[]): void
  readonly runs: Pick<RunTables, 'open' | 'one' | 'list'>
  events(ask: { readonly type?: string; readonly rowsMax: number }): readonly JournalEvent[]
  /** Takes the oldest events and ended runs away while the file is over its limit. Gives the number of rows taken. */
  trim(): number
  counts(): { readonly events: number; readonly openRuns: number }
}

export const journalSchema: Schema = {
  applicationId: 0x4c696e4a, // "LinJ"
  sequences: ['events', 'runs', 'run_records'],
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
    runsMigration,
  ],
}

/** Rows in one answer, and the text in it: an answer crosses a thread as one message. */
const answerRowsMax = 10_000
const answerCharsMax = 8 * 1024 ** 2
/** How much may be written before the file's size is looked at again. */
const sizeCheckBytes = 256 * 1024
/** Events go in steps, and a commit does at most so many steps: trimming must not be felt. It outpaces any writer all the same. */
const trimRows = 1_000
const trimRuns = 20
const trimStepsMax = 10

export function openJournal(db: Db, limits: { readonly bytesMax: number }): Journal {
  const runs = openRunTables(db)
  const insert = db.prepare<[string, string, number, string]>('INSERT INTO events (type, subject, time_ms, data) VALUES (?, ?, ?, ?)')
  const newest = db.prepare<[number], EventColumns>('SELECT * FROM events ORDER BY id DESC LIMIT ?')
  const newestOfType = db.prepare<[string, number], EventColumns>('SELECT * FROM events WHERE type = ? ORDER BY id DESC LIMIT ?')
  const span = db.prepare<[], { first: number | null; last: number | null }>(
    'SELECT (SELECT min(id) FROM events) AS first, (SELECT max(id) FROM events) AS last',
  )
  const trimmer = openTrimmer(db, { bytesMax: limits.bytesMax, runs })
  return {
    append: (rows) => {
      for (const { type, subject, timeMs, data, bytes } of rows) {
        insert.run(type, subject, timeMs, data)
        trimmer.wrote(bytes)
      }
    },
    record: (rows) => {
      for (const { row, bytes } of rows) {
        runs.record(row)
        trimmer.wrote(bytes)
      }
    },
    runs,
    events: ({ type, rowsMax }) => {
      const count = Math.max(0, Math.min(rowsMax, answerRowsMax))
      return bounded(type === undefined ? newest.iterate(count) : newestOfType.iterate(type, count))
    },
    trim: trimmer.trim,
    counts: () => {
      const { first, last } = span.get() ?? { first: null, last: null }
      // Ids have no gaps between the first and the last: rows leave at the front only.
      return { events: first === null || last === null ? 0 : last - first + 1, openRuns: runs.countOpen() }
    },
  }
}

interface EventColumns {
  readonly id: number
  readonly type: string
  readonly subject: string
  readonly time_ms: number
  readonly data: string
}

function bounded(rows: Iterable<EventColumns>): readonly JournalEvent[] {
  const events: JournalEvent[] = []
  let chars = 0
  for (const { id, type, subject, time_ms, data } of rows) {
    chars += data.length + subject.length
    if (events.length > 0 && chars > answerCharsMax) break
    events.push({ id, type, subject, timeMs: epochMs(time_ms), data: parseData(data) })
  }
  return events
}

function parseData(text: string): Readonly<Record<string, unknown>> {
  try {
    const data: unknown = JSON.parse(text)
    return typeof data === 'object' && data !== null && !Array.isArray(data) ? { ...data } : { value: data }
  } catch {
    return { unread: text } // somebody else wrote this row
  }
}

interface Trimmer {
  wrote(bytes: number): void
  trim(): number
}

/** Whatever is oldest goes first: events by their order, ended runs by their end. Open runs stay, whatever the limit. */
function openTrimmer(db: Db, { bytesMax, runs }: { readonly bytesMax: number; readonly runs: RunTables }): Trimmer {
  const oldestEvent = db.prepare<[], { id: number; time_ms: number }>('SELECT id, time_ms FROM events ORDER BY id LIMIT 1')
  const dropEvents = db.prepare<[number]>('DELETE FROM events WHERE id < ?')
  const step = (): number => {
    const oldest = oldestEvent.get()
    const dropped = runs.dropEnded({ untilMs: oldest?.time_ms ?? Number.MAX_SAFE_INTEGER, runsMax: trimRuns })
    return dropped > 0 || oldest === undefined ? dropped : dropEvents.run(oldest.id + trimRows).changes
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
