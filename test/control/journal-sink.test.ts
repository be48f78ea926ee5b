import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/fault.ts'
import { JournalSink } from '../../src/control/journal-sink.ts'
import type { AnyEvent } from '../../src/model/event.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { keptLog } from '../support/quiet-log.ts'

const event = (type: string): AnyEvent => ({ type, subject: 'press', timeMs: epochMs(0), data: {} })

function startSink() {
  const clock = startManualClock()
  const store = { kept: [] as string[], calls: 0, refused: '', fault: undefined as Fault | undefined }
  const append = async (events: readonly AnyEvent[]): Promise<void> => {
    if (store.fault !== undefined) throw store.fault
    if (events.some(({ type }) => type === store.refused)) throw new Fault('store.row-invalid', 'No.', { remedy: 'Look.' })
    store.calls += 1
    store.kept.push(...events.map(({ type }) => type))
  }
  return { clock, store, sink: new JournalSink({ append, clock, log: keptLog() }) }
}

describe('the way into the journal', () => {
  it('keeps events in order while the store is away, and appends them when it is back', async () => {
    const { clock, store, sink } = startSink()
    store.fault = new Fault('door.closed', 'Nobody.', { remedy: 'Wait.', isRetryable: true })
    await Promise.all([sink.record(event('a')), sink.record(event('b'))])
    store.fault = undefined
    await clock.advance(1_000)
    expect(store.kept).toEqual(['a', 'b'])
  })

  it('gives up, and counts, what the store will never take, so that later events are kept', async () => {
    const { clock, store, sink } = startSink()
    store.fault = new Fault('store.row-invalid', 'No.', { remedy: 'Look.' })
    await sink.record(event('bad'))
    await clock.advance(1_000)
    store.fault = undefined
    await sink.record(event('good'))
    expect(store.kept).toEqual(['good'])
    expect(sink.metrics()).toContainEqual(expect.objectContaining({ name: 'lineside_journal_lost_total', value: 1 }))
  })

  it('takes along what nobody waits for, in order, and keeps it soon where nobody is waited for', async () => {
    const { clock, store, sink } = startSink()
    const gathered = [sink.gather(event('a')), sink.gather(event('b'))]
    expect(store.calls).toBe(0)
    await sink.record(event('c'))
    await Promise.all(gathered)
    expect(store.kept).toEqual(['a', 'b', 'c'])
    const alone = sink.gather(event('d'))
    await clock.advance(20)
    await alone
    expect(store.kept).toEqual(['a', 'b', 'c', 'd'])
  })

  it('keeps the others where the store refuses one for good', async () => {
    const { clock, store, sink } = startSink()
    store.refused = 'bad'
    const gathered = [sink.gather(event('a')), sink.gather(event('bad')), sink.gather(event('b'))]
    await clock.advance(1_000)
    await Promise.all(gathered)
    expect(store.kept).toEqual(['a', 'b'])
    expect(sink.metrics()).toContainEqual(expect.objectContaining({ name: 'lineside_journal_lost_total', value: 1 }))
  })

  it('lets what is gathered go along with what is being kept, once, and without it where that fails', async () => {
    const { clock, store, sink } = startSink()
    const sent: (readonly string[])[] = []
    const send = async (events: readonly AnyEvent[]): Promise<void> => {
      sent.push(events.map(({ type }) => type))
      if (events.some(({ type }) => type === 'bad')) throw new Fault('store.row-invalid', 'No.', { remedy: 'Look.' })
    }
    const gathered = [sink.gather(event('a')), sink.gather(event('b'))]
    await sink.along(send)
    await Promise.all(gathered)
    await sink.along(send)
    const bad = sink.gather(event('bad'))
    await sink.along(send)
    await bad
    expect(sent).toEqual([['a', 'b'], [], ['bad'], []])
    await clock.advance(1_000)
    expect(store.kept).toEqual(['bad']) // by itself
  })

  it('waits as long for others, whatever went along before it', async () => {
    const { clock, store, sink } = startSink()
    void sink.gather(event('a'))
    await clock.advance(10)
    await sink.along(async () => {})
    const alone = sink.gather(event('b'))
    await clock.advance(19)
    expect(store.kept).toEqual([])
    await clock.advance(1)
    await alone
    expect(store.kept).toEqual(['b'])
  })

  it('rejects as what is being kept does, and keeps what would have gone along', async () => {
    const { clock, store, sink } = startSink()
    void sink.gather(event('a'))
    await expect(sink.along(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    await clock.advance(1_000)
    expect(store.kept).toEqual(['a'])
  })

  it('keeps at the end what is still gathered', async () => {
    const { store, sink } = startSink()
    void sink.gather(event('a'))
    await sink.flush()
    expect(store.kept).toEqual(['a'])
  })
})
