import { epochMs } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { OutboxRow, OutboxStatus, OutgoingMessage } from './contract.ts'
import type { Db, Schema } from './database.ts'
import type { SizedRow } from './rows.ts'

/** What one upstream may keep waiting. */
export interface OutboxLimits {
  readonly sizeBytesMax: number
  /** Rows that wait longer are dropped and counted, whatever `full` says: by then nobody wants them. */
  readonly ageMs: number
  /** `refuse`: accepting fails with `outbox.full` while there is no room. */
  readonly full: 'drop-oldest' | 'refuse'
}

/** outbox.db: what is accepted and not yet acknowledged by its upstream. */
export interface Outbox {
  /** All of the rows or none. */
  accept(rows: readonly SizedRow<OutgoingMessage>[], nowMs: number): { readonly lastId: number }
  next(ask: { readonly upstream: string; readonly afterId: number; readonly rowsMax: number }): readonly OutboxRow[]
  remove(ask: { readonly upstream: string; readonly ids: readonly number[] }): null
  /** Drops what is too old or too much, a bounded step at a time; gives the number of rows dropped. */
  tidy(nowMs: number): number
  status(): readonly OutboxStatus[]
}

export const outboxSchema: Schema = {
  applicationId: 0x4c696e4f, // "LinO"
  sequences: ['outbox'],
  migrations: [
    // The counters stand beside the rows and change in their transactions, so they are true after any crash.
    `CREATE TABLE streams (
       id INTEGER PRIMARY KEY, upstream TEXT NOT NULL UNIQUE, waiting_rows INTEGER NOT NULL DEFAULT 0, waiting_bytes INTEGER NOT NULL DEFAULT 0,
       accepted INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0
     ) STRICT;
     CREATE TABLE outbox (
       id INTEGER PRIMARY KEY AUTOINCREMENT, stream INTEGER NOT NULL REFERENCES streams (id), kind TEXT NOT NULL, subject TEXT NOT NULL,
       body TEXT NOT NULL, time_ms INTEGER NOT NULL, accepted_ms INTEGER NOT NULL, bytes INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX outbox_by_stream ON outbox (stream);`,
  ],
}

/** Rows and characters in one answer: it crosses a thread as one message. */
const answerRowsMax = 5_000
const answerCharsMax = 4 * 1024 ** 2
/** Rows dropped in one step, so that a lowered limit does not hold up the writer. */
const dropRowsMax = 10_000
/** 2020-01-01. A gateway without a battery-backed clock accepts rows in 1970 until it has asked the time: these are not old. */
const plausibleMs = 1_577_836_800_000

interface StreamColumns {
  readonly id: number
  readonly upstream: string
  readonly waiting_rows: number
  readonly waiting_bytes: number
  readonly accepted: number
  readonly dropped: number
}

interface RowColumns {
  readonly id: number
  readonly kind: 'sample' | 'message'
  readonly subject: string
  readonly body: string
  readonly time_ms: number
}

