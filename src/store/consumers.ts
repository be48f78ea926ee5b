import { epochMs } from '../base/clock.ts'
import type { Consumed, ConsumerCursor, DeadLetter, DeadLetterAsk, DeadLetterOrder, InboxRow } from '../model/journal.ts'
import type { Db } from './database.ts'
import { eventOf } from './events.ts'
import type { EventColumns, InboxRowText } from './rows.ts'

/**
 * How far each consumer of events has come, what waits for it alone, and what it could not take. A step done stands in one row, however many
 * events lie behind it: all up to `last_id` are done, and those in `ahead`.
 */
export interface Consumers {
  /** Ids in the order of the items: the last one, those before it without a gap. */
  enqueue(items: readonly InboxRowText[]): { readonly lastId: number; readonly dropped: number }
  inbox(ask: { readonly consumer: string; readonly afterId: number; readonly rowsMax: number }): readonly InboxRow[]
  /** Where it goes on; a consumer that is here for the first time begins with what comes next. */
  cursor(consumer: string): ConsumerCursor
  consumed(ask: Consumed): void
  dead(ask: DeadLetterAsk): readonly DeadLetter[]
  deadCounts(): Readonly<Record<string, number>>
  /** Gives the consumers whose letters it took, each with how many. */
  orderDead(order: DeadLetterOrder): Readonly<Record<string, number>>
  counts(): { readonly waiting: number; readonly dead: number; readonly droppedTotal: number; readonly droppedLettersTotal: number }
}

export const consumersMigration = `
  ALTER TABLE events ADD COLUMN uid TEXT;
  CREATE TABLE consumers (consumer TEXT PRIMARY KEY, last_id INTEGER NOT NULL, ahead TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, consumer TEXT NOT NULL,
    uid TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, time_ms INTEGER NOT NULL, data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX inbox_by_consumer ON inbox (consumer, id);
  CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, consumer TEXT NOT NULL,
    uid TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, time_ms INTEGER NOT NULL, data TEXT NOT NULL,
    dead_ms INTEGER NOT NULL, attempts INTEGER NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL
  ) STRICT;`

/** Of one consumer; past it the oldest are dropped, and counted. */
const inboxRowsMax = 100_000
/** Of all consumers; past it the oldest are dropped, and counted. */
const deadRowsMax = 10_000
const answerRowsMax = 5_000
const answerCharsMax = 8 * 1024 ** 2

interface InboxColumns extends EventColumns {
  readonly consumer: string
}

interface DeadColumns extends InboxColumns {
  readonly dead_ms: number
  readonly attempts: number
  readonly code: string
  readonly reason: string
}

export function openConsumers(db: Db): Consumers {
  const inbox = openInbox(db)
  const letters = openLetters(db, inbox.put)
  const cursors = openCursors(db)
  return {
    enqueue: inbox.enqueue,
    inbox: inbox.page,
    cursor: cursors.find,
    consumed: ({ consumer, done, cursor, dead }) => {
      for (const id of done) inbox.remove(consumer, id)
      if (cursor !== undefined) cursors.set(consumer, cursor)
      for (const letter of dead) letters.put(consumer, letter)
    },
    dead: letters.page,
    deadCounts: letters.byConsumer,
    orderDead: letters.order,
    counts: () => ({ ...inbox.counts(), ...letters.counts() }),
  }
}

type PutInbox = (consumer: string, event: InboxRowText['event']) => number

