import { epochMs } from '../base/clock.ts'
import type { OutgoingMessage } from './contract.ts'
import type { Db } from './database.ts'
import { openDropping } from './outbox-dropping.ts'
import { full, rowTooLarge, unknownUpstream } from './outbox-faults.ts'
import { type OutboxReading, openReading } from './outbox-reading.ts'
import { classes, classNumber, type LedgerColumns, type OutboxLimits, type StreamColumns, type WaitingStates } from './outbox-schema.ts'
import { messageRows, type SizedRow } from './rows.ts'

/** outbox.db: what is accepted and not yet acknowledged by its upstream. */
export interface Outbox extends OutboxReading {
  /** All of the rows or none. */
  accept(rows: readonly SizedRow<OutgoingMessage>[], nowMs: number): { readonly lastId: number }
  /** Drops what is too old or too much, a bounded step at a time, and tells the upstreams what was dropped; gives the number of rows dropped. */
  tidy(nowMs: number): number
}

/** How full the outbox may be for a message of its own. */
const tellRoom = 0.9

type Rows = readonly SizedRow<OutgoingMessage>[]

/** Writes a row for each upstream of `limits`, so it wants to be called in a transaction. */
export function openOutbox(db: Db, limits: Readonly<Record<string, OutboxLimits>>): Outbox {
  const addStream = db.prepare<[string]>(
    'INSERT INTO streams (upstream, ledger) VALUES (?, (random() & 2147483647) | 1) ON CONFLICT (upstream) DO NOTHING',
  )
  for (const upstream of Object.keys(limits)) addStream.run(upstream)
  const stream = db.prepare<[string], StreamColumns>('SELECT * FROM streams WHERE upstream = ?')
  const states: WaitingStates = new Map()
  const write = openWriting(db, states)
  const dropping = openDropping(db, limits)
  const accept = (rows: Rows, nowMs: number): { readonly lastId: number } => {
    const groups = [...Map.groupBy(rows, ({ row }) => row.upstream)].map(([upstream, group]) => ({
      stream: known(stream.get(upstream), { upstream, limits, rows: group }),
      group,
    }))
    let lastId = 0
    for (const { stream: found, group } of groups) {
      const { lastId: id, waitingBytes } = write(found, group, nowMs)
      lastId = Math.max(lastId, id)
      if (waitingBytes > (limits[found.upstream]?.sizeBytesMax ?? 0)) dropping.drop(found.upstream, nowMs)
    }
    return { lastId }
  }
  const sentAtTelling = new Map<number, number>()
  const tellDrops = (upstream: string, nowMs: number): void => {
    const found = stream.get(upstream)
    const { dropTopic, sizeBytesMax = 0 } = limits[upstream] ?? {}
    if (found === undefined || dropTopic === undefined) return
    const sent = dropping.sent(found.id)
    // In a full outbox telling of drops would drop more: while nobody reads, it waits until there is room.
    const isRead = sent > (sentAtTelling.get(found.id) ?? sent)
    sentAtTelling.set(found.id, sent)
    if (!isRead && found.waiting_bytes > sizeBytesMax * tellRoom) return
    const told = dropping.takeUntold(found.id).map((book): OutgoingMessage => {
      const body = JSON.stringify(dropNews(upstream, found.ledger, book))
      return { upstream, kind: 'message', subject: dropTopic, body, timeMs: epochMs(nowMs) }
    })
    if (told.length > 0) accept(messageRows(told).rows, nowMs)
  }
  return {
    accept,
    tidy: (nowMs) =>
      Object.keys(limits).reduce((sum, upstream) => {
        const dropped = dropping.drop(upstream, nowMs)
        tellDrops(upstream, nowMs)
        return sum + dropped
      }, 0),
    ...openReading(db, states),
  }
}

/** What an upstream is told of the rows that it will not see. */
function dropNews(upstream: string, ledger: number, book: LedgerColumns): Readonly<Record<string, unknown>> {
  const { class: number, untold: rows, untold_from: fromSeq, untold_to: toSeq, dropped, thinned, refused } = book
  return { upstream, ledger, stream: classes[number] ?? 'events', rows, fromSeq, toSeq, total: { dropped, thinned, refused } }
}

/** The stream of rows to be accepted; throws where they cannot be. */
function known(
  stream: StreamColumns | undefined,
  { upstream, limits, rows }: { readonly upstream: string; readonly limits: Readonly<Record<string, OutboxLimits>>; readonly rows: Rows },
): StreamColumns {
  const limit = Object.hasOwn(limits, upstream) ? limits[upstream] : undefined
  if (stream === undefined || limit === undefined) throw unknownUpstream(upstream)
  const largest = rows.reduce((most, { bytes }) => Math.max(most, bytes), 0)
  if (largest > limit.sizeBytesMax) throw rowTooLarge(upstream, largest, limit.sizeBytesMax)
  const sum = rows.reduce((bytes, row) => bytes + row.bytes, 0)
  if (stream.waiting_bytes + sum > limit.sizeBytesMax && limit.full === 'refuse')
    throw full(upstream, stream.waiting_bytes, limit.sizeBytesMax)
  return stream
}

interface Written {
  readonly lastId: number
  /** Of all that waits for the upstream now. */
  readonly waitingBytes: number
}

type Write = (stream: StreamColumns, rows: Rows, nowMs: number) => Written

/** In one statement: it takes less than as many of one row. More of them save nothing. */
const rowsAtOnce = 4

interface Insertion {
  readonly stream: number
  readonly class: number
  readonly nowMs: number
}

