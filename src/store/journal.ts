import { epochMs } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { Consumed, EventsAsk, EventsPage, JournalEvent } from '../model/journal.ts'
import { type Consumers, consumersMigration, openConsumers } from './consumers.ts'
import type { OpenRun, RunRecord } from './contract.ts'
import { type Db, numberPragma, type Schema } from './database.ts'
import { openEventTable } from './events.ts'
import type { EventRow, InboxRowText, Sized, SizedRow } from './rows.ts'

/** journal.db: what happened, the lives of runs, and how far the consumers of events have come. Events are only ever added at the end and taken from the front. */
export interface Journal {
  readonly consumers: Omit<Consumers, 'enqueue' | 'consumed' | 'counts'>
  append(rows: readonly EventRow[]): void
  record(rows: readonly SizedRow<RunRecord>[]): void
  openRuns(): readonly OpenRun[]
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
  ],
}

/** How much may be written before the file's size is looked at again. */
const sizeCheckBytes = 256 * 1024
/** Events go in steps, and a commit does at most so many steps: trimming must not be felt. It outpaces any writer all the same. */
const trimRows = 1_000
const trimStepsMax = 10

export function openJournal(db: Db, limits: { readonly bytesMax: number }): Journal {
  const runs = openRunTables(db)
  const events = openEventTable(db)
  const consumers = openConsumers(db)
  const trimmer = openTrimmer(db, limits.bytesMax)
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
    openRuns: runs.open,
    events: events.latest,
    eventsPage: events.page,
    trim: trimmer.trim,
    counts: () => ({ events: events.count(), openRuns: runs.countOpen(), ...consumers.counts() }),
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
