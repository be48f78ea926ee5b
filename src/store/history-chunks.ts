import type { HistoryAsk, HistoryPage } from '../model/history.ts'
import type { Db } from './database.ts'

/** Values of one tag, one after the other: a time as the distance from the first one, and the number; NaN where nobody knows it. */
const sampleBytes = 12
const chunkSamplesMax = 4_096
const chunkMsMax = 86_400_000
/** A page goes on over chunks until it has so many values. */
const pageSamplesMax = 50_000
/** Taken away at once: a step must stay short. */
const dropChunks = 1_000

interface RecentColumns {
  readonly tag: number
  readonly time_ms: number
  readonly value: number | null
}

interface ChunkColumns {
  readonly id: number
  readonly from_ms: number
  readonly data: Buffer
}

export function openHistoryChunks(db: Db) {
  const recent = db.prepare<[], RecentColumns>('SELECT tag, time_ms, value FROM recent ORDER BY tag, time_ms, id')
  const recentOf = db.prepare<[number, number], RecentColumns>(
    'SELECT tag, time_ms, value FROM recent WHERE tag = ? AND time_ms < ? ORDER BY time_ms, id',
  )
  const clear = db.prepare('DELETE FROM recent')
  const put = db.prepare<[number, number, number, Uint8Array]>('INSERT INTO chunks (tag, from_ms, to_ms, data) VALUES (?, ?, ?, ?)')
  const before = db.prepare<[number, number], ChunkColumns>(
    'SELECT id, from_ms, data FROM chunks WHERE tag = ? AND from_ms <= ? ORDER BY from_ms DESC, id DESC LIMIT 1',
  )
  const after = db.prepare<[number, number, number, number], ChunkColumns>(
    'SELECT id, from_ms, data FROM chunks WHERE tag = ? AND (from_ms, id) > (?, ?) AND from_ms < ? ORDER BY from_ms, id',
  )
  const dropOlder = db.prepare<[number, number]>('DELETE FROM chunks WHERE id IN (SELECT id FROM chunks ORDER BY id LIMIT ?) AND to_ms < ?')
  const dropOldest = db.prepare<[number]>('DELETE FROM chunks WHERE id IN (SELECT id FROM chunks ORDER BY id LIMIT ?)')
  return {
    /** All that is recent becomes chunks. */
    fold: (): void => {
      let open: RecentColumns[] = []
      const close = (): void => {
        const [first] = open
        if (first !== undefined) put.run(first.tag, first.time_ms, open.at(-1)?.time_ms ?? first.time_ms, packed(open))
        open = []
      }
      for (const row of recent.all()) {
        const [first] = open
        const isFull = open.length >= chunkSamplesMax
        if (first !== undefined && (first.tag !== row.tag || isFull || row.time_ms - first.time_ms > chunkMsMax)) close()
        open.push(row)
      }
      close()
      clear.run()
    },
    /** From the chunk in which the value stands that is in force at the beginning. */
    page: (tag: number, { fromMs, untilMs, after: cursor }: HistoryAsk): HistoryPage => {
      const pages = new Unpacked(untilMs)
      const first = cursor === undefined ? before.get(tag, fromMs) : undefined
      if (first !== undefined) pages.take(first)
      const from = cursor ?? { ms: first?.from_ms ?? Number.MIN_SAFE_INTEGER, id: first?.id ?? 0 }
      for (const chunk of after.iterate(tag, from.ms, from.id, untilMs)) {
        pages.take(chunk)
        if (pages.size >= pageSamplesMax) return { ...pages.arrays(), next: { ms: chunk.from_ms, id: chunk.id } }
      }
      for (const { time_ms, value } of recentOf.iterate(tag, untilMs)) pages.addOne(time_ms, value)
      return pages.arrays()
    },
    dropOlder: (ms: number): void => void dropOlder.run(dropChunks, ms),
    dropOldest: (): void => void dropOldest.run(dropChunks),
  }
}

function packed(rows: readonly RecentColumns[]): Uint8Array {
  const fromMs = rows[0]?.time_ms ?? 0
  const view = new DataView(new ArrayBuffer(rows.length * sampleBytes))
  for (const [place, { time_ms, value }] of rows.entries()) {
    view.setUint32(place * sampleBytes, time_ms - fromMs, true)
    view.setFloat64(place * sampleBytes + 4, value ?? Number.NaN, true)
  }
  return new Uint8Array(view.buffer)
}

class Unpacked {
  readonly #untilMs: number
  readonly #times: number[] = []
  readonly #values: number[] = []

  constructor(untilMs: number) {
    this.#untilMs = untilMs
  }

  get size(): number {
    return this.#times.length
  }

  take({ from_ms, data }: ChunkColumns): void {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    for (let at = 0; at + sampleBytes <= view.byteLength; at += sampleBytes)
      this.#add(from_ms + view.getUint32(at, true), view.getFloat64(at + 4, true))
  }

  addOne(timeMs: number, value: number | null): void {
    this.#add(timeMs, value ?? Number.NaN)
  }

  arrays(): { readonly times: Float64Array; readonly values: Float64Array } {
    return { times: Float64Array.from(this.#times), values: Float64Array.from(this.#values) }
  }

  #add(timeMs: number, value: number): void {
    if (timeMs >= this.#untilMs) return
    this.#times.push(timeMs)
    this.#values.push(value)
  }
}
