import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import type { OutgoingMessage, StreamClass } from '../../src/store/contract.ts'
import type { Store } from '../../src/store/store.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { makeStateFolder } from '../support/state-folder.ts'
import { bodies, message, messages, metric, openTestStore, roomy } from '../support/store-samples.ts'

function value(stream: StreamClass, subject: string, body: string): OutgoingMessage {
  return { upstream: 'plant', kind: 'sample', subject, body, timeMs: epochMs(1_000), stream }
}

/** A value of a trend, a second after the one before. */
function trend(place: number, height: number, subject = 'tank/level'): OutgoingMessage {
  const time = new Date(Date.UTC(2026, 10, 21) + place * 1_000).toISOString()
  return value('trends', subject, JSON.stringify({ value: height, quality: 'good', time }))
}

async function books(store: Store, stream: StreamClass) {
  const [plant] = await store.outboxStatus(null)
  return plant?.streams.find((book) => book.stream === stream)
}

const next = (store: Store, only?: 'state' | 'others') =>
  store.nextUnsent({ upstream: 'plant', afterId: 0, rowsMax: 5_000, ...(only === undefined ? {} : { only }) })

describe('a stream of the outbox', () => {
  it('numbers its rows from 1 without a gap, over restarts and beside other streams', async () => {
    using folder = makeStateFolder()
    const ledgers = new Set<unknown>()
    for (let life = 0; life < 3; life += 1) {
      await using store = await openTestStore(folder.path)
      await store.accept([message('a'), value('state', 'motor', '1'), message('b')])
      const rows = await next(store)
      for (const row of rows) ledgers.add(row.ledger)
      const events = rows.filter(({ stream }) => stream === 'events').map(({ seq }) => seq)
      expect(events).toEqual(Array.from({ length: 2 * life + 2 }, (_, place) => place + 1))
    }
    expect(ledgers.size).toBe(1)
  })

  it('accounts for each number: sent, waiting, dropped or refused', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    await store.accept(messages(10))
    await store.removeSent({ upstream: 'plant', ids: [1, 2, 3, 3] })
    await store.removeSent({ upstream: 'plant', ids: [4], outcome: 'refused' })
    expect(await books(store, 'events')).toMatchObject({ accepted: 10, sent: 3, refused: 1, waiting: 6, dropped: 0, missing: 0 })
    expect(metric(store, 'lineside_outbox_missing', { upstream: 'plant', stream: 'events' })).toBe(0)
  })

  it('keeps of a state what is last, in its place and under its number, unless the waiting one may be under way', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    await store.accept([value('state', 'motor', 'off'), message('x'), value('state', 'door', 'open')])
    await store.accept([value('state', 'motor', 'on'), value('state', 'motor', 'off again')])
    expect((await next(store, 'state')).map(({ id, seq, body }) => [id, seq, body])).toEqual([
      [1, 1, 'off again'],
      [2, 2, 'open'],
    ])
    await store.accept([value('state', 'motor', 'on again')]) // the other is under way
    expect((await next(store, 'state')).map(({ seq, body }) => [seq, body])).toEqual([
      [1, 'off again'],
      [2, 'open'],
      [3, 'on again'],
    ])
    expect((await next(store, 'others')).map(({ body }) => body)).toEqual(['x'])
    expect(await books(store, 'state')).toMatchObject({ accepted: 3, replaced: 2, waiting: 3, missing: 0 })
  })

  it('lets no new value take the place of a state that waited before a restart: it may be under way', async () => {
    using folder = makeStateFolder()
    {
      await using store = await openTestStore(folder.path)
      await store.accept([value('state', 'motor', 'off')])
    }
    await using store = await openTestStore(folder.path)
    await store.accept([value('state', 'motor', 'on')])
    expect((await next(store, 'state')).map(({ body }) => body)).toEqual(['off', 'on'])
  })

  it('is thinned by a swinging door where it is a trend and space runs short, before anything is dropped', async () => {
    using folder = makeStateFolder()
    const limits = { ...roomy, sizeBytesMax: 250_000, thinShare: 0.01 }
    await using store = await openTestStore(folder.path, { outbox: { plant: limits } })
    await store.accept(messages(20))
    const peak = (place: number): number => (place === 700 ? 500 : place % 1_000) // a ramp with one peak
    for (let from = 0; from < 2_000; from += 500)
      await store.accept(Array.from({ length: 500 }, (_, place) => trend(from + place, peak(from + place))))
    const trends = await books(store, 'trends')
    expect(trends).toMatchObject({ accepted: 2_000, dropped: 0, missing: 0 })
    expect(trends?.thinned).toBeGreaterThan(900)
    expect(await books(store, 'events')).toMatchObject({ waiting: 20, dropped: 0 })
    const kept = (await next(store))
      .filter(({ kind }) => kind === 'sample')
      .map(({ body }) => (JSON.parse(body) as { value: number }).value)
    expect(kept).toContain(500)
    expect(kept).toContain(0)
  })

  it('is dropped in the declared order: trends, then events, then states', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path, { outbox: { plant: { ...roomy, sizeBytesMax: 2_000 } } })
    await store.accept([value('state', 'motor', 'on'), ...messages(10), ...Array.from({ length: 10 }, (_, place) => trend(place, place))])
    const trends = await books(store, 'trends')
    expect(trends?.dropped).toBeGreaterThan(0)
    expect(await books(store, 'events')).toMatchObject({ dropped: 0 })
    await store.accept(messages(40))
    expect(await books(store, 'trends')).toMatchObject({ waiting: 0, dropped: 10 })
    expect((await books(store, 'events'))?.dropped).toBeGreaterThan(0)
    expect(await books(store, 'state')).toMatchObject({ waiting: 1, dropped: 0 })
  })

  it('tells the upstream what it will not see, in the stream of events', async () => {
    using folder = makeStateFolder()
    const clock = startManualClock()
    const dropTopic = 'lineside/edge-07/upstream/plant/dropped'
    await using store = await openTestStore(folder.path, { clock, outbox: { plant: { ...roomy, sizeBytesMax: 2_000, dropTopic } } })
    await Promise.all([store.accept(messages(40)), clock.settle()])
    await clock.advance(20_000)
    const dropped = (await books(store, 'events'))?.dropped ?? 0
    expect(dropped).toBeGreaterThan(10)
    const news = async () =>
      (await next(store)).filter(({ subject }) => subject === dropTopic).map(({ body }) => JSON.parse(body) as unknown)
    expect(await news()).toEqual([]) // for in a full outbox it would drop more
    await Promise.all([store.removeSent({ upstream: 'plant', ids: (await next(store)).slice(0, 9).map(({ id }) => id) }), clock.settle()])
    await clock.advance(20_000)
    expect(await news()).toEqual([
      {
        ...{ upstream: 'plant', ledger: expect.any(Number), stream: 'events', rows: dropped, fromSeq: 1, toSeq: dropped },
        total: { dropped, thinned: 0, refused: 0 },
      },
    ])
    expect(await books(store, 'events')).toMatchObject({ dropped })
  })

  it('begins with what waited when the file comes from a Lineside without ledgers', async () => {
    using folder = makeStateFolder()
    {
      await using store = await openTestStore(folder.path)
      await store.accept(messages(3))
    }
    {
      const db = new Database(join(folder.path, 'outbox.db'))
      db.exec(
        `DROP INDEX outbox_state; DROP INDEX outbox_trends; DROP TABLE ledgers; ALTER TABLE outbox DROP COLUMN class;
         ALTER TABLE outbox DROP COLUMN seq; ALTER TABLE outbox DROP COLUMN key; ALTER TABLE streams DROP COLUMN ledger; PRAGMA user_version = 1`,
      )
      db.close()
    }
    await using store = await openTestStore(folder.path)
    await store.accept(messages(1, 3))
    expect(await bodies(store)).toEqual(['0', '1', '2', '3'])
    expect((await next(store)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
    expect(await books(store, 'events')).toMatchObject({ accepted: 4, waiting: 4, missing: 0 })
  })
})
