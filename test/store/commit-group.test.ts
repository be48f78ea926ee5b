import { describe, expect, it } from 'vitest'
import type { SiteEvent } from '../../src/model/event.ts'
import type { OutgoingMessage } from '../../src/store/contract.ts'
import { makeStateFolder } from '../support/state-folder.ts'
import { bodies, event, message, messages, metric, openTestStore } from '../support/store-samples.ts'

const outbox = { file: 'outbox.db' }

describe('the group commit', () => {
  it('flushes the disk once for all calls of a turn', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    const answers = await Promise.all(messages(500).map((one) => store.accept([one])))
    expect(answers.map(({ lastId }) => lastId)).toEqual(Array.from({ length: 500 }, (_, place) => place + 1))
    expect(metric(store, 'lineside_store_commits_total', outbox)).toBe(1)
    expect(metric(store, 'lineside_store_calls_total', outbox)).toBe(500)
    expect(metric(store, 'lineside_store_group_rows_max', outbox)).toBe(500)
  })

  it('keeps the order of the calls over many groups', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    await Promise.all(Array.from({ length: 30 }, (_, place) => store.accept(messages(400, place * 400))))
    expect(await bodies(store)).toEqual(Array.from({ length: 12_000 }, (_, place) => String(place)))
    expect(metric(store, 'lineside_store_commits_total', outbox)).toBeLessThanOrEqual(4)
  })

  it('fails a call with a bad row alone, and keeps its neighbours', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    const bad = (part: object): readonly OutgoingMessage[] => [
      message('lost with its call'),
      { ...message('bad'), ...part } as OutgoingMessage,
    ]
    const results = await Promise.allSettled([
      store.accept([message('before')]),
      store.accept(bad({ body: undefined })),
      store.accept(bad({ timeMs: Number.NaN })),
      store.accept(bad({ kind: 'other' })),
      store.accept(bad({ upstream: 'nowhere' })),
      store.accept(bad({ body: 'x'.repeat(1024 ** 2 + 1) })),
      store.accept([message('after')]),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', ...Array(5).fill('rejected'), 'fulfilled'])
    expect(await bodies(store)).toEqual(['before', 'after'])
  })

  it('undoes a call that fails halfway through its rows, and nothing else of the group', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    const begun = { kind: 'begun', flow: 'f', timeMs: event('a').timeMs, definition: '{}', input: '{}' } as const
    const results = await Promise.allSettled([
      store.recordRuns({ records: [{ ...begun, run: 'one' }], events: [event('test.with')] }),
      store.recordRuns({
        records: [
          { ...begun, run: 'two' },
          { kind: 'intent', run: 'never begun', step: 's', timeMs: begun.timeMs, data: '{}' },
        ],
        events: [event('test.with-refused')],
      }),
      store.append([event('test.kept')]),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(results[1]).toMatchObject({ reason: { code: 'store.run-unknown', isRetryable: false } })
    expect((await store.openRuns({ afterId: 0 })).runs.map(({ run }) => run)).toEqual(['one'])
    expect((await store.events({ rowsMax: 10 })).map(({ type }) => type)).toEqual(['test.kept', 'test.with'])
  })

  it('refuses calls, retryably, when more waits than it may hold in memory', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => store.accept(messages(15_000))))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(6)
    expect(results[7]).toMatchObject({ reason: { code: 'store.overloaded', isRetryable: true } })
    expect(metric(store, 'lineside_store_refused_total', outbox)).toBe(2)
  })

  it('keeps an event whose data cannot be kept, and says why in its place; large numbers keep their digits', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    const loop: Record<string, unknown> = {}
    loop['self'] = loop
    await store.append([
      event('a', loop),
      event('b', { big: 9_007_199_254_740_993n, small: 1n }),
      event('c', { text: 'x'.repeat(2 * 1024 ** 2) }),
      event('d', { fine: 1 }),
    ])
    const kept = await store.events({ rowsMax: 10 })
    expect(kept.map(({ type }) => type)).toEqual(['d', 'c', 'b', 'a'])
    expect(kept[0]?.data).toEqual({ fine: 1 })
    expect(kept[2]?.data).toEqual({ big: '9007199254740993', small: 1 })
    for (const place of [1, 3]) expect(kept[place]?.data).toMatchObject({ unkept: expect.any(String) })
    await expect(store.append([event('')])).rejects.toMatchObject({ code: 'store.row-invalid' })
    await expect(store.append(Array<SiteEvent>(20_001).fill(event('a')))).rejects.toMatchObject({ code: 'store.call-too-large' })
  })
})
