import { epochMs } from '../base/clock.ts'
import type { EventsAsk, EventsPage, JournalEvent } from '../model/journal.ts'
import type { Db } from './database.ts'
import { openEventBlocks } from './event-blocks.ts'
import type { EventColumns, EventRow } from './rows.ts'

/** The table of events: only ever added to at its end. */
export interface EventTable {
  append(rows: readonly EventRow[]): void
  /** Newest first. */
  latest(ask: { readonly type?: string; readonly rowsMax: number }): readonly JournalEvent[]
  page(ask: EventsAsk): EventsPage
  count(): number
  /** Takes the oldest away. Gives the number. */
  dropBefore(id: number): number
}

/** Rows in one answer, and the text in it: an answer crosses a thread as one message. */
const answerRowsMax = 10_000
const answerCharsMax = 8 * 1024 ** 2
/** How many rows one look passes over, found or not: the thread that looks is the one that commits. */
const lookRows = 20_000
/** In one statement: two thirds of the work of one by one. More of them save nothing. */
const rowsAtOnce = 8
/** After every character that a text can hold. */
const last = '\u{10ffff}'

export function openEventTable(db: Db): EventTable {
  const inserting = (rows: number) =>
    db.prepare<[(string | number)[]]>(
      `INSERT INTO events (uid, type, subject, time_ms, data) VALUES ${Array.from({ length: rows }, () => '(?, ?, ?, ?, ?)').join(', ')}`,
    )
  const inserts = Array.from({ length: rowsAtOnce }, (_, place) => inserting(place + 1))
  const newest = db.prepare<[number], EventColumns>('SELECT * FROM events ORDER BY id DESC LIMIT ?')
  const blocks = openEventBlocks(db)
  const drop = db.prepare<[number]>('DELETE FROM events WHERE id < ?')
  const span = db.prepare<[], Span>('SELECT (SELECT min(id) FROM events) AS first, (SELECT max(id) FROM events) AS last')
  const looks = new Map<string, ReturnType<typeof db.prepare<unknown[], EventColumns>>>()
  const look = (sql: string, parameters: readonly unknown[]): Iterable<EventColumns> => {
    const known = looks.get(sql) ?? db.prepare<unknown[], EventColumns>(sql)
    looks.set(sql, known)
    return known.iterate(...parameters)
  }
  return {
    append: (rows) => {
      for (let place = 0; place < rows.length; place += rowsAtOnce) {
        const some = rows.slice(place, place + rowsAtOnce)
        const added = inserts[some.length - 1]?.run(columnsOf(some))
        if (added !== undefined) blocks.added(some, Number(added.lastInsertRowid))
      }
    },
    latest: ({ type, rowsMax }) => {
      const count = Math.max(0, Math.min(rowsMax, answerRowsMax))
      return bounded(type === undefined ? newest.iterate(count) : first(count, blocks.ofType(type))).events
    },
    page: (ask) => pageOf(ask, span.get() ?? { first: null, last: null }, look),
    count: () => {
      const { first, last: end } = span.get() ?? { first: null, last: null }
      // Ids have no gaps between the first and the last: rows leave at the front only.
      return first === null || end === null ? 0 : end - first + 1
    },
    dropBefore: (id) => {
      blocks.droppedBefore(id)
      return drop.run(id).changes
    },
  }
}

function columnsOf(rows: readonly EventRow[]): (string | number)[] {
  const columns: (string | number)[] = []
  for (const { uid, type, subject, timeMs, data } of rows) columns.push(uid, type, subject, timeMs, data)
  return columns
}

function* first<Row>(count: number, rows: Iterable<Row>): Iterable<Row> {
  let left = count
  if (left > 0)
    for (const row of rows) {
      yield row
      left -= 1
      if (left === 0) return
    }
}

interface Span {
  readonly first: number | null
  readonly last: number | null
}

type Look = (sql: string, parameters: readonly unknown[]) => Iterable<EventColumns>

/** One bounded look, from the cursor on. What it has passed over is behind the next cursor, found or not. */
function pageOf(ask: EventsAsk, { first, last: end }: Span, look: Look): EventsPage {
  const isForward = ask.order === 'oldest'
  if (first === null || end === null) return { events: [], cursor: ask.cursor ?? 0, isEnd: true }
  const from = isForward ? Math.max(ask.cursor ?? 0, first - 1) : Math.min(ask.cursor ?? Number.MAX_SAFE_INTEGER, end + 1)
  const to = isForward ? Math.min(end, from + lookRows) : Math.max(first, from - lookRows)
  const rowsMax = Math.max(1, Math.min(ask.rowsMax, answerRowsMax))
  const where = conditions(ask)
  const span = isForward ? 'id > ? AND id <= ?' : 'id < ? AND id >= ?'
  const sql = `SELECT * FROM events WHERE ${[span, ...where.texts].join(' AND ')} ORDER BY id ${isForward ? 'ASC' : 'DESC'} LIMIT ?`
  const { events, isCut } = bounded(look(sql, [from, to, ...where.values, rowsMax]))
  const lastFound = events.at(-1)
  if (lastFound !== undefined && (isCut || events.length >= rowsMax)) return { events, cursor: lastFound.id, isEnd: false }
  return { events, cursor: to, isEnd: isForward ? to >= end : to <= first }
}

function conditions({ types, subject, fromMs, toMs }: EventsAsk): {
  readonly texts: readonly string[]
  readonly values: readonly unknown[]
} {
  const texts: string[] = []
  const values: unknown[] = []
  const add = (text: string, ...more: readonly unknown[]): void => {
    texts.push(text)
    values.push(...more)
  }
  if (types !== undefined && !types.includes('*')) {
    const each = types.map((type) => matching('type', type))
    add(`(${each.map(({ text }) => text).join(' OR ')})`, ...each.flatMap(({ values: found }) => found))
  }
  if (subject !== undefined) {
    const { text, values: found } = matching('subject', subject)
    add(text, ...found)
  }
  if (fromMs !== undefined) add('time_ms >= ?', fromMs)
  if (toMs !== undefined) add('time_ms < ?', toMs)
  return { texts, values }
}

/** `flow.*` is everything that begins with `flow.`. */
function matching(column: 'type' | 'subject', pattern: string): { readonly text: string; readonly values: readonly string[] } {
  if (!pattern.endsWith('*')) return { text: `${column} = ?`, values: [pattern] }
  const prefix = pattern.slice(0, -1)
  return { text: `(${column} >= ? AND ${column} < ?)`, values: [prefix, `${prefix}${last}`] }
}

function bounded(rows: Iterable<EventColumns>): { readonly events: readonly JournalEvent[]; readonly isCut: boolean } {
  const events: JournalEvent[] = []
  let chars = 0
  for (const row of rows) {
    chars += row.data.length + row.subject.length
    if (events.length > 0 && chars > answerCharsMax) return { events, isCut: true }
    events.push(eventOf(row))
  }
  return { events, isCut: false }
}

export function eventOf({ id, uid, type, subject, time_ms, data }: EventColumns): JournalEvent {
  return { id, uid: uid ?? String(id), type, subject, timeMs: epochMs(time_ms), data: parseData(data) }
}

function parseData(text: string): Readonly<Record<string, unknown>> {
  try {
    const data: unknown = JSON.parse(text)
    return typeof data === 'object' && data !== null && !Array.isArray(data) ? { ...data } : { value: data }
  } catch {
    return { unread: text } // somebody else wrote this row
  }
}
