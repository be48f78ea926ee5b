import { parseIsoTime } from '../base/clock.ts'
import type { Db } from './database.ts'
import type { Leaving } from './outbox-counting.ts'
import { swingingDoor, type TrendPoint } from './swinging-door.ts'

/** Rows looked at in one step: fewer make no trend, more would hold up the writer. */
const thinRowsMin = 1_000
const thinRowsMax = 4_000

interface TrendColumns {
  readonly id: number
  readonly kind: string
  readonly subject: string
  readonly body: string
  readonly bytes: number
  readonly class: number
  readonly seq: number
}

interface Placed extends TrendPoint {
  readonly row: TrendColumns
}

/** Finds the rows of trends that a straight line can stand for, from the oldest that were not looked at before on. The caller deletes them. */
export function openThinning(db: Db): (stream: number, share: number) => Leaving {
  const next = db.prepare<[number, number], TrendColumns>(
    `SELECT id, kind, subject, body, bytes, class, seq FROM outbox WHERE stream = ? AND class = 2 AND id > ? ORDER BY id LIMIT ${thinRowsMax}`,
  )
  const reached = db.prepare<[number], { readonly thinned_to: number }>('SELECT thinned_to FROM ledgers WHERE stream = ? AND class = 2')
  const reach = db.prepare<[number, number]>('UPDATE ledgers SET thinned_to = ? WHERE stream = ? AND class = 2')
  return (stream, share) => {
    const rows = next.all(stream, reached.get(stream)?.thinned_to ?? 0)
    if (rows.length < thinRowsMin) return { stream, rows: [], as: 'thinned' }
    reach.run(rows.at(-1)?.id ?? 0, stream)
    const groups = Map.groupBy(rows, ({ subject }) => subject)
    return { stream, rows: [...groups.values()].flatMap((group) => spareRows(group, share)), as: 'thinned' }
  }
}

/** A value that is bad, or no number, is kept, and so are its neighbours: that something changed there is what the trend has to say. */
function spareRows(rows: readonly TrendColumns[], share: number): readonly TrendColumns[] {
  const spare: TrendColumns[] = []
  let line: Placed[] = []
  for (const row of rows) {
    const point = pointOf(row)
    if (point !== undefined) line.push(point)
    else {
      spare.push(...spareOf(line, share))
      line = []
    }
  }
  return spare.concat(spareOf(line, share))
}

function spareOf(line: readonly Placed[], share: number): readonly TrendColumns[] {
  if (line.length < 3) return []
  const span = line.reduce(({ low, high }, { value }) => ({ low: Math.min(low, value), high: Math.max(high, value) }), {
    low: Number.POSITIVE_INFINITY,
    high: Number.NEGATIVE_INFINITY,
  })
  const kept = new Set(swingingDoor(line, (span.high - span.low) * share))
  return line.filter((_, place) => !kept.has(place)).map(({ row }) => row)
}

function pointOf(row: TrendColumns): Placed | undefined {
  if (row.kind !== 'sample') return undefined
  try {
    const { value, quality, time } = JSON.parse(row.body) as {
      readonly value?: unknown
      readonly quality?: unknown
      readonly time?: unknown
    }
    const timeMs = typeof time === 'string' ? parseIsoTime(time) : undefined
    if (typeof value !== 'number' || quality !== 'good' || timeMs === undefined) return undefined
    return { row, value, timeMs }
  } catch {
    return undefined // not our JSON: kept as it is
  }
}
