import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import type { EventsAsk, InboxItem } from '../../src/model/journal.ts'
import { openJournalReader } from '../../src/store/journal-reader.ts'
import type { Store } from '../../src/store/store.ts'
import { makeStateFolder } from '../support/state-folder.ts'
import { event, metric, openTestStore } from '../support/store-samples.ts'

const item = (n: number, consumer = 'route/a'): InboxItem => ({ consumer, event: { ...event('mqtt.message', { n }), uid: `u${n}` } })
const letter = (n: number) => ({ event: item(n).event, deadMs: epochMs(9), attempts: 3, code: 'service.refused', reason: 'No.' })

async function waiting(store: Store, consumer = 'route/a'): Promise<readonly unknown[]> {
  return (await store.inbox({ consumer, afterId: 0, rowsMax: 5_000 })).map(({ data }) => data['n'])
}

async function numbers(store: Store, ask: Partial<EventsAsk>): Promise<readonly unknown[]> {
  const found: unknown[] = []
  for (let cursor: number | undefined; ; ) {
    const page = await store.eventsPage({ order: 'oldest', rowsMax: 1_000, ...ask, ...(cursor === undefined ? {} : { cursor }) })
    found.push(...page.events.map(({ data }) => data['n']))
    if (page.isEnd) return found
    cursor = page.cursor
  }
}

describe('a look at the journal', () => {
  it('finds by type, family of types, subject and time, in either order, page by page', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    const at = (type: string, subject: string, n: number) => ({ type, subject, timeMs: epochMs(n * 1_000), data: { n } })
    await store.append([at('flow.started', 'a', 1), at('flow.failed', 'b', 2), at('flows', 'a', 3), at('device.lost', 'press/1', 4)])
    expect(await numbers(store, { types: ['flow.*'] })).toEqual([1, 2])
    expect(await numbers(store, { types: ['flow.failed', 'device.*'] })).toEqual([2, 4])
    expect(await numbers(store, { types: ['*'], order: 'newest', rowsMax: 1 })).toEqual([4, 3, 2, 1])
    expect(await numbers(store, { subject: 'press/*' })).toEqual([4])
    expect(await numbers(store, { subject: 'a', fromMs: 2_000, toMs: 4_000 })).toEqual([3])
    expect(await numbers(store, { types: ["x' OR 1=1 --"] })).toEqual([])
  })

  it('goes a bounded way at once, however little it finds', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    for (let call = 0; call < 3; call += 1) await store.append(Array.from({ length: 10_000 }, (_, n) => event('a', { n })))
    await store.append([event('b', { n: 'last' })])
    const page = await store.eventsPage({ types: ['b'], order: 'oldest', rowsMax: 10 })
    expect(page).toEqual({ events: [], cursor: 20_000, isEnd: false })
    expect(await numbers(store, { types: ['b'] })).toEqual(['last'])
  })

  it('gives an event the same id each time', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    await store.append([event('a'), { ...event('a'), uid: 'mine' }])
    const uids = async () => (await store.events({ rowsMax: 2 })).map(({ uid }) => uid)
    expect(await uids()).toEqual(['mine', expect.stringMatching(/^[0-9a-f-]{36}$/)])
    expect(await uids()).toEqual(await uids())
  })

  it('reads a file of before there were ids, and of a gateway that does not run', async () => {
    using folder = makeStateFolder()
    {
      await using store = await openTestStore(folder.path)
      await store.append([event('a', { n: 1 })])
      await store.consumed([{ consumer: 'route/a', done: [], dead: [letter(1)] }])
    }
    const db = new Database(join(folder.path, 'journal.db'))
    db.exec('UPDATE events SET uid = NULL')
    db.close()
    using reader = openJournalReader(folder.path)
    expect(reader.page({ order: 'newest', rowsMax: 9 }).events).toMatchObject([{ id: 1, uid: '1', data: { n: 1 } }])
    expect(reader.dead({ afterId: 0, rowsMax: 9 })).toMatchObject([{ consumer: 'route/a', uid: 'u1' }])
  })
})

describe('the inbox of a consumer', () => {
  it('holds what was kept for it in order, over restarts, until it is done', async () => {
    using folder = makeStateFolder()
    {
      await using store = await openTestStore(folder.path)
      expect(await store.enqueue([item(1), item(2, 'route/b'), item(3), item(4)])).toEqual({ lastId: 4, dropped: 0 })
      await store.consumed([{ consumer: 'route/a', done: [3, 2], dead: [] }]) // 2 is another's
    }
    await using store = await openTestStore(folder.path)
    expect(await waiting(store)).toEqual([1, 4])
    expect(await waiting(store, 'route/b')).toEqual([2])
    expect(metric(store, 'lineside_store_inbox')).toBe(3)
  })

  it('drops the oldest when it is full, and says how many', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    let dropped = 0
    for (let call = 0; call < 6; call += 1) {
      const items = Array.from({ length: 20_000 }, (_, n) => item(call * 20_000 + n))
      dropped += (await store.enqueue(items)).dropped
    }
    expect(dropped).toBe(20_000)
    expect((await waiting(store))[0]).toBe(20_000)
    expect(metric(store, 'lineside_store_inbox_dropped_total')).toBe(20_000)
  })
})

describe('the cursor of a consumer', () => {
  it('begins with what comes next, and stands where it was left, with what is done ahead of it', async () => {
    using folder = makeStateFolder()
    {
      await using store = await openTestStore(folder.path)
      await store.append([event('a'), event('a')])
      expect(await store.consumerCursor({ consumer: 'route/a' })).toEqual({ lastId: 2, ahead: [], isNew: true })
      await store.consumed([{ consumer: 'route/a', done: [], dead: [], cursor: { lastId: 7, ahead: [9, 12] } }])
    }
    await using store = await openTestStore(folder.path)
    expect(await store.consumerCursor({ consumer: 'route/a' })).toEqual({ lastId: 7, ahead: [9, 12] })
  })
})

describe('a dead letter', () => {
  it('is kept with its reason, and goes into the inbox again or away', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    await store.consumed([
      { consumer: 'route/a', done: [], dead: [letter(1), letter(2), letter(3)] },
      { consumer: 'route/b', done: [], dead: [letter(4)] },
    ])
    expect(await store.deadLetters({ consumer: 'route/b', afterId: 0, rowsMax: 9 })).toMatchObject([
      { id: 4, reason: 'No.', attempts: 3, uid: 'u4' },
    ])
    expect(await store.deadLetterCounts(null)).toEqual({ 'route/a': 3, 'route/b': 1 })
    expect(await store.orderDeadLetters({ action: 'retry', ids: [2, 2, 99] })).toEqual({ 'route/a': 1 })
    expect(await store.deadLetterCounts(null)).toEqual({ 'route/a': 2, 'route/b': 1 })
    expect(await store.orderDeadLetters({ action: 'discard', consumer: 'route/a' })).toEqual({ 'route/a': 2 })
    expect(await store.orderDeadLetters({ action: 'retry' })).toEqual({ 'route/b': 1 })
    expect([await waiting(store), await waiting(store, 'route/b')]).toEqual([[2], [4]])
    expect(await store.deadLetters({ afterId: 0, rowsMax: 9 })).toEqual([])
    expect(metric(store, 'lineside_store_dead_letters')).toBe(0)
  })
})
