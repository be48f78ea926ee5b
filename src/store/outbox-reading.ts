import { epochMs } from '../base/clock.ts'
import type { OutboxRow, OutboxStatus, RemoveAsk, StreamStatus, UnsentAsk, UnsentSurvey } from './contract.ts'
import type { Db } from './database.ts'
import { openCounting } from './outbox-counting.ts'
import { classes, classNumber, type LedgerColumns, type StreamColumns, type WaitingStates } from './outbox-schema.ts'

/** Rows and characters in one answer: it crosses a thread as one message. */
const answerRowsMax = 5_000
const answerCharsMax = 4 * 1024 ** 2

interface RowColumns {
  readonly id: number
  readonly kind: 'sample' | 'message'
  readonly subject: string
  readonly body: string
  readonly time_ms: number
  readonly class: number
  readonly seq: number
  readonly key: string | null
}

export interface OutboxReading {
  next(ask: UnsentAsk): readonly OutboxRow[]
  survey(ask: UnsentAsk): UnsentSurvey
  remove(ask: RemoveAsk): null
  status(): readonly OutboxStatus[]
}

const filters = { all: '', state: 'AND class = 1', others: 'AND class <> 1' } as const

/** `states` forgets what is read: once it may be under way, nothing may take its place. */
export function openReading(db: Db, states: WaitingStates): OutboxReading {
  const stream = db.prepare<[string], StreamColumns>('SELECT * FROM streams WHERE upstream = ?')
  const nextOf = (filter: string) =>
    db.prepare<[number, number, number], RowColumns>(
      `SELECT id, kind, subject, body, time_ms, class, seq, key FROM outbox WHERE stream = ? AND id > ? ${filter} ORDER BY id LIMIT ?`,
    )
  const surveyOf = (filter: string) =>
    db.prepare<[number, number, number], { readonly id: number; readonly subject: string }>(
      `SELECT id, subject FROM outbox WHERE stream = ? AND id > ? ${filter} ORDER BY id LIMIT ?`,
    )
  const next = { all: nextOf(filters.all), state: nextOf(filters.state), others: nextOf(filters.others) }
  const survey = { all: surveyOf(filters.all), state: surveyOf(filters.state), others: surveyOf(filters.others) }
  return {
    next: ({ upstream, afterId, rowsMax, ...ask }) => {
      const only = ask.only ?? 'all'
      const found = stream.get(upstream)
      if (found === undefined) return []
      return rowsOf(next[only].iterate(found.id, afterId, answerRows(rowsMax)), { stream: found, states: states.get(found.id) })
    },
    survey: ({ upstream, afterId, rowsMax, ...ask }) => {
      const only = ask.only ?? 'all'
      const rows = survey[only].all(stream.get(upstream)?.id ?? 0, afterId, answerRows(rowsMax))
      const subjects = new Map(rows.map(({ subject, id }) => [subject, id]))
      return { subjects: [...subjects], lastId: rows.at(-1)?.id ?? afterId, isEnd: rows.length < answerRows(rowsMax) }
    },
    remove: openRemoving(db),
    status: openStatus(db),
  }
}

function answerRows(rowsMax: number): number {
  return Math.max(0, Math.min(rowsMax, answerRowsMax))
}

function rowsOf(
  columns: Iterable<RowColumns>,
  { stream, states }: { readonly stream: StreamColumns; readonly states: Map<string, number> | undefined },
): readonly OutboxRow[] {
  const rows: OutboxRow[] = []
  const { upstream, ledger } = stream
  let chars = 0
  for (const { id, kind, subject, body, time_ms, class: number, seq, key } of columns) {
    chars += body.length + subject.length
    if (rows.length > 0 && chars > answerCharsMax) break
    if (number === classNumber.state && states?.get(subject) === id) states.delete(subject)
    const row = { id, upstream, kind, subject, body, timeMs: epochMs(time_ms), stream: classes[number] ?? 'events', seq, ledger }
    rows.push(key === null ? row : { ...row, key })
  }
  return rows
}

function openRemoving(db: Db): (ask: RemoveAsk) => null {
  const stream = db.prepare<[string], { readonly id: number }>('SELECT id FROM streams WHERE upstream = ?')
  const remove = db.prepare<[number, number], { id: number; class: number; bytes: number; seq: number }>(
    'DELETE FROM outbox WHERE id = ? AND stream = ? RETURNING id, class, bytes, seq',
  )
  const count = openCounting(db)
  return ({ upstream, ids, outcome = 'sent' }) => {
    const id = stream.get(upstream)?.id ?? 0
    // An id that is gone already (dropped, or asked twice) is no fault.
    const rows = ids.map((row) => remove.get(row, id)).filter((row) => row !== undefined)
    count({ stream: id, rows, as: outcome })
    return null
  }
}

function openStatus(db: Db): () => readonly OutboxStatus[] {
  const streams = db.prepare<[], StreamColumns & { oldest_ms: number | null }>(
    `SELECT *, (SELECT time_ms FROM outbox WHERE stream = streams.id ORDER BY outbox.id LIMIT 1) AS oldest_ms FROM streams ORDER BY upstream`,
  )
  const ledgers = db.prepare<[], LedgerColumns>('SELECT * FROM ledgers ORDER BY stream, class')
  return () => {
    const books = Map.groupBy(ledgers.all(), ({ stream }) => stream)
    return streams.all().map((stream) => statusOf(stream, books.get(stream.id) ?? []))
  }
}

function statusOf(stream: StreamColumns & { readonly oldest_ms: number | null }, books: readonly LedgerColumns[]): OutboxStatus {
  return {
    upstream: stream.upstream,
    waitingRows: stream.waiting_rows,
    waitingBytes: stream.waiting_bytes,
    acceptedTotal: stream.accepted,
    droppedTotal: stream.dropped,
    ...(stream.oldest_ms === null ? {} : { oldestMs: epochMs(stream.oldest_ms) }),
    ledger: stream.ledger,
    streams: books.map(streamStatus),
  }
}

function streamStatus({ class: number, accepted, sent, waiting, dropped, thinned, refused, replaced }: LedgerColumns): StreamStatus {
  const missing = accepted - sent - waiting - dropped - thinned - refused
  return { stream: classes[number] ?? 'events', accepted, sent, waiting, dropped, thinned, refused, replaced, missing }
}