/** Writes a row for each upstream of `limits`, so it wants to be called in a transaction. */
export function openOutbox(db: Db, limits: Readonly<Record<string, OutboxLimits>>): Outbox {
  const addStream = db.prepare<[string]>('INSERT INTO streams (upstream) VALUES (?) ON CONFLICT (upstream) DO NOTHING')
  for (const upstream of Object.keys(limits)) addStream.run(upstream)
  const stream = db.prepare<[string], StreamColumns>('SELECT * FROM streams WHERE upstream = ?')
  const insert = db.prepare<[number, string, string, string, number, number, number]>(
    'INSERT INTO outbox (stream, kind, subject, body, time_ms, accepted_ms, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  const count = db.prepare<[number, number, number, number], { waiting_bytes: number }>(
    `UPDATE streams SET waiting_rows = waiting_rows + ?, waiting_bytes = waiting_bytes + ?, accepted = accepted + ?
     WHERE id = ? RETURNING waiting_bytes`,
  )
  const dropper = openDropper(db, limits)

  return {
    accept: (rows, nowMs) => {
      const groups = Map.groupBy(rows, ({ row }) => row.upstream)
      const streams = new Map(groups.entries().map(([upstream, group]) => [upstream, known(stream.get(upstream), upstream, limits, group)]))
      let lastId = 0
      for (const { row, bytes } of rows) {
        const { subject, body, timeMs, kind } = row
        lastId = Number(insert.run(streams.get(row.upstream)?.id ?? 0, kind, subject, body, timeMs, nowMs, bytes).lastInsertRowid)
      }
      for (const [upstream, group] of groups) {
        const { waiting_bytes } = count.get(group.length, bytesOf(group), group.length, streams.get(upstream)?.id ?? 0) ?? {
          waiting_bytes: 0,
        }
        if (waiting_bytes > (limits[upstream]?.sizeBytesMax ?? 0)) dropper.drop(upstream, nowMs)
      }
      return { lastId }
    },
    tidy: (nowMs) => Object.keys(limits).reduce((sum, upstream) => sum + dropper.drop(upstream, nowMs), 0),
    ...openReading(db),
  }
}

/** The stream of rows to be accepted; throws where they cannot be. */
function known(
  stream: StreamColumns | undefined,
  upstream: string,
  limits: Readonly<Record<string, OutboxLimits>>,
  rows: readonly SizedRow<OutgoingMessage>[],
): StreamColumns {
  const limit = Object.hasOwn(limits, upstream) ? limits[upstream] : undefined
  if (stream === undefined || limit === undefined) throw unknownUpstream(upstream)
  const largest = rows.reduce((most, { bytes }) => Math.max(most, bytes), 0)
  if (largest > limit.sizeBytesMax) throw rowTooLarge(upstream, largest, limit.sizeBytesMax)
  const isFull = stream.waiting_bytes + bytesOf(rows) > limit.sizeBytesMax
  if (isFull && limit.full === 'refuse') throw full(upstream, stream, limit)
  return stream
}

function bytesOf(rows: readonly SizedRow<unknown>[]): number {
  return rows.reduce((sum, { bytes }) => sum + bytes, 0)
}

interface Dropper {
  /** Gives the number of rows dropped. */
  drop(upstream: string, nowMs: number): number
}

interface OldColumns {
  readonly id: number
  readonly bytes: number
  readonly accepted_ms: number
}

function openDropper(db: Db, limits: Readonly<Record<string, OutboxLimits>>): Dropper {
  const stream = db.prepare<[string], StreamColumns>('SELECT * FROM streams WHERE upstream = ?')
  const oldest = db.prepare<[number], OldColumns>(
    `SELECT id, bytes, accepted_ms FROM outbox WHERE stream = ? ORDER BY id LIMIT ${dropRowsMax}`,
  )
  const remove = db.prepare<[number, number]>('DELETE FROM outbox WHERE stream = ? AND id <= ?')
  const count = db.prepare<[number, number, number, number]>(
    'UPDATE streams SET waiting_rows = waiting_rows - ?, waiting_bytes = waiting_bytes - ?, dropped = dropped + ? WHERE id = ?',
  )
  return {
    drop: (upstream, nowMs) => {
      const limit = limits[upstream]
      const found = stream.get(upstream)
      if (limit === undefined || found === undefined) return 0
      // A lowered limit does not undo an acceptance where the site says `refuse`.
      const surplusBytes = limit.full === 'drop-oldest' ? found.waiting_bytes - limit.sizeBytesMax : 0
      const { lastId, rows, bytes } = surplus(oldest.iterate(found.id), surplusBytes, nowMs - limit.ageMs)
      if (rows === 0) return 0
      remove.run(found.id, lastId)
      count.run(rows, bytes, rows, found.id)
      return rows
    },
  }
}

