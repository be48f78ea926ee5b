import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import type { RunRecord } from '../../src/store/contract.ts'
import { makeStateFolder } from '../support/state-folder.ts'
import { event, metric, openTestStore } from '../support/store-samples.ts'

const begun = (run: string, input = '{}'): RunRecord => ({
  kind: 'begun',
  run,
  flow: 'reject',
  timeMs: epochMs(1),
  definition: '{"v":1}',
  input,
})
const intent = (run: string, step: string): RunRecord => ({ kind: 'intent', run, step, timeMs: epochMs(2), data: '{"to":1}' })
const outcome = (run: string, step: string): RunRecord => ({ kind: 'outcome', run, step, timeMs: epochMs(3), status: 'done', data: '{}' })
const ended = (run: string): RunRecord => ({ kind: 'ended', run, timeMs: epochMs(4), state: 'completed', data: '{}' })

describe('the journal of runs', () => {
  it('gives exactly the open runs after a restart, oldest first, with their records in order', async () => {
    using folder = makeStateFolder()
    {
      await using store = await openTestStore(folder.path)
      await store.recordRuns({ records: [begun('a'), begun('b'), intent('b', 'open'), intent('a', 'open'), outcome('b', 'open')] })
      await store.recordRuns({ records: [begun('c'), ended('a'), intent('b', 'report')] })
    }
    await using store = await openTestStore(folder.path)
    const { runs, definitions, isEnd } = await store.openRuns({ afterId: 0 })
    expect(runs).toMatchObject([
      { run: 'b', flow: 'reject', input: '{}', records: [intent('b', 'open'), outcome('b', 'open'), intent('b', 'report')] },
      { run: 'c', records: [] },
    ])
    expect([Object.values(definitions), runs.map(({ version }) => definitions[version]), isEnd]).toEqual([
      ['{"v":1}'],
      ['{"v":1}', '{"v":1}'],
      true,
    ])
    expect(metric(store, 'lineside_store_open_runs')).toBe(2)
  })

  it('begins a run once, and keeps its first end, however often it is told', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    await store.recordRuns({ records: [begun('a'), ended('a')] })
    await store.recordRuns({ records: [begun('a')] })
    expect((await store.openRuns({ afterId: 0 })).runs).toEqual([])
  })
})

describe('the journal of events', () => {
  it('gives the newest first, of all types or of one', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    await store.append([event('device.lost', { n: 1 }), event('device.back', { n: 2 }), event('device.lost', { n: 3 })])
    expect((await store.events({ rowsMax: 2 })).map(({ data }) => data['n'])).toEqual([3, 2])
    expect(await store.events({ type: 'device.lost', rowsMax: 10 })).toMatchObject([
      { id: 3, ...event('device.lost', { n: 3 }) },
      { id: 1, ...event('device.lost', { n: 1 }) },
    ])
  })

  it('stays within its limit by dropping the oldest events, and counts them', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path, { journalBytesMax: 4 * 1024 ** 2 })
    const text = 'x'.repeat(900)
    for (let call = 0; call < 30; call += 1)
      await store.append(Array.from({ length: 500 }, (_, n) => event('a', { n: call * 500 + n, text })))
    const kept = await store.events({ rowsMax: 10_000 })
    expect(kept[0]?.data['n']).toBe(14_999)
    expect(kept.length).toBeLessThan(5_000)
    expect(kept.length).toBeGreaterThan(1_000)
    expect(kept.length + (metric(store, 'lineside_store_trimmed_rows_total') ?? 0)).toBe(15_000)
    expect(metric(store, 'lineside_store_events')).toBe(kept.length)
    expect(metric(store, 'lineside_store_bytes', { file: 'journal.db' })).toBeLessThan(12 * 1024 ** 2)
  })

  it('drops ended runs in their turn, and never an open one', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path, { journalBytesMax: 2 * 1024 ** 2 })
    const input = JSON.stringify({ text: 'x'.repeat(10_000) })
    for (let call = 0; call < 20; call += 1) {
      const names = Array.from({ length: 25 }, (_, n) => `run-${call * 25 + n}`)
      await store.recordRuns({ records: names.flatMap((run, n) => (n === 0 ? [begun(run, input)] : [begun(run, input), ended(run)])) })
      await store.append([event('a')])
    }
    expect((await store.openRuns({ afterId: 0 })).runs.map(({ run }) => run)).toEqual(
      Array.from({ length: 20 }, (_, call) => `run-${call * 25}`),
    )
    expect(metric(store, 'lineside_store_trimmed_rows_total')).toBeGreaterThan(200)
  })
})
