import Database from 'better-sqlite3'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type EventTable, openEventTable } from '../../src/store/events.ts'
import { journalSchema } from '../../src/store/journal.ts'
import type { EventRow } from '../../src/store/rows.ts'

const row = (type: string): EventRow => ({ uid: 'u', type, subject: 'press', timeMs: 0, data: '{}', bytes: 100 })
const types = ['command.asked', 'command.done', 'device.lost', 'flow.started']

function openTable(migrations = journalSchema.migrations) {
  const db = new Database(':memory:')
  for (const step of migrations) db.exec(step)
  return db
}

/** What looking at every row finds. */
function seen(db: Database.Database, type: string): readonly number[] {
  const all = db.prepare<[string], { id: number }>('SELECT id FROM events WHERE type = ? ORDER BY id DESC').all(type)
  return all.map(({ id }) => id)
}

const found = (table: EventTable, type: string, rowsMax = 10_000) => table.latest({ type, rowsMax }).map(({ id }) => id)

describe('the newest events of one type', () => {
  it('are found whatever was kept, undone and dropped before', () => {
    const rows = fc.array(fc.constantFrom(...types), { maxLength: 300 })
    const step = fc.oneof(
      { weight: 4, arbitrary: rows.map((added) => ({ kind: 'add', added }) as const) },
      { weight: 2, arbitrary: rows.map((added) => ({ kind: 'undo', added }) as const) },
      { weight: 1, arbitrary: fc.nat(500).map((count) => ({ kind: 'drop', count }) as const) },
      { weight: 1, arbitrary: fc.constant({ kind: 'reopen' } as const) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const db = openTable()
        let table = openEventTable(db)
        for (const each of steps) {
          if (each.kind === 'add') table.append(each.added.map(row))
          if (each.kind === 'undo') undone(db, () => table.append(each.added.map(row)))
          if (each.kind === 'drop') table.dropBefore((table.latest({ rowsMax: each.count }).at(-1)?.id ?? 1) + 1)
          if (each.kind === 'reopen') table = openEventTable(db)
        }
        for (const type of types) expect(found(table, type)).toEqual(seen(db, type))
        db.close()
      }),
      { numRuns: 60 },
    )
  })

  it('are as many as were asked for, from blocks far apart', () => {
    const db = openTable()
    const table = openEventTable(db)
    for (let round = 0; round < 5; round += 1) table.append([row('device.lost'), ...Array.from({ length: 999 }, () => row('flow.started'))])
    expect(found(table, 'device.lost', 3)).toEqual([4_001, 3_001, 2_001])
    expect([found(table, 'device.lost', 0), found(table, 'device.gone')]).toEqual([[], []])
  })

  it('are found in a journal that had an index instead', () => {
    const db = openTable(journalSchema.migrations.slice(0, 3))
    const insert = db.prepare<[string]>("INSERT INTO events (type, subject, time_ms, data) VALUES (?, 'press', 0, '{}')")
    for (let n = 0; n < 1_000; n += 1) insert.run(n % 400 === 7 ? 'device.lost' : 'flow.started')
    for (const step of journalSchema.migrations.slice(3)) db.exec(step)
    const table = openEventTable(db)
    table.append([row('device.lost')])
    expect(found(table, 'device.lost')).toEqual([1_001, 808, 408, 8])
  })

  it('cost a row for 128 events, which goes with them', () => {
    const db = openTable()
    const table = openEventTable(db)
    for (let n = 0; n < 1_280; n += 1) table.append([row('flow.started')])
    const blocks = db.prepare<[], { block: number }>('SELECT block FROM event_blocks')
    expect(blocks.all()).toHaveLength(11) // ids begin at 1
    table.dropBefore(1_200)
    expect(blocks.all()).toEqual([{ block: 9 }, { block: 10 }])
  })
})

function undone(db: Database.Database, work: () => void): void {
  db.exec('SAVEPOINT a')
  work()
  db.exec('ROLLBACK TO a; RELEASE a')
}
