import type { HistoryAsk, HistoryBatch, HistoryPage } from '../model/history.ts'
import { type Db, numberPragma, type Schema } from './database.ts'
import { openHistoryChunks } from './history-chunks.ts'

/** history.db: what chosen tags were. New values stand one a row; now and then those of each tag become chunks, which are small and quickly read. */
export interface History {
  keep(batch: HistoryBatch): void
  page(ask: HistoryAsk): HistoryPage
  /** Takes away what is too old or too much; to be called now and then. */
  trim(nowMs: number): void
}

export interface HistoryLimits {
  readonly keepMs: number
  readonly sizeBytesMax: number
}

export const historySchema: Schema = {
  applicationId: 0x4c696e48, // "LinH"
  sequences: [],
  migrations: [
    `CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
     CREATE TABLE recent (id INTEGER PRIMARY KEY, tag INTEGER NOT NULL, time_ms INTEGER NOT NULL, value REAL) STRICT;
     CREATE TABLE chunks (
       id INTEGER PRIMARY KEY AUTOINCREMENT, tag INTEGER NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, data BLOB NOT NULL
     ) STRICT;
     CREATE INDEX chunks_by_tag ON chunks (tag, from_ms, id);
     CREATE TABLE life (id INTEGER PRIMARY KEY CHECK (id = 1), alive_ms INTEGER NOT NULL) STRICT;`,
  ],
}

/** Past these the new rows become chunks: a look at one tag reads all of them, and a fold must stay some ms. */
const foldRows = 10_000
const foldAfterMs = 600_000

export function openHistory(db: Db, limits: HistoryLimits): History {
  const findTag = db.prepare<[string], { id: number }>('SELECT id FROM tags WHERE name = ?')
  const addTag = db.prepare<[string]>('INSERT INTO tags (name) VALUES (?)')
  const put = db.prepare<[number, number, number | null]>('INSERT INTO recent (tag, time_ms, value) VALUES (?, ?, ?)')
  const alive = db.prepare<[], { alive_ms: number }>('SELECT alive_ms FROM life')
  const live = db.prepare<[number]>(
    'INSERT INTO life (id, alive_ms) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET alive_ms = excluded.alive_ms',
  )
  const endAll = db.prepare<[number]>('INSERT INTO recent (tag, time_ms, value) SELECT id, ?, NULL FROM tags')
  const state = db.prepare<[], { rows: number; first: number | null }>('SELECT count(*) AS rows, min(time_ms) AS first FROM recent')
  const chunks = openHistoryChunks(db)
  let { rows, first } = state.get() ?? { rows: 0, first: null }
  const idOf = (name: string): number => findTag.get(name)?.id ?? Number(addTag.run(name).lastInsertRowid)
  const fold = (): void => {
    chunks.fold()
    rows = 0
    first = null
  }
  return {
    keep: ({ isFirst, aliveMs, tags, places, times, values }) => {
      // What they were since the gateway was last seen alive, nobody knows.
      const before = isFirst ? alive.get()?.alive_ms : undefined
      if (before !== undefined) endAll.run(before + 1)
      const tagIds = tags.map(idOf)
      for (let at = 0; at < places.length; at += 1) {
        const id = tagIds[places[at] ?? 0]
        const value = values[at] ?? Number.NaN
        if (id !== undefined) put.run(id, Math.trunc(times[at] ?? 0), Number.isFinite(value) ? value : null)
      }
      live.run(aliveMs)
      rows += places.length
      first ??= times[0] ?? null
      if (rows >= foldRows || (first !== null && Math.abs(aliveMs - first) > foldAfterMs)) fold()
    },
    page: (ask) => {
      const id = findTag.get(ask.tag)?.id
      return id === undefined ? { times: new Float64Array(), values: new Float64Array() } : chunks.page(id, ask)
    },
    trim: (nowMs) => {
      chunks.dropOlder(nowMs - limits.keepMs)
      if (usedBytes(db) > limits.sizeBytesMax) chunks.dropOldest()
    },
  }
}

function usedBytes(db: Db): number {
  return (numberPragma(db, 'page_count') - numberPragma(db, 'freelist_count')) * numberPragma(db, 'page_size')
}