/** From the oldest on: as much as is needed to take `surplusBytes` away, and all that was accepted before `bornMs`. */
function surplus(oldest: Iterable<OldColumns>, surplusBytes: number, bornMs: number): { lastId: number; rows: number; bytes: number } {
  const sum = { lastId: 0, rows: 0, bytes: 0 }
  for (const { id, bytes, accepted_ms } of oldest) {
    const isTooOld = accepted_ms > plausibleMs && accepted_ms < bornMs
    if (sum.bytes >= surplusBytes && !isTooOld) break
    sum.lastId = id
    sum.rows += 1
    sum.bytes += bytes
  }
  return sum
}

function openReading(db: Db): Pick<Outbox, 'next' | 'remove' | 'status'> {
  const next = db.prepare<[string, number, number], RowColumns>(
    `SELECT id, kind, subject, body, time_ms FROM outbox
     WHERE stream = (SELECT id FROM streams WHERE upstream = ?) AND id > ? ORDER BY id LIMIT ?`,
  )
  const remove = db.prepare<[number, string], { stream: number; bytes: number }>(
    'DELETE FROM outbox WHERE id = ? AND stream = (SELECT id FROM streams WHERE upstream = ?) RETURNING stream, bytes',
  )
  const count = db.prepare<[number, number, string]>(
    'UPDATE streams SET waiting_rows = waiting_rows - ?, waiting_bytes = waiting_bytes - ? WHERE upstream = ?',
  )
  const status = db.prepare<[], StreamColumns & { oldest_ms: number | null }>(
    `SELECT *, (SELECT time_ms FROM outbox WHERE stream = streams.id ORDER BY outbox.id LIMIT 1) AS oldest_ms FROM streams ORDER BY upstream`,
  )
  return {
    next: ({ upstream, afterId, rowsMax }) =>
      rowsOf(upstream, next.iterate(upstream, afterId, Math.max(0, Math.min(rowsMax, answerRowsMax)))),
    remove: ({ upstream, ids }) => {
      // An id that is gone already (dropped, or asked twice) is no fault.
      const gone = ids.map((id) => remove.get(id, upstream)?.bytes).filter((bytes) => bytes !== undefined)
      if (gone.length > 0)
        count.run(
          gone.length,
          gone.reduce((sum, bytes) => sum + bytes, 0),
          upstream,
        )
      return null
    },
    status: () => status.all().map(statusOf),
  }
}

function rowsOf(upstream: string, columns: Iterable<RowColumns>): readonly OutboxRow[] {
  const rows: OutboxRow[] = []
  let chars = 0
  for (const { id, kind, subject, body, time_ms } of columns) {
    chars += body.length + subject.length
    if (rows.length > 0 && chars > answerCharsMax) break
    rows.push({ id, upstream, kind, subject, body, timeMs: epochMs(time_ms) })
  }
  return rows
}

function statusOf({
  upstream,
  waiting_rows,
  waiting_bytes,
  accepted,
  dropped,
  oldest_ms,
}: StreamColumns & { oldest_ms: number | null }): OutboxStatus {
  return {
    upstream,
    waitingRows: waiting_rows,
    waitingBytes: waiting_bytes,
    acceptedTotal: accepted,
    droppedTotal: dropped,
    ...(oldest_ms === null ? {} : { oldestMs: epochMs(oldest_ms) }),
  }
}

function unknownUpstream(upstream: string): Fault {
  return new Fault('outbox.upstream-unknown', `The site has no upstream "${upstream}".`, {
    remedy: 'Declare it under upstreams: in lineside.yaml.',
  })
}

function rowTooLarge(upstream: string, bytes: number, bytesMax: number): Fault {
  return new Fault('outbox.row-too-large', `A message of ${bytes} bytes does not fit into the ${bytesMax} bytes kept for "${upstream}".`, {
    remedy: `Raise buffer.size of the upstream "${upstream}", or send smaller messages.`,
  })
}

function full(upstream: string, stream: StreamColumns, limit: OutboxLimits): Fault {
  return new Fault('outbox.full', `${stream.waiting_bytes} of ${limit.sizeBytesMax} bytes kept for "${upstream}" wait to be sent.`, {
    remedy: `Bring the upstream "${upstream}" back, or raise its buffer.size.`,
    isRetryable: true,
  })
}
