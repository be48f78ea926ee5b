import { pack, unpack, type WithPayload } from '../base/packed.ts'
import type { SessionChanges, SessionsPage, SessionsPageAsk, SessionsPart } from './contract.ts'
import type { Db, Schema } from './database.ts'

/** sessions.db: what the embedded broker has promised its clients. The broker holds all of it in memory too, and reads it only when it starts. */
export interface Sessions {
  keep(changes: SessionChanges): { readonly file: number }
  page(ask: SessionsPageAsk): SessionsPage
}

export const sessionsSchema: Schema = {
  applicationId: 0x4c696e53, // "LinS"
  sequences: [],
  migrations: [
    // No index but the keys: the only one who looks for anything reads all of it, at its start.
    `CREATE TABLE life (number INTEGER NOT NULL) STRICT;
     CREATE TABLE sessions (id INTEGER PRIMARY KEY, client TEXT NOT NULL UNIQUE, away_ms INTEGER) STRICT;
     CREATE TABLE subscriptions (id INTEGER PRIMARY KEY, client TEXT NOT NULL, filter TEXT NOT NULL, qos INTEGER NOT NULL, UNIQUE (client, filter)) STRICT;
     CREATE TABLE queued (
       id INTEGER PRIMARY KEY, client TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
       packet_id INTEGER, is_released INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE received (id INTEGER PRIMARY KEY, client TEXT NOT NULL, packet_id INTEGER NOT NULL, UNIQUE (client, packet_id)) STRICT;
     CREATE TABLE retained (id INTEGER PRIMARY KEY, topic TEXT NOT NULL UNIQUE, payload BLOB NOT NULL, qos INTEGER NOT NULL) STRICT;
     CREATE TABLE wills (
       id INTEGER PRIMARY KEY, client TEXT NOT NULL UNIQUE, topic TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
       is_retained INTEGER NOT NULL
     ) STRICT;`,
    'ALTER TABLE sessions ADD COLUMN user TEXT;',
  ],
}

/** Of one page: it crosses a thread as one message. */
const pageRowsMax = 5_000
const pageBytesMax = 4 * 1024 ** 2

/** Gives a fresh file its number, so it wants to be called in a transaction. */
export function openSessions(db: Db): Sessions {
  db.exec('INSERT INTO life (number) SELECT abs(random() % 9007199254740991) WHERE NOT EXISTS (SELECT 1 FROM life)')
  const file = db.prepare<[], { number: number }>('SELECT number FROM life').get()?.number ?? 0
  const steps = [openClients(db), openMessages(db), openTopics(db)]
  const parts = openParts(db)
  return {
    keep: (changes) => {
      for (const keep of steps) keep(changes)
      return { file }
    },
    page: ({ part, afterId }) => ({ file, ...parts[part](afterId) }),
  }
}

type Keep = (changes: SessionChanges) => void

function openClients(db: Db): Keep {
  const forget = ['sessions', 'subscriptions', 'queued', 'received'].map((table) =>
    db.prepare<[string]>(`DELETE FROM ${table} WHERE client = ?`),
  )
  const session = db.prepare<[string, number | null, string | null]>(
    `INSERT INTO sessions (client, away_ms, user) VALUES (?, ?, ?)
     ON CONFLICT (client) DO UPDATE SET away_ms = excluded.away_ms, user = excluded.user`,
  )
  const subscribe = db.prepare<[string, string, number]>(
    'INSERT INTO subscriptions (client, filter, qos) VALUES (?, ?, ?) ON CONFLICT (client, filter) DO UPDATE SET qos = excluded.qos',
  )
  const unsubscribe = db.prepare<[string, string]>('DELETE FROM subscriptions WHERE client = ? AND filter = ?')
  return ({ forgotten, sessions, subscriptions }) => {
    for (const client of forgotten) for (const statement of forget) statement.run(client)
    for (const { client, awayMs, user } of sessions) session.run(client, awayMs, user)
    for (const { client, filter, qos } of subscriptions) {
      if (qos === null) unsubscribe.run(client, filter)
      else subscribe.run(client, filter, qos)
    }
  }
}

