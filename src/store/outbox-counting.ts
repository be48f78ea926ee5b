import type { Db } from './database.ts'

/** Rows that leave the outbox together. */
export interface Leaving {
  readonly stream: number
  readonly rows: readonly { readonly id: number; readonly class: number; readonly bytes: number; readonly seq: number }[]
  readonly as: 'sent' | 'refused' | 'dropped' | 'thinned'
}

/** Keeps the books while rows leave; the rows themselves are deleted by the caller. */
export function openCounting(db: Db): (leaving: Leaving) => void {
  const stream = db.prepare<[number, number, number, number]>(
    'UPDATE streams SET waiting_rows = waiting_rows - ?, waiting_bytes = waiting_bytes - ?, dropped = dropped + ? WHERE id = ?',
  )
  const ledger = (column: string) =>
    db.prepare<[number, number, number, number]>(
      `UPDATE ledgers SET ${column} = ${column} + ?, waiting = waiting - ? WHERE stream = ? AND class = ?`,
    )
  const ledgers = { sent: ledger('sent'), refused: ledger('refused'), dropped: ledger('dropped'), thinned: ledger('thinned') }
  const untold = db.prepare<[number, number, number, number, number]>(
    `UPDATE ledgers SET untold = untold + ?, untold_from = min(ifnull(untold_from, 9007199254740991), ?), untold_to = max(ifnull(untold_to, 0), ?)
     WHERE stream = ? AND class = ?`,
  )
  return ({ stream: id, rows, as }) => {
    if (rows.length === 0) return
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
    stream.run(rows.length, bytes, as === 'dropped' || as === 'thinned' ? rows.length : 0, id)
    for (const [number, group] of Map.groupBy(rows, (row) => row.class)) {
      ledgers[as].run(group.length, group.length, id, number)
      if (as === 'sent') continue
      const seqs = group.map(({ seq }) => seq)
      const range = seqs.reduce(({ from, to }, seq) => ({ from: Math.min(from, seq), to: Math.max(to, seq) }), {
        from: Number.MAX_SAFE_INTEGER,
        to: 0,
      })
      untold.run(group.length, range.from, range.to, id, number)
    }
  }
}
