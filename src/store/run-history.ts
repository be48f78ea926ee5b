import { type EpochMs, epochMs } from '../base/clock.ts'
import type { RunState } from '../model/run-state.ts'
import type { Db } from './database.ts'

/** One run as those who count look at it. */
export interface PastRun {
  readonly flow: string
  readonly begunMs: EpochMs
  readonly input: string
  /** Absent: it goes on. */
  readonly endedMs?: EpochMs
  readonly state?: RunState
  readonly records: readonly PastRecord[]
}

export interface PastRecord {
  readonly step: string
  readonly timeMs: EpochMs
  /** null: what was intended. */
  readonly status: string | null
  /** Only of decisions and of what failed: the rest is not read at all. */
  readonly data: string | null
}

export interface PastRunsAsk {
  readonly flow?: string
  /** Runs that began in this time. */
  readonly fromMs: number
  readonly untilMs: number
}

/** Runs in one look: each look is short, for a long one would keep the log of a gateway that runs from being folded into the file. */
const runsPerLook = 500

/** All runs of a time, oldest first, however many: a few are in memory at once. */
export function* pastRuns(db: Db, { flow, fromMs, untilMs }: PastRunsAsk): Generator<PastRun> {
  const runs = db.prepare<[number, number, number, string | null, string | null, number], RunColumns>(
    `SELECT id, flow, begun_ms, input, ended_ms, state FROM runs
     WHERE id > ? AND begun_ms >= ? AND begun_ms < ? AND (? IS NULL OR flow = ?) ORDER BY id LIMIT ?`,
  )
  const records = db.prepare<[number], RecordColumns>(
    `SELECT step, time_ms, status, CASE WHEN status IN ('decision', 'failed', 'unknown') THEN data END AS data
     FROM run_records WHERE run = ? ORDER BY id`,
  )
  for (let afterId = 0; ; ) {
    const look = runs.all(afterId, fromMs, untilMs, flow ?? null, flow ?? null, runsPerLook)
    for (const row of look) yield { ...runOf(row), records: records.all(row.id).map(recordOf) }
    const last = look.at(-1)
    if (last === undefined || look.length < runsPerLook) return
    afterId = last.id
  }
}

interface RunColumns {
  readonly id: number
  readonly flow: string
  readonly begun_ms: number
  readonly input: string
  readonly ended_ms: number | null
  readonly state: string | null
}

interface RecordColumns {
  readonly step: string
  readonly time_ms: number
  readonly status: string | null
  readonly data: string | null
}

function runOf({ flow, begun_ms, input, ended_ms, state }: RunColumns): Omit<PastRun, 'records'> {
  const end = ended_ms === null ? {} : { endedMs: epochMs(ended_ms), state: state as RunState }
  return { flow, begunMs: epochMs(begun_ms), input, ...end }
}

function recordOf({ step, time_ms, status, data }: RecordColumns): PastRecord {
  return { step, timeMs: epochMs(time_ms), status, data }
}
