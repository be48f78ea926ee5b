import { createHash } from 'node:crypto'
import { epochMs } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { RunState } from '../model/run-state.ts'
import type { KeptRun, OpenRuns, RunRecord, RunRow, RunsAsk, StepRecord, StepStatus } from './contract.ts'
import type { Db } from './database.ts'

/** A definition is kept once for all runs that began with it. Runs of before keep theirs in their own row. */
export const runsMigration = `
  CREATE TABLE definitions (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;
  ALTER TABLE runs ADD COLUMN definition_id INTEGER REFERENCES definitions (id);
  CREATE INDEX runs_by_definition ON runs (definition_id);
  CREATE INDEX runs_by_flow ON runs (flow, id);`

/** The lives of runs in journal.db. */
export interface RunTables {
  record(record: RunRecord): void
  /** The next runs that have not ended, oldest first; as many as one answer should hold. */
  open(ask: { readonly afterId: number }): OpenRuns
  /** One run, ended or not, with all that is known of it. */
  one(ask: { readonly run: string }): KeptRun | null
  /** Newest first, without their records. */
  list(ask: RunsAsk): readonly RunRow[]
  countOpen(): number
  /** Takes the runs away that ended first, up to that moment. Gives the number. */
  dropEnded(ask: { readonly untilMs: number; readonly runsMax: number }): number
}

/** What one answer brings at most: it crosses a thread as one message. */
const pageRunsMax = 500
const pageCharsMax = 8 * 1024 ** 2
const listRowsMax = 1_000

export function openRunTables(db: Db): RunTables {
  const definitions = openDefinitions(db)
  const open = db.prepare<[number, number], RunColumns>(`${runSelect} WHERE ended_ms IS NULL AND runs.id > ? ORDER BY runs.id LIMIT ?`)
  const one = db.prepare<[string], RunColumns>(`${runSelect} WHERE run = ?`)
  const records = db.prepare<[number], RecordColumns>('SELECT * FROM run_records WHERE run = ? ORDER BY id')
  const count = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM runs WHERE ended_ms IS NULL')
  const drop = db.prepare<[number, number]>(
    'DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE ended_ms IS NOT NULL AND ended_ms <= ? ORDER BY ended_ms LIMIT ?)',
  )
  const kept = (row: RunColumns): KeptRun => ({ ...rowOf(row), records: records.all(row.id).map((each) => recordOf(row.run, each)) })
  return {
    record: recorder(db, definitions),
    open: ({ afterId }) => page(open.iterate(afterId, pageRunsMax), { kept, definitions, afterId }),
    one: ({ run }) => {
      const row = one.get(run)
      return row === undefined ? null : { ...kept(row), definition: definitions.bodyOf(row) }
    },
    list: lister(db),
    countOpen: () => count.get()?.count ?? 0,
    dropEnded: ({ untilMs, runsMax }) => {
      const { changes } = drop.run(untilMs, runsMax)
      if (changes > 0) definitions.dropUnused()
      return changes
    },
  }
}

const runSelect = 'SELECT runs.*, definitions.hash AS hash FROM runs LEFT JOIN definitions ON definitions.id = runs.definition_id'

interface RunColumns {
  readonly id: number
  readonly run: string
  readonly flow: string
  readonly begun_ms: number
  readonly definition: string
  readonly definition_id: number | null
  readonly hash: string | null
  readonly input: string
  readonly ended_ms: number | null
  readonly state: string | null
  readonly outcome: string | null
}

interface RecordColumns {
  readonly step: string
  readonly time_ms: number
  readonly status: string | null
  readonly data: string
}

interface Definitions {
  /** The place of this text, which is kept with the first run that needs it. */
  idOf(body: string): number
  bodyOf(row: RunColumns): string
  dropUnused(): void
}

function openDefinitions(db: Db): Definitions {
  const find = db.prepare<[string], { id: number }>('SELECT id FROM definitions WHERE hash = ?')
  const add = db.prepare<[string, string]>('INSERT INTO definitions (hash, body) VALUES (?, ?)')
  const body = db.prepare<[number], { body: string }>('SELECT body FROM definitions WHERE id = ?')
  const drop = db.prepare('DELETE FROM definitions WHERE id NOT IN (SELECT definition_id FROM runs WHERE definition_id IS NOT NULL)')
  return {
    idOf: (text) => {
      const hash = createHash('sha256').update(text).digest('hex').slice(0, 32)
      return find.get(hash)?.id ?? Number(add.run(hash, text).lastInsertRowid)
    },
    bodyOf: ({ definition, definition_id }) => (definition_id === null ? definition : (body.get(definition_id)?.body ?? definition)),
    dropUnused: () => void drop.run(),
  }
}

