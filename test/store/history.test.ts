import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import type { HistoryBatch } from '../../src/model/history.ts'
import type { Store } from '../../src/store/store.ts'
import { makeStateFolder } from '../support/state-folder.ts'
import { metric, openTestStore } from '../support/store-samples.ts'

type Row = readonly [tag: 'a' | 'b', ms: number, value: number]

function batch(rows: readonly Row[], more: Partial<HistoryBatch> = {}): HistoryBatch {
  return {
    isFirst: false,
    aliveMs: epochMs(rows.at(-1)?.[1] ?? 0),
    tags: ['a', 'b'],
    places: Uint16Array.from(rows, ([tag]) => (tag === 'a' ? 0 : 1)),
    times: Float64Array.from(rows, ([, ms]) => ms),
    values: Float64Array.from(rows, ([, , value]) => value),
    ...more,
  }
}

async function valuesOf(store: Store, tag: string, fromMs = 0, untilMs = Number.MAX_SAFE_INTEGER): Promise<readonly string[]> {
  const found: string[] = []
  for (let after: { readonly ms: number; readonly id: number } | undefined; ; ) {
    const page = await store.historyPage({ tag, fromMs, untilMs, ...(after === undefined ? {} : { after }) })
    for (const [at, ms] of page.times.entries()) found.push(`${ms} ${page.values[at]}`)
    if (page.next === undefined) return found
    after = page.next
  }
}

/** The times of these tests are those of 1970. */
const endless = { history: { keepMs: 1e14, sizeBytesMax: 64 * 1024 ** 2 } }

const manyRows = (count: number, from = 0): readonly Row[] =>
  Array.from({ length: count }, (_, at): Row => [at % 2 === 0 ? 'a' : 'b', from + at, at % 3 === 0 ? Number.NaN : at / 10])

describe('history.db', () => {
  it('is not there as long as nobody keeps a history', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path, endless)
    expect(metric(store, 'lineside_store_bytes', { file: 'history.db' })).toBeUndefined()
  })

  it('gives back what was kept, tag by tag, also what became chunks, and over a restart', async () => {
    using folder = makeStateFolder()
    const rows = manyRows(23_000)
    {
      await using store = await openTestStore(folder.path, endless)
      for (let at = 0; at < rows.length; at += 4_600) await store.keepHistory(batch(rows.slice(at, at + 4_600)))
      expect(await valuesOf(store, 'c')).toEqual([])
    }
    await using store = await openTestStore(folder.path, endless)
    for (const tag of ['a', 'b'])
      expect(await valuesOf(store, tag)).toEqual(rows.filter(([name]) => name === tag).map(([, ms, value]) => `${ms} ${value}`))
    expect((await valuesOf(store, 'a', 12_000, 12_010)).slice(-5)).toEqual([
      '12000 NaN',
      '12002 1200.2',
      '12004 1200.4',
      '12006 NaN',
      '12008 1200.8',
    ])
  })

  it('begins with the value that was in force', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path, endless)
    await store.keepHistory(batch([['a', 1_000, 7]]))
    await store.keepHistory(batch(manyRows(10_000, 2_000).map(([, ms, value]): Row => ['b', ms, value])))
    expect(await valuesOf(store, 'a', 5_000_000)).toEqual(['1000 7'])
  })

  it('knows nothing of the time in which the gateway was off', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path, endless)
    await store.keepHistory(batch([['a', 1_000, 7]], { isFirst: true, aliveMs: epochMs(3_000) }))
    await store.keepHistory(batch([['b', 9_000, 1]], { isFirst: true, aliveMs: epochMs(9_000) }))
    expect(await valuesOf(store, 'a')).toEqual(['1000 7', '3001 NaN'])
    expect(await valuesOf(store, 'b')).toEqual(['3001 NaN', '9000 1'])
  })

  it('stays within its size and its age: the oldest goes', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path, { history: { keepMs: 3_600_000, sizeBytesMax: 1024 ** 2 } })
    const now = Date.now()
    await store.keepHistory(batch(manyRows(10_000, now - 7_200_000)))
    await store.keepHistory(batch(manyRows(10_000, now - 60_000)))
    expect((await valuesOf(store, 'a'))[0]).toBe(`${now - 60_000} NaN`)
    for (let round = 0; round < 40; round += 1) await store.keepHistory(batch(manyRows(10_000, now - 50_000 + round * 100)))
    expect(metric(store, 'lineside_store_bytes', { file: 'history.db' })).toBeLessThan(8 * 1024 ** 2)
    expect((await valuesOf(store, 'a')).at(-1)).toBe(`${now - 50_000 + 3_900 + 9_998} 999.8`)
  })
})