/** The id of the last. Ids and numbers go on by one from row to row. */
type Insert = (rows: Rows, firstSeq: number, to: Insertion) => number

function openInserting(db: Db): Insert {
  const inserting = (rows: number) =>
    db.prepare<(string | number | null)[]>(
      `INSERT INTO outbox (stream, kind, subject, body, time_ms, accepted_ms, bytes, class, seq, key) VALUES ${Array.from({ length: rows }, () => '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').join(', ')}`,
    )
  const [one, some] = [inserting(1), inserting(rowsAtOnce)]
  return (rows, firstSeq, { stream, class: number, nowMs }) => {
    let lastId = 0
    for (let place = 0; place < rows.length; ) {
      const count = rows.length - place >= rowsAtOnce ? rowsAtOnce : 1
      const values: (string | number | null)[] = []
      for (const [offset, { row, bytes }] of rows.slice(place, place + count).entries()) {
        const { subject, body, timeMs, kind, key = null } = row
        values.push(stream, kind, subject, body, timeMs, nowMs, bytes, number, firstSeq + place + offset, key)
      }
      lastId = Number((count === 1 ? one : some).run(...values).lastInsertRowid)
      place += count
    }
    return lastId
  }
}

/** Numbers the rows of each class on from the last and inserts them; a state takes the place of the one that waits, if nobody has read that. */
function openWriting(db: Db, states: WaitingStates): Write {
  const insert = openInserting(db)
  const books = openBooks(db)
  const replace = openReplacing(db)
  return (stream, rows, nowMs) => {
    const waiting = statesOf(states, stream.id)
    let lastId = 0
    let bytesMore = 0
    let rowsMore = 0
    for (const [name, group] of Map.groupBy(rows, ({ row }) => row.stream ?? 'events')) {
      const number = classNumber[name]
      const first = books.next(stream.id, number)
      const at = { stream: stream.id, class: number, nowMs }
      let seq = first
      if (number !== classNumber.state) {
        lastId = Math.max(lastId, insert(group, seq, at))
        for (const { bytes } of group) bytesMore += bytes
        seq += group.length
      } else {
        for (const one of group) {
          const { row, bytes } = one
          const old = waiting.get(row.subject)
          const freed = old === undefined ? undefined : replace({ id: old, stream: stream.id, row, bytes, nowMs })
          bytesMore += bytes - (freed ?? 0)
          const isReplaced = old !== undefined && freed !== undefined
          const id = isReplaced ? old : insert([one], seq, at)
          if (!isReplaced) seq += 1
          waiting.set(row.subject, id)
          lastId = Math.max(lastId, id)
        }
      }
      rowsMore += seq - first
      books.add({ stream: stream.id, class: number, rows: seq - first, replaced: group.length - (seq - first) })
    }
    return { lastId, waitingBytes: books.sum(stream.id, rowsMore, bytesMore) }
  }
}

function statesOf(states: WaitingStates, stream: number): Map<string, number> {
  const known = states.get(stream) ?? new Map<string, number>()
  states.set(stream, known)
  return known
}

interface Replacement {
  readonly id: number
  readonly stream: number
  readonly row: OutgoingMessage
  readonly bytes: number
  readonly nowMs: number
}

/** Gives the bytes of what was replaced; undefined where it is there no more. */
function openReplacing(db: Db): (what: Replacement) => number | undefined {
  // The subject is asked for too: an id of a transaction that was undone may have been given again.
  const old = db.prepare<[number, number, string], { readonly bytes: number }>(
    'SELECT bytes FROM outbox WHERE id = ? AND stream = ? AND class = 1 AND subject = ?',
  )
  const replace = db.prepare<[string, string, number, number, number, string | null, number]>(
    'UPDATE outbox SET kind = ?, body = ?, time_ms = ?, accepted_ms = ?, bytes = ?, key = ? WHERE id = ?',
  )
  return ({ id, stream, row, bytes, nowMs }) => {
    const found = old.get(id, stream, row.subject)
    if (found === undefined) return undefined
    replace.run(row.kind, row.body, row.timeMs, nowMs, bytes, row.key ?? null, id)
    return found.bytes
  }
}

/** The counters of the streams and of their classes. */
function openBooks(db: Db) {
  const next = db.prepare<[number, number], { readonly accepted: number }>('SELECT accepted FROM ledgers WHERE stream = ? AND class = ?')
  const add = db.prepare<[number, number, number, number, number]>(
    `INSERT INTO ledgers (stream, class, accepted, waiting, replaced) VALUES (?, ?, ?, ?, ?) ON CONFLICT (stream, class) DO UPDATE
     SET accepted = accepted + excluded.accepted, waiting = waiting + excluded.waiting, replaced = replaced + excluded.replaced`,
  )
  const sum = db.prepare<[number, number, number, number], { waiting_bytes: number }>(
    `UPDATE streams SET waiting_rows = waiting_rows + ?, waiting_bytes = waiting_bytes + ?, accepted = accepted + ?
     WHERE id = ? RETURNING waiting_bytes`,
  )
  return {
    /** The number of the next row. */
    next: (stream: number, number: number): number => (next.get(stream, number)?.accepted ?? 0) + 1,
    add: (more: { readonly stream: number; readonly class: number; readonly rows: number; readonly replaced: number }): void => {
      add.run(more.stream, more.class, more.rows, more.rows, more.replaced)
    },
    /** Gives the bytes that wait now. */
    sum: (stream: number, rows: number, bytes: number): number => sum.get(rows, bytes, rows, stream)?.waiting_bytes ?? 0,
  }
}
