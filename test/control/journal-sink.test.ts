import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/fault.ts'
import { JournalSink } from '../../src/control/journal-sink.ts'
import type { SiteEvent } from '../../src/model/event.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { keptLog } from '../support/quiet-log.ts'

const event = (type: string): SiteEvent => ({ type, subject: 'press', timeMs: epochMs(0), data: {} })

function startSink() {
  const clock = startManualClock()
  const store = { kept: [] as string[], fault: undefined as Fault | undefined }
  const append = async (events: readonly SiteEvent[]): Promise<void> => {
    if (store.fault !== undefined) throw store.fault
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
})