function recorder(db: Db, definitions: Definitions): RunTables['record'] {
  // A call whose answer was lost is asked again: the same run begins once.
  const begin = db.prepare<[string, string, number, number, string]>(
    "INSERT INTO runs (run, flow, begun_ms, definition, definition_id, input) VALUES (?, ?, ?, '', ?, ?) ON CONFLICT (run) DO NOTHING",
  )
  const add = db.prepare<[string, number, string | null, string, string]>(
    'INSERT INTO run_records (run, step, time_ms, status, data) SELECT id, ?, ?, ?, ? FROM runs WHERE run = ?',
  )
  const end = db.prepare<[number, string, string, string]>(
    'UPDATE runs SET ended_ms = coalesce(ended_ms, ?), state = coalesce(state, ?), outcome = coalesce(outcome, ?) WHERE run = ?',
  )
  const reopen = db.prepare<[string]>('UPDATE runs SET ended_ms = NULL, state = NULL, outcome = NULL WHERE run = ?')
  const settle = db.prepare<[string]>("UPDATE runs SET state = 'settled' WHERE run = ? AND state = 'unsettled'")
  return (row) => {
    switch (row.kind) {
      case 'begun':
        begin.run(row.run, row.flow, row.timeMs, definitions.idOf(row.definition), row.input)
        return
      case 'intent':
        known(add.run(row.step, row.timeMs, null, row.data, row.run).changes, row.run)
        return
      case 'outcome':
        known(add.run(row.step, row.timeMs, row.status, row.data, row.run).changes, row.run)
        return
      case 'decision':
        known(add.run(row.step, row.timeMs, 'decision', row.data, row.run).changes, row.run)
        return
      case 'ended':
        known(end.run(row.timeMs, row.state, row.data, row.run).changes, row.run)
        return
      case 'reopened':
        known(reopen.run(row.run).changes, row.run)
        return
      case 'settled':
        settle.run(row.run)
        return
      default:
        row satisfies never
    }
  }
}

function known(changes: number, run: string): void {
  if (changes > 0) return
  throw new Fault('store.run-unknown', `The journal knows no run "${run}".`, {
    remedy: 'Record that the run has begun before its steps; it may also have been lost with a damaged journal (see store.file-set-aside).',
  })
}

interface Paging {
  readonly kept: (row: RunColumns) => KeptRun
  readonly definitions: Definitions
  readonly afterId: number
}

function page(rows: Iterable<RunColumns>, { kept, definitions, afterId }: Paging): OpenRuns {
  const runs: KeptRun[] = []
  const bodies = new Map<string, string>()
  let chars = 0
  for (const row of rows) {
    const run = kept(row)
    runs.push(run)
    if (!bodies.has(run.version)) bodies.set(run.version, definitions.bodyOf(row))
    chars += row.input.length + run.records.reduce((sum, { step, data }) => sum + step.length + data.length, 0)
    if (chars > pageCharsMax) break
  }
  return {
    runs,
    definitions: Object.fromEntries(bodies),
    nextAfterId: runs.at(-1)?.id ?? afterId,
    isEnd: runs.length < pageRunsMax && chars <= pageCharsMax,
  }
}

function lister(db: Db): RunTables['list'] {
  const all = `${runSelect} WHERE runs.id < ?`
  const list = db.prepare<[number, number], RunColumns>(`${all} ORDER BY runs.id DESC LIMIT ?`)
  const ofFlow = db.prepare<[number, string, number], RunColumns>(`${all} AND flow = ? ORDER BY runs.id DESC LIMIT ?`)
  const inState = db.prepare<[number, string, number], RunColumns>(`${all} AND state = ? ORDER BY runs.id DESC LIMIT ?`)
  const both = db.prepare<[number, string, string, number], RunColumns>(`${all} AND flow = ? AND state = ? ORDER BY runs.id DESC LIMIT ?`)
  return ({ flow, state, beforeId = Number.MAX_SAFE_INTEGER, rowsMax }) => {
    const rows = Math.max(0, Math.min(rowsMax, listRowsMax))
    if (flow !== undefined && state !== undefined) return both.all(beforeId, flow, state, rows).map(rowOf)
    if (flow !== undefined) return ofFlow.all(beforeId, flow, rows).map(rowOf)
    return (state === undefined ? list.all(beforeId, rows) : inState.all(beforeId, state, rows)).map(rowOf)
  }
}

function rowOf({ id, run, flow, hash, begun_ms, input, ended_ms, state, outcome }: RunColumns): RunRow {
  const end = ended_ms === null ? {} : { endedMs: epochMs(ended_ms), state: state as RunState, outcome: outcome ?? '{}' }
  return { id, run, flow, version: hash ?? `run ${id}`, begunMs: epochMs(begun_ms), input, ...end }
}

function recordOf(run: string, { step, time_ms, status, data }: RecordColumns): StepRecord {
  const timeMs = epochMs(time_ms)
  if (status === null) return { kind: 'intent', run, step, timeMs, data }
  if (status === 'decision') return { kind: 'decision', run, step, timeMs, data }
  return { kind: 'outcome', run, step, timeMs, status: status as StepStatus, data }
}
