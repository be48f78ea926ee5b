import { describe, expect, it } from 'vitest'
import type { Door } from '../../../src/base/door.ts'
import type { FlowDefinition } from '../../../src/control/flows/definition.ts'
import { HistorySink } from '../../../src/control/history/sink.ts'
import { wantedTags } from '../../../src/control/history/wanted.ts'
import type { HistoryBatch } from '../../../src/model/history.ts'
import type { Quality } from '../../../src/model/quality.ts'
import { asTagId, asTagIndex, type TagMeta, type TagValue } from '../../../src/model/tag.ts'
import type { StoreCalls } from '../../../src/store/contract.ts'
import { startManualClock } from '../../support/manual-clock.ts'
import { keptLog } from '../../support/quiet-log.ts'

const names = ['press/pressure', 'press/running', 'press/name', 'oven/heat']
const tags = names.map((id): TagMeta => ({ id: asTagId(id), device: 'press', path: id, scan: 'normal' }))

function startSink(wanted: readonly number[] = [0, 1, 2]) {
  const clock = startManualClock()
  const kept: HistoryBatch[] = []
  const disk = { isAway: false }
  const call = async (_: string, batch: HistoryBatch): Promise<null> => {
    if (disk.isAway) throw new Error('away')
    kept.push(batch)
    return null
  }
  const sink = new HistorySink({ tags, wanted, store: { call } as unknown as Door<StoreCalls>, clock, log: keptLog() })
  const set = (tag: number, value: TagValue | null, quality: Quality = 'good'): void => {
    const now = clock.now()
    sink.take([{ tag: asTagIndex(tag), sample: { value, quality, sourceMs: now, receivedMs: now } }])
  }
  const rows = (): readonly string[] =>
    kept.flatMap(({ places, values, tags: all }) => [...places].map((place, at) => `${all[place]} ${values[at]}`))
  return { clock, sink, set, kept, rows, disk }
}

describe('the way of values into the history', () => {
  it('takes numbers and switches of the tags it is to keep, and says once that one is not good', async () => {
    const { sink, set, rows } = startSink()
    set(0, 1.5)
    set(0, 2n)
    set(1, true)
    set(2, 'a text')
    set(3, 7)
    set(0, 2, 'uncertain')
    for (const quality of ['bad', 'stale', 'stale'] as const) set(0, 2, quality)
    set(0, 3)
    await sink.flush()
    expect(rows()).toEqual([
      ...['press/pressure 1.5', 'press/pressure 2', 'press/running 1', 'press/name NaN', 'press/pressure 2', 'press/pressure NaN'],
      'press/pressure 3',
    ])
  })

  it('has nothing in memory alone for more than two seconds, and says now and then that the gateway is alive', async () => {
    const { clock, sink, set, kept } = startSink()
    await using running = sink.start()
    set(0, 1)
    await clock.advance(2_000)
    expect(kept.map(({ isFirst, places }) => [isFirst, places.length])).toEqual([[true, 1]])
    await clock.advance(20_000)
    expect(kept.map(({ isFirst, places }) => [isFirst, places.length])).toEqual([
      [true, 1],
      [false, 0],
      [false, 0],
    ])
    expect(running.failure).toBeDefined()
  })

  it('keeps values in memory while the store is away, so many as may wait, and counts those that go', async () => {
    const { sink, set, rows, disk } = startSink()
    disk.isAway = true
    for (let value = 0; value < 60_000; value += 1) set(0, value)
    await sink.flush()
    disk.isAway = false
    await sink.flush()
    await sink.flush()
    const lost = sink.metrics().find(({ name }) => name === 'lineside_history_lost_total')?.value ?? 0
    expect(lost).toBeGreaterThanOrEqual(10_000)
    expect(rows().length + lost).toBe(60_000)
    expect(rows().at(-1)).toBe('press/pressure 59999')
  })

  it('costs nothing where nobody wants a history', async () => {
    const { sink, set, kept } = startSink([])
    set(0, 1)
    await sink.flush()
    expect([sink.isEmpty, kept, sink.metrics()]).toEqual([true, [], []])
  })
})

describe('the tags with a history', () => {
  const query = (...asked: readonly string[]): Pick<FlowDefinition, 'steps'> => ({
    steps: [
      {
        ...({ id: 'outer', kind: 'each', in: [1], as: 'item', limit: 1, needs: [], undo: [] } as const),
        steps: [{ id: 'q', kind: 'query', tags: asked, lastMs: 1, aggregate: 'avg', needs: [], undo: [] }],
      },
    ],
  })

  it('are those that a query names, however deep it stands, and those that a filter does', () => {
    expect(wantedTags(names, { flows: [query('oven/heat')], filters: ['press/+'] }).places).toEqual([0, 1, 2, 3])
    expect(wantedTags(names, { flows: [query('oven/heat')], filters: [] }).places).toEqual([3])
    expect(wantedTags(names, { flows: [], filters: [] })).toEqual({ places: [], tooMany: 0 })
  })

  it('are no more than a thousand', () => {
    const many = Array.from({ length: 1_200 }, (_, at) => `d/${at}`)
    const { places, tooMany } = wantedTags(many, { flows: [], filters: ['#'] })
    expect([places.length, tooMany]).toEqual([1_000, 200])
  })
})
