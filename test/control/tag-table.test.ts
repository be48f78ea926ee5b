import { describe, expect, it } from 'vitest'
import { TagTable } from '../../src/control/tag-table.ts'
import type { Change } from '../../src/model/sample.ts'
import { asTagId, asTagIndex, type Reading, type TagMeta } from '../../src/model/tag.ts'
import { startManualClock } from '../support/manual-clock.ts'

function startTable(...tags: Partial<TagMeta>[]) {
  const clock = startManualClock()
  const metas = tags.map(
    (tag, place): TagMeta => ({ id: asTagId(`d/t${place}`), device: 'd', path: `t${place}`, scan: 'normal', type: 'f32', ...tag }),
  )
  const table = new TagTable(metas, clock)
  const batches: Change[][] = []
  table.onChanges((batch) => batches.push([...batch]))
  const take = async (...values: (number | Partial<Reading>)[]): Promise<void> => {
    const readings = values.map(
      (value, tag): Reading => ({ tag, quality: 'good', value: null, ...(typeof value === 'number' ? { value } : value) }),
    )
    table.take(0, readings, clock.now())
    await clock.settle()
  }
  return { table, clock, batches, take, sample: (place: number) => table.current(asTagIndex(place)) }
}

describe('the tag table', () => {
  it('holds bad, waiting for initial data, before a device was ever heard', () => {
    expect(startTable({}).sample(0)).toMatchObject({ value: null, quality: 'bad', status: 0x80320000 })
  })

  it('passes on all changes of one turn as one batch', async () => {
    const { batches, take } = startTable({}, {})
    await take(1, 2)
    expect(batches.map((batch) => batch.map(({ tag, sample }) => [tag, sample.value]))).toEqual([
      [
        [0, 1],
        [1, 2],
      ],
    ])
  })

  it('passes on every measurement that a device reports at once, each in its turn', async () => {
    const { batches, table, clock } = startTable({}, {})
    const now = clock.now()
    const reading = (tag: number, value: number, sourceMs: number): Reading => ({ tag, value, quality: 'good', sourceMs })
    table.take(0, [reading(0, 1, now), reading(0, 2, now + 1), reading(1, 7, now), reading(0, 3, now + 2)], now)
    table.stale(0, [0])
    await clock.settle()
    const told = batches.map((batch) => batch.map(({ tag, sample }) => [tag, sample.value, sample.quality]))
    expect(told).toEqual([
      [
        [0, 1, 'good'],
        [1, 7, 'good'],
      ],
      [[0, 2, 'good']],
      [[0, 3, 'stale']],
    ])
  })

  it('scales raw values into engineering units', async () => {
    const { take, sample } = startTable({ scale: { raw: [0, 27648], to: [0, 150] } })
    await take(13824)
    expect(sample(0)?.value).toBe(75)
  })

  it('does not pass on what has not changed', async () => {
    const { batches, take } = startTable({})
    await take(1)
    await take(1)
    expect(batches).toHaveLength(1)
  })

  it('does not pass on a change below the deadband, and sums small ones up', async () => {
    const { batches, take } = startTable({ deadband: 0.5 })
    for (const value of [10, 10.3, 10.4, 10.6]) await take(value)
    expect(batches.map(([change]) => change?.sample.value)).toEqual([10, 10.6])
  })

  it('passes on a change of quality whatever the deadband', async () => {
    const { batches, take } = startTable({ deadband: 100 })
    await take(1)
    await take({ value: 1, quality: 'uncertain' })
    expect(batches.map(([change]) => change?.sample.quality)).toEqual(['good', 'uncertain'])
  })

  it('keeps the last value, and its time, when the device is not heard', async () => {
    const { table, clock, take, sample } = startTable({})
    await take(42)
    const { sourceMs } = sample(0) ?? {}
    await clock.advance(5_000)
    table.stale(0, [0])
    expect(sample(0)).toMatchObject({ value: 42, quality: 'stale', sourceMs })
  })

  it('is good again when the device says that nothing has changed', async () => {
    const { table, clock, take, sample, batches } = startTable({})
    await take(42)
    table.stale(0, [0])
    await clock.advance(1_000)
    table.heard(0, [0], clock.now())
    await clock.settle()
    expect(sample(0)).toMatchObject({ value: 42, quality: 'good', sourceMs: clock.now() })
    expect(batches.at(-1)?.[0]?.sample.quality).toBe('good')
  })

  it('shows the last value as bad when the device has none', async () => {
    const { take, sample } = startTable({})
    await take(7)
    await take({ value: null, quality: 'bad' })
    expect(sample(0)).toMatchObject({ value: 7, quality: 'bad' })
  })

  it('passes an unchanged value on again after its refresh, with the time at which it was last vouched for', async () => {
    const { table, clock, batches, take } = startTable({ refreshMs: 60_000 })
    await take(1)
    await clock.advance(59_000)
    table.heard(0, [0], clock.now())
    table.refresh()
    await clock.advance(1_000)
    table.refresh()
    await clock.settle()
    expect(batches).toHaveLength(2)
    expect(batches[1]?.[0]?.sample.sourceMs).toBe(clock.now() - 1_000)
  })

  it('does not refresh what is stale', async () => {
    const { table, clock, batches, take } = startTable({ refreshMs: 1_000 })
    await take(1)
    table.stale(0, [0])
    await clock.advance(10_000)
    table.refresh()
    await clock.settle()
    expect(batches.flat().map(({ sample }) => sample.quality)).toEqual(['good', 'stale'])
  })

  it('compares arrays and bytes by what is in them', async () => {
    const { batches, take } = startTable({ length: 2 })
    await take({ value: [1, 2] })
    await take({ value: [1, 2] })
    await take({ value: [1, 3] })
    expect(batches).toHaveLength(2)
  })
})