function openInbox(db: Db) {
  const insert = db.prepare<[string, string, string, string, number, string]>(
    'INSERT INTO inbox (consumer, uid, type, subject, time_ms, data) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const remove = db.prepare<[number, string]>('DELETE FROM inbox WHERE id = ? AND consumer = ?')
  const after = db.prepare<[string, number, number], InboxColumns>('SELECT * FROM inbox WHERE consumer = ? AND id > ? ORDER BY id LIMIT ?')
  const dropOldest = db.prepare<[string, string, number]>(
    'DELETE FROM inbox WHERE consumer = ? AND id IN (SELECT id FROM inbox WHERE consumer = ? ORDER BY id LIMIT ?)',
  )
  const sizes = db.prepare<[], { consumer: string; count: number }>('SELECT consumer, count(*) AS count FROM inbox GROUP BY consumer')
  // A transaction that fails takes its rows back but not these counts: they bound, and need not be exact.
  const waiting = new Map(sizes.all().map(({ consumer, count }) => [consumer, count]))
  let droppedTotal = 0
  const put: PutInbox = (consumer, { uid, type, subject, timeMs, data }) => {
    const id = Number(insert.run(consumer, uid, type, subject, timeMs, data).lastInsertRowid)
    waiting.set(consumer, (waiting.get(consumer) ?? 0) + 1)
    return id
  }
  const bound = (consumer: string): number => {
    const over = (waiting.get(consumer) ?? 0) - inboxRowsMax
    if (over <= 0) return 0
    const dropped = dropOldest.run(consumer, consumer, over).changes
    waiting.set(consumer, inboxRowsMax)
    droppedTotal += dropped
    return dropped
  }
  return {
    put,
    enqueue: (items: readonly InboxRowText[]) => {
      let lastId = 0
      for (const { consumer, event } of items) lastId = put(consumer, event)
      const dropped = [...new Set(items.map(({ consumer }) => consumer))].reduce((sum, consumer) => sum + bound(consumer), 0)
      return { lastId, dropped }
    },
    remove: (consumer: string, id: number): void => {
      const { changes } = remove.run(id, consumer)
      if (changes > 0) waiting.set(consumer, Math.max(0, (waiting.get(consumer) ?? 0) - 1))
    },
    page: ({ consumer, afterId, rowsMax }: { readonly consumer: string; readonly afterId: number; readonly rowsMax: number }) =>
      boundedRows(after.iterate(consumer, afterId, Math.min(rowsMax, answerRowsMax)), eventOf),
    counts: () => ({ waiting: [...waiting.values()].reduce((sum, count) => sum + count, 0), droppedTotal }),
  }
}

function openCursors(db: Db) {
  const find = db.prepare<[string], { last_id: number; ahead: string }>('SELECT last_id, ahead FROM consumers WHERE consumer = ?')
  const set = db.prepare<[string, number, string]>(
    'INSERT INTO consumers (consumer, last_id, ahead) VALUES (?, ?, ?) ON CONFLICT (consumer) DO UPDATE SET last_id = excluded.last_id, ahead = excluded.ahead',
  )
  const newest = db.prepare<[], { id: number | null }>("SELECT seq AS id FROM sqlite_sequence WHERE name = 'events'")
  return {
    find: (consumer: string): ConsumerCursor => {
      const row = find.get(consumer)
      if (row !== undefined) return { lastId: row.last_id, ahead: JSON.parse(row.ahead) as number[] }
      return { lastId: newest.get()?.id ?? 0, ahead: [], isNew: true }
    },
    set: (consumer: string, { lastId, ahead }: ConsumerCursor): void => void set.run(consumer, lastId, JSON.stringify(ahead)),
  }
}

function openLetters(db: Db, enqueue: PutInbox) {
  const insert = db.prepare<[string, string, string, string, number, string, number, number, string, string]>(
    `INSERT INTO dead_letters (consumer, uid, type, subject, time_ms, data, dead_ms, attempts, code, reason)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const page = db.prepare<[number, string, string, number], DeadColumns>(
    "SELECT * FROM dead_letters WHERE id > ? AND (? = '' OR consumer = ?) ORDER BY id LIMIT ?",
  )
  const find = db.prepare<[number], DeadColumns>('SELECT * FROM dead_letters WHERE id = ?')
  const remove = db.prepare<[number]>('DELETE FROM dead_letters WHERE id = ?')
  const size = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM dead_letters')
  const sizes = db.prepare<[], { consumer: string; count: number }>(
    'SELECT consumer, count(*) AS count FROM dead_letters GROUP BY consumer',
  )
  const dropOldest = db.prepare<[number]>('DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters ORDER BY id LIMIT ?)')
  let count = size.get()?.count ?? 0
  let droppedTotal = 0
  const rowsOf = ({ consumer = '', afterId, rowsMax }: DeadLetterAsk): readonly DeadLetter[] =>
    boundedRows(page.iterate(afterId, consumer, consumer, Math.min(rowsMax, answerRowsMax)), letterOf)
  return {
    put: (consumer: string, { event, deadMs, attempts, code, reason }: Consumed['dead'][number]): void => {
      const { uid, type, subject, timeMs, data } = event
      insert.run(consumer, uid, type, subject, timeMs, JSON.stringify(data), deadMs, attempts, code, reason)
      count += 1
      if (count <= deadRowsMax) return
      droppedTotal += dropOldest.run(count - deadRowsMax).changes
      count = deadRowsMax
    },
    page: rowsOf,
    byConsumer: () => Object.fromEntries(sizes.all().map(({ consumer, count: letters }) => [consumer, letters])),
    order: ({ action, ids, consumer }: DeadLetterOrder): Readonly<Record<string, number>> => {
      const taken: Record<string, number> = {}
      const known =
        ids ?? rowsOf({ afterId: 0, rowsMax: answerRowsMax, ...(consumer === undefined ? {} : { consumer }) }).map(({ id }) => id)
      for (const id of known) {
        const row = find.get(id)
        if (row === undefined || (consumer !== undefined && row.consumer !== consumer)) continue
        if (action === 'retry') enqueue(row.consumer, { ...eventOf(row), data: row.data })
        remove.run(id)
        count -= 1
        taken[row.consumer] = (taken[row.consumer] ?? 0) + 1
      }
      return taken
    },
    counts: () => ({ dead: count, droppedLettersTotal: droppedTotal }),
  }
}

function letterOf(row: DeadColumns): DeadLetter {
  const { consumer, dead_ms, attempts, code, reason } = row
  return { ...eventOf(row), consumer, deadMs: epochMs(dead_ms), attempts, code, reason }
}

function boundedRows<Row extends EventColumns, Out>(rows: Iterable<Row>, out: (row: Row) => Out): readonly Out[] {
  const found: Out[] = []
  let chars = 0
  for (const row of rows) {
    chars += row.data.length + row.subject.length
    if (found.length > 0 && chars > answerCharsMax) break
    found.push(out(row))
  }
  return found
}
