import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { makeStateFolder } from '../support/state-folder.ts'
import { bodies, message, messages, metric, openTestStore, roomy } from '../support/store-samples.ts'

describe('the outbox', () => {
  it('gives what waits in the order of acceptance, from any point, and forgets what was acknowledged', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path, { outbox: { plant: roomy, cloud: roomy } })
    await store.accept([message('a'), message('b', 'cloud'), message('c'), message('d')])
    expect(await store.nextUnsent({ upstream: 'plant', afterId: 1, rowsMax: 1 })).toMatchObject([
      { id: 2, seq: 2, stream: 'events', ...message('c') },
    ])
    await store.removeSent({ upstream: 'plant', ids: [1, 2, 2, 4, 99] }) // 4 is another upstream's
    expect(await bodies(store)).toEqual(['d'])
    expect(await bodies(store, 'cloud')).toEqual(['b'])
    expect(await store.outboxStatus(null)).toMatchObject([
      { upstream: 'cloud', waitingRows: 1, acceptedTotal: 1, droppedTotal: 0 },
      { upstream: 'plant', waitingRows: 1, acceptedTotal: 3, droppedTotal: 0, oldestMs: 1_000 },
    ])
  })

  it('keeps the key of a message that has one, and of a state the key of the latest', async () => {
    using folder = makeStateFolder()
    {
      await using store = await openTestStore(folder.path)
      await store.accept([message('a'), { ...message('b'), key: 'r1/tell' }])
      await store.accept([{ ...message('c'), subject: 's', stream: 'state', key: 'r2/tell' }])
      await store.accept([{ ...message('d'), subject: 's', stream: 'state', key: 'r3/tell' }])
    }
    await using store = await openTestStore(folder.path)
    const rows = await store.nextUnsent({ upstream: 'plant', afterId: 0, rowsMax: 9 })
    expect(rows.map(({ body, key }) => [body, key])).toEqual([
      ['a', undefined],
      ['b', 'r1/tell'],
      ['d', 'r3/tell'],
    ])
  })

  it('drops the oldest when full, and says how many, also after a restart', async () => {
    using folder = makeStateFolder()
    const outbox = { plant: { ...roomy, sizeBytesMax: 10_000 }, cloud: roomy }
    {
      await using store = await openTestStore(folder.path, { outbox })
      await store.accept([message('other', 'cloud')])
      for (let call = 0; call < 20; call += 1) await store.accept(messages(10, call * 10))
    }
    await using store = await openTestStore(folder.path, { outbox })
    const kept = await bodies(store)
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, place) => String(200 - kept.length + place)))
    const [cloud, plant] = await store.outboxStatus(null)
    expect(plant).toMatchObject({ waitingRows: kept.length, acceptedTotal: 200, droppedTotal: 200 - kept.length })
    expect(plant?.waitingBytes).toBeLessThanOrEqual(10_000)
    expect(plant?.waitingBytes).toBeGreaterThan(9_000)
    expect(cloud).toMatchObject({ waitingRows: 1, droppedTotal: 0 })
    expect(metric(store, 'lineside_outbox_dropped_total', { upstream: 'plant' })).toBe(200 - kept.length)
  })

  it('journals when it begins to drop, and how many rows it dropped when that is over', async () => {
    using folder = makeStateFolder()
    const clock = startManualClock()
    await using store = await openTestStore(folder.path, { clock, outbox: { plant: { ...roomy, sizeBytesMax: 1_000 } } })
    await clock.advance(10_000)
    await Promise.all([store.accept(messages(20)), clock.settle()])
    await clock.advance(10_000)
    await Promise.all([store.accept(messages(5)), clock.settle()])
    await clock.advance(20_000)
    const kept = (await store.outboxStatus(null))[0]?.waitingRows ?? 0
    expect((await store.events({ rowsMax: 9 })).map(({ type, subject, data }) => [type, subject, data])).toEqual([
      ['outbox.dropped', 'plant', { dropped: 25 - kept }],
      ['outbox.dropping', 'plant', { droppedTotal: 20 - kept }],
    ])
  })

  it('refuses what does not fit where the site says so, and takes it when there is room again', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path, { outbox: { plant: { ...roomy, sizeBytesMax: 1_000, full: 'refuse' } } })
    await store.accept(messages(10))
    await expect(store.accept(messages(5))).rejects.toMatchObject({ code: 'outbox.full', isRetryable: true })
    expect(await store.outboxStatus(null)).toMatchObject([{ waitingRows: 10, acceptedTotal: 10, droppedTotal: 0 }])
    await store.removeSent({ upstream: 'plant', ids: [1, 2, 3, 4, 5] })
    expect(await store.accept(messages(5))).toEqual({ lastId: 15 })
    await expect(store.accept([message('x'.repeat(2_000))])).rejects.toMatchObject({ code: 'outbox.row-too-large', isRetryable: false })
  })

  it('drops what is too old, but not what was accepted before the clock was set', async () => {
    using folder = makeStateFolder()
    const clock = startManualClock()
    clock.setWall(epochMs(5_000)) // 1970: no battery behind the clock
    await using store = await openTestStore(folder.path, { clock, outbox: { plant: { ...roomy, ageMs: 60_000 } } })
    const old = store.accept([message('before the clock was set')])
    await clock.settle()
    await old
    clock.setWall(epochMs(Date.UTC(2026, 10, 21)))
    await clock.advance(10_000)
    expect(await bodies(store)).toEqual(['before the clock was set'])
    await store.removeSent({ upstream: 'plant', ids: [1] })
    await store.accept([message('old')])
    await clock.advance(50_000)
    await store.accept([message('young')])
    await clock.advance(20_000)
    expect(await bodies(store)).toEqual(['young'])
    expect(await store.outboxStatus(null)).toMatchObject([{ droppedTotal: 1 }])
  })

  it('never uses an id again, even when all rows were gone at the restart', async () => {
    using folder = makeStateFolder()
    for (const lastId of [3, 6, 9]) {
      await using store = await openTestStore(folder.path)
      expect(await store.accept(messages(3))).toEqual({ lastId })
      await store.removeSent({ upstream: 'plant', ids: [lastId - 2, lastId - 1, lastId] })
      expect(await bodies(store)).toEqual([])
    }
  })

  it('keeps the rows of an upstream that the site no longer names', async () => {
    using folder = makeStateFolder()
    {
      await using store = await openTestStore(folder.path)
      await store.accept(messages(2))
    }
    await using store = await openTestStore(folder.path, { outbox: {} })
    expect(await store.outboxStatus(null)).toMatchObject([{ upstream: 'plant', waitingRows: 2 }])
    await expect(store.accept(messages(1))).rejects.toMatchObject({ code: 'outbox.upstream-unknown' })
  })
})
