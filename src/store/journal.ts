import { epochMs } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { SiteEvent } from '../model/event.ts'
import type { OpenRun, RunRecord } from './contract.ts'
import { type Db, numberPragma, type Schema } from './database.ts'
import type { EventRow, SizedRow } from './rows.ts'

export type JournalEvent = SiteEvent & { readonly id: number }

/** journal.db: what happened, and the lives of runs. Events are only ever added at the end and taken from the front. */
export interface Journal {
  append(rows: readonly EventRow[]): void
  record(rows: readonly SizedRow<RunRecord>[]): void
  openRuns(): readonly OpenRun[]
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
  ],
}

/** Rows in one answer, and the text in it: an answer crosses a thread as one message. */
const answerRowsMax = 10_000
const answerCharsMax = 8 * 1024 ** 2
/** How much may be written before the file's size is looked at again. */
const sizeCheckBytes = 256 * 1024
/** Events go in steps, and a commit does at most so many steps: trimming must not be felt. It outpaces any writer all the same. */
const trimRows = 1_000
const trimStepsMax = 10

export function openJournal(db: Db, limits: { readonly bytesMax: number }): Journal {
  const runs = openRunTables(db)
  const insert = db.prepare<[string, string, number, string]>('INSERT INTO events (type, subject, time_ms, data) VALUES (?, ?, ?, ?)')
  const newest = db.prepare<[number], EventColumns>('SELECT * FROM events ORDER BY id DESC LIMIT ?')
  const newestOfType = db.prepare<[string, number], EventColumns>('SELECT * FROM events WHERE type = ? ORDER BY id DESC LIMIT ?')
  const span = db.prepare<[], { first: number | null; last: number | null }>(
    'SELECT (SELECT min(id) FROM events) AS first, (SELECT max(id) FROM events) AS last',
  )
  const trimmer = openTrimmer(db, limits.bytesMax)
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
    openRuns: runs.open,
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

interface RunTables {
  record(record: RunRecord): void
  open(): readonly OpenRun[]
  countOpen(): number
}

function openRunTables(db: Db): RunTables {
  // A call whose answer was lost is asked again: the same run begins once.
  const begin = db.prepare<[string, string, number, string, string]>(
    'INSERT INTO runs (run, flow, begun_ms, definition, input) VALUES (?, ?, ?, ?, ?) ON CONFLICT (run) DO NOTHING',
  )
  const add = db.prepare<[string, number, string | null, string, string]>(
    'INSERT INTO run_records (run, step, time_ms, status, data) SELECT id, ?, ?, ?, ? FROM runs WHERE run = ?',
  )
  const end = db.prepare<[number, string, string, string]>(
    'UPDATE runs SET ended_ms = coalesce(ended_ms, ?), state = coalesce(state, ?), outcome = coalesce(outcome, ?) WHERE run = ?',
  )
  const open = db.prepare<[], RunColumns>('SELECT id, run, flow, begun_ms, definition, input FROM runs WHERE ended_ms IS NULL ORDER BY id')
  const records = db.prepare<[], RecordColumns>(
    'SELECT run_records.* FROM runs JOIN run_records ON run_records.run = runs.id WHERE runs.ended_ms IS NULL ORDER BY run_records.id',
  )
  const count = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM runs WHERE ended_ms IS NULL')
  return {
    record: (row) => {
      switch (row.kind) {
        case 'begun':
          begin.run(row.run, row.flow, row.timeMs, row.definition, row.input)
          return
        case 'intent':
          known(add.run(row.step, row.timeMs, null, row.data, row.run).changes, row.run)
          return
        case 'outcome':
          known(add.run(row.step, row.timeMs, row.status, row.data, row.run).changes, row.run)
          return
        case 'ended':
          known(end.run(row.timeMs, row.state, row.data, row.run).changes, row.run)
          return
        default:
          row satisfies never
      }
    },
    open: () => openRunsOf(open.all(), records.all()),
    countOpen: () => count.get()?.count ?? 0,
  }
}

interface RunColumns {
  readonly id: number
  readonly run: string
  readonly flow: string
  readonly begun_ms: number
  readonly definition: string
  readonly input: string
}

interface RecordColumns {
  readonly run: number
  readonly step: string
  readonly time_ms: number
  readonly status: 'done' | 'failed' | 'unknown' | null
  readonly data: string
}

function openRunsOf(runs: readonly RunColumns[], rows: readonly RecordColumns[]): readonly OpenRun[] {
  const byRun = Map.groupBy(rows, (row) => row.run)
  return runs.map(({ id, run, flow, begun_ms, definition, input }) => ({
    begun: { kind: 'begun', run, flow, timeMs: epochMs(begun_ms), definition, input },
    records: (byRun.get(id) ?? []).map((row) => recordOf(run, row)),
  }))
}

function recordOf(run: string, { step, time_ms, status, data }: RecordColumns): OpenRun['records'][number] {
  const timeMs = epochMs(time_ms)
  return status === null ? { kind: 'intent', run, step, timeMs, data } : { kind: 'outcome', run, step, timeMs, status, data }
}

function known(changes: number, run: string): void {
  if (changes > 0) return
  throw new Fault('store.run-unknown', `The journal knows no run "${run}".`, {
    remedy: 'Record that the run has begun before its steps; it may also have been lost with a damaged journal (see store.file-set-aside).',
  })
}

interface Trimmer {
  wrote(bytes: number): void
  trim(): number
}

/** Whatever is oldest goes first: events by their order, ended runs by their end. Open runs stay, whatever the limit. */
function openTrimmer(db: Db, bytesMax: number): Trimmer {
  const oldestEvent = db.prepare<[], { id: number; time_ms: number }>('SELECT id, time_ms FROM events ORDER BY id LIMIT 1')
  const dropEvents = db.prepare<[number]>('DELETE FROM events WHERE id < ?')
  const dropRuns = db.prepare<[number]>(
    'DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE ended_ms IS NOT NULL AND ended_ms <= ? ORDER BY ended_ms LIMIT 20)',
  )
  const step = (): number => {
    const oldest = oldestEvent.get()
    const runs = dropRuns.run(oldest?.time_ms ?? Number.MAX_SAFE_INTEGER).changes
    return runs > 0 || oldest === undefined ? runs : dropEvents.run(oldest.id + trimRows).changes
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