function openMessages(db: Db): Keep {
  const queue = db.prepare<[number, string, string, Uint8Array, number, number | null, number]>(
    'INSERT OR REPLACE INTO queued (id, client, topic, payload, qos, packet_id, is_released) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  const send = db.prepare<[number | null, number, number]>('UPDATE queued SET packet_id = ?, is_released = ? WHERE id = ?')
  const settle = db.prepare<[number]>('DELETE FROM queued WHERE id = ?')
  const receive = db.prepare<[string, number]>('INSERT OR IGNORE INTO received (client, packet_id) VALUES (?, ?)')
  const release = db.prepare<[string, number]>('DELETE FROM received WHERE client = ? AND packet_id = ?')
  return ({ queued, inFlight, settled, received }) => {
    for (const { row, payload } of unpack(queued)) {
      queue.run(row.id, row.client, row.topic, payload, row.qos, row.packetId, row.isReleased ? 1 : 0)
    }
    for (const { id, packetId, isReleased } of inFlight) send.run(packetId, isReleased ? 1 : 0, id)
    for (const id of settled) settle.run(id)
    for (const { client, packetId, isOpen } of received) {
      if (isOpen) receive.run(client, packetId)
      else release.run(client, packetId)
    }
  }
}

function openTopics(db: Db): Keep {
  const retain = db.prepare<[string, Uint8Array, number]>(
    `INSERT INTO retained (topic, payload, qos) VALUES (?, ?, ?)
     ON CONFLICT (topic) DO UPDATE SET payload = excluded.payload, qos = excluded.qos`,
  )
  const drop = db.prepare<[string]>('DELETE FROM retained WHERE topic = ?')
  const will = db.prepare<[string, string, Uint8Array, number, number]>(
    'INSERT OR REPLACE INTO wills (client, topic, payload, qos, is_retained) VALUES (?, ?, ?, ?, ?)',
  )
  const noWill = db.prepare<[string]>('DELETE FROM wills WHERE client = ?')
  return ({ retained, wills }) => {
    for (const { row, payload } of unpack(retained)) {
      if (payload.length === 0) drop.run(row.topic)
      else retain.run(row.topic, payload, row.qos)
    }
    for (const { row, payload } of unpack(wills)) {
      if (row.topic === '') noWill.run(row.client)
      else will.run(row.client, row.topic, payload, row.qos, row.isRetained ? 1 : 0)
    }
  }
}

type Page = Omit<SessionsPage, 'file'>
type Columns = { readonly id: number; readonly payload?: Uint8Array }

function openParts(db: Db): Readonly<Record<SessionsPart, (afterId: number) => Page>> {
  const rowsOf = <Row extends Columns>(columns: string, table: string): ((afterId: number) => BoundedRows<Row>) => {
    const statement = db.prepare<[number], Row>(`SELECT id, ${columns} FROM ${table} WHERE id > ? ORDER BY id LIMIT ${pageRowsMax}`)
    return (afterId) => bounded(statement.iterate(afterId))
  }
  const sessions = rowsOf<Columns & { client: string; awayMs: number | null; user: string | null }>(
    'client, away_ms AS awayMs, user',
    'sessions',
  )
  const subscriptions = rowsOf<Columns & { client: string; filter: string; qos: number }>('client, filter, qos', 'subscriptions')
  const queued = rowsOf<Required<Columns> & { client: string; topic: string; qos: number; packetId: number | null; isReleased: number }>(
    'client, topic, payload, qos, packet_id AS packetId, is_released AS isReleased',
    'queued',
  )
  const received = rowsOf<Columns & { client: string; packetId: number }>('client, packet_id AS packetId', 'received')
  const retained = rowsOf<Required<Columns> & { topic: string; qos: number }>('topic, payload, qos', 'retained')
  const wills = rowsOf<Required<Columns> & { client: string; topic: string; qos: number; isRetained: number }>(
    'client, topic, payload, qos, is_retained AS isRetained',
    'wills',
  )
  return {
    sessions: (afterId) => page(sessions(afterId), (rows) => ({ sessions: rows })),
    subscriptions: (afterId) => page(subscriptions(afterId), (rows) => ({ subscriptions: rows })),
    received: (afterId) => page(received(afterId), (rows) => ({ received: rows.map((row) => ({ ...row, isOpen: true })) })),
    queued: (afterId) =>
      page(queued(afterId), (rows) => ({ queued: packed(rows, (row) => ({ ...row, isReleased: row.isReleased === 1 })) })),
    retained: (afterId) => page(retained(afterId), (rows) => ({ retained: packed(rows, (row) => row) })),
    wills: (afterId) => page(wills(afterId), (rows) => ({ wills: packed(rows, (row) => ({ ...row, isRetained: row.isRetained === 1 })) })),
  }
}

interface BoundedRows<Row> {
  readonly rows: readonly Row[]
  readonly isWhole: boolean
}

function bounded<Row extends Columns>(found: Iterable<Row>): BoundedRows<Row> {
  const rows: Row[] = []
  let bytes = 0
  for (const row of found) {
    rows.push(row)
    bytes += row.payload?.length ?? 0
    if (rows.length >= pageRowsMax || bytes >= pageBytesMax) return { rows, isWhole: false }
  }
  return { rows, isWhole: true }
}

function page<Row extends Columns>({ rows, isWhole }: BoundedRows<Row>, changes: (rows: readonly Row[]) => Page['changes']): Page {
  const last = rows.at(-1)
  return { changes: changes(rows), ...(isWhole || last === undefined ? {} : { nextAfterId: last.id }) }
}

function packed<Row extends Required<Columns>, Out>(rows: readonly Row[], out: (row: Omit<Row, 'payload'>) => Out) {
  return pack(rows.map(({ payload, ...row }): WithPayload<Out> => ({ row: out(row), payload })))
}

/** What a call weighs in the queue of the writer. */
export function sizeOf(changes: SessionChanges): { readonly rows: number; readonly bytes: number; readonly isFreeing: boolean } {
  const { forgotten, sessions, subscriptions, queued, inFlight, settled, received, retained, wills } = changes
  const plain = [forgotten, sessions, subscriptions, inFlight, settled, received].reduce((sum, rows) => sum + rows.length, 0)
  const packs = [queued, retained, wills]
  return {
    rows: plain + packs.reduce((sum, { rows }) => sum + rows.length, 0),
    bytes: packs.reduce((sum, { payloads }) => sum + payloads.length, 0),
    isFreeing: [sessions, subscriptions, received, ...packs.map((pack) => pack.rows)].every((rows) => rows.length === 0),
  }
}
