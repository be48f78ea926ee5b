import type { Db } from './database.ts'
import { type Leaving, openCounting } from './outbox-counting.ts'
import type { LedgerColumns, OutboxLimits, StreamColumns } from './outbox-schema.ts'
import { openThinning } from './outbox-thinning.ts'

/** Rows dropped in one step, so that a lowered limit does not hold up the writer. */
const dropRowsMax = 10_000
/** 2020-01-01. A gateway without a battery-backed clock accepts rows in 1970 until it has asked the time: these are not old. */
const plausibleMs = 1_577_836_800_000

export interface Dropping {
  /** Drops what is too old or too much; gives the number of rows dropped. */
  drop(upstream: string, nowMs: number): number
  /** What was dropped and not yet said, by stream; saying it is then up to the caller. */
  takeUntold(stream: number): readonly LedgerColumns[]
  /** How many rows the upstream has acknowledged. */
  sent(stream: number): number
}

interface OldColumns {
  readonly id: number
  readonly bytes: number
  readonly accepted_ms: number
  readonly class: number
  readonly seq: number
}

/**
 * The order in which rows go where space runs short: trends are thinned, then the oldest trends, the oldest events, and last of all states, which
 * are one a topic. What is too old goes in any case.
 */
export function openDropping(db: Db, limits: Readonly<Record<string, OutboxLimits>>): Dropping {
  const stream = db.prepare<[string], StreamColumns>('SELECT * FROM streams WHERE upstream = ?')
  const oldestOf = (filter: string) =>
    db.prepare<[number], OldColumns>(
      `SELECT id, bytes, accepted_ms, class, seq FROM outbox WHERE stream = ? AND ${filter} ORDER BY id LIMIT ${dropRowsMax}`,
    )
  const states = oldestOf('class = 1')
  const aged = [oldestOf('class <> 1'), states]
  const inOrder = [oldestOf('class = 2'), oldestOf('class = 0'), states]
  const remove = db.prepare<[number]>('DELETE FROM outbox WHERE id = ?')
  const count = openCounting(db)
  const thin = openThinning(db)
  const leave = (leaving: Leaving): number => {
    for (const { id } of leaving.rows) remove.run(id)
    count(leaving)
    return leaving.rows.length
  }
  const untold = db.prepare<[number], LedgerColumns>('SELECT * FROM ledgers WHERE untold > 0 AND stream = ?')
  const sent = db.prepare<[number], { readonly sent: number | null }>('SELECT sum(sent) AS sent FROM ledgers WHERE stream = ?')
  const told = db.prepare<[number, number]>(
    'UPDATE ledgers SET untold = 0, untold_from = NULL, untold_to = NULL WHERE stream = ? AND class = ?',
  )
  return {
    drop: (upstream, nowMs) => {
      const limit = limits[upstream]
      const found = stream.get(upstream)
      if (limit === undefined || found === undefined) return 0
      const bornMs = nowMs - limit.ageMs
      const isTooOld = ({ accepted_ms }: OldColumns): boolean => accepted_ms > plausibleMs && accepted_ms < bornMs
      let rows = 0
      for (const query of aged) rows += leave({ stream: found.id, rows: taken(query.iterate(found.id), isTooOld), as: 'dropped' })
      // A lowered limit does not undo an acceptance where the site says `refuse`.
      if (limit.full === 'refuse') return rows
      const surplus = (): number => (stream.get(upstream)?.waiting_bytes ?? 0) - limit.sizeBytesMax
      if (surplus() > 0 && limit.thinShare !== undefined) rows += leave(thin(found.id, limit.thinShare))
      for (const query of inOrder) {
        const left = surplus()
        if (left <= 0) break
        rows += leave({ stream: found.id, rows: taken(query.iterate(found.id), tooMuch(left)), as: 'dropped' })
      }
      return rows
    },
    sent: (id) => sent.get(id)?.sent ?? 0,
    takeUntold: (id) => {
      const ledgers = untold.all(id)
      for (const { class: number } of ledgers) told.run(id, number)
      return ledgers
    },
  }
}

/** From the oldest on, as far as `isWanted` says so. */
function taken(oldest: Iterable<OldColumns>, isWanted: (row: OldColumns) => boolean): readonly OldColumns[] {
  const rows: OldColumns[] = []
  for (const row of oldest) {
    if (!isWanted(row)) break
    rows.push(row)
  }
  return rows
}

/** As many rows as make up so many bytes. */
function tooMuch(surplusBytes: number): (row: OldColumns) => boolean {
  let left = surplusBytes
  return ({ bytes }) => {
    const isTooMuch = left > 0
    left -= bytes
    return isTooMuch
  }
}
