import type { Db } from './database.ts'
import type { EventColumns } from './rows.ts'

/**
 * Which types of events there are among each 128 ids. With them the rows of one type are found without an index over every row, of which each commit
 * would write as many pages as it has types: a third of the work of keeping an event.
 */
export const eventBlocksMigration = `
  CREATE TABLE event_blocks (block INTEGER NOT NULL, type TEXT NOT NULL, PRIMARY KEY (block, type)) STRICT, WITHOUT ROWID;
  INSERT INTO event_blocks SELECT DISTINCT id >> 7, type FROM events ORDER BY 1, 2;
  DROP INDEX events_by_type;`

export interface EventBlocks {
  /** Rows were added one after the other, the last of them under this id; to be said in the same transaction. */
  added(rows: readonly { readonly type: string }[], lastId: number): void
  /** Newest first. */
  ofType(type: string): Iterable<EventColumns>
  /** Rows below this id are gone. */
  droppedBefore(id: number): void
}

/** As in the migration. */
const blockIds = 128

export function openEventBlocks(db: Db): EventBlocks {
  const mark = db.prepare<[number, string]>('INSERT INTO event_blocks (block, type) VALUES (?, ?) ON CONFLICT DO NOTHING')
  const blocks = db.prepare<[string], { block: number }>('SELECT block FROM event_blocks WHERE type = ? ORDER BY block DESC')
  const rows = db.prepare<[number, number, string], EventColumns>(
    'SELECT * FROM events WHERE id >= ? AND id < ? AND type = ? ORDER BY id DESC',
  )
  const drop = db.prepare<[number]>('DELETE FROM event_blocks WHERE block < ?')
  const marked = { block: Number.NaN, types: new Set<string>(), nextId: Number.NaN }
  return {
    added: (added, lastId) => {
      const firstId = lastId - added.length + 1
      // Ids come again where a transaction was undone, and what it had marked was undone with it.
      if (firstId !== marked.nextId) marked.block = Number.NaN
      marked.nextId = lastId + 1
      let id = firstId
      for (const { type } of added) {
        const block = Math.floor(id / blockIds)
        id += 1
        if (block !== marked.block) {
          marked.block = block
          marked.types = new Set()
        }
        if (marked.types.has(type)) continue
        mark.run(block, type)
        marked.types.add(type)
      }
    },
    *ofType(type) {
      for (const { block } of blocks.iterate(type)) yield* rows.all(block * blockIds, (block + 1) * blockIds, type)
    },
    droppedBefore: (id) => void drop.run(Math.floor(id / blockIds)),
  }
}
