import { describe, expect, it, vi } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/fault.ts'
import { startOutboxSink } from '../../src/control/outbox-sink.ts'
import { asTagId, asTagIndex } from '../../src/model/tag.ts'
import type { OutgoingMessage } from '../../src/store/contract.ts'
import { callRowsMax } from '../../src/store/rows.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { keptLog } from '../support/quiet-log.ts'

describe('values for which the disk has no room', () => {
  it('wait in memory up to a bound; what goes beyond it is counted, and said upstream once there is room', {
    timeout: 30_000,
  }, async () => {
    const clock = startManualClock()
    const accepted: OutgoingMessage[] = []
    let isFull = true
    const accept = async (rows: readonly OutgoingMessage[]): Promise<void> => {
      if (isFull) throw new Fault('store.full', 'There is no space left.', { remedy: 'Free some.', isRetryable: true })
      accepted.push(...rows)
    }
    await using sink = startOutboxSink({
      site: 'acme',
      tags: [{ id: asTagId('press/speed'), device: 'press', path: 'speed', scan: 'normal', type: 'f64' }],
      upstreams: { plant: { send: ['#'], dropTopic: 'lineside/edge/upstream/plant/dropped' } },
      accept,
      clock,
      log: keptLog(),
    })
    const total = 130_000
    for (let value = 0; value < total; value += 1) {
      const sample = { value, quality: 'good', sourceMs: epochMs(value), receivedMs: epochMs(value) } as const
      sink.take([{ tag: asTagIndex(0), sample }])
    }
    await clock.advance(500)
    isFull = false
    await clock.advance(60_000)
    const lost = sink.metrics().find(({ name }) => name === 'lineside_outbox_lost_before_disk_total')?.value ?? 0
    const samples = accepted.filter(({ kind }) => kind === 'sample')
    expect(lost).toBeGreaterThan(0)
    expect(samples).toHaveLength(total - lost)
    expect(samples.map(({ timeMs }) => timeMs)).toEqual(Array.from({ length: total - lost }, (_, place) => lost + place))
    const news = accepted.filter(({ kind }) => kind === 'message').map(({ subject, body }) => ({ subject, ...JSON.parse(body) }))
    expect(news).toEqual([
      { subject: 'lineside/edge/upstream/plant/dropped', upstream: 'plant', stream: 'before-disk', rows: lost, total: { dropped: lost } },
    ])
  })

  it('are given to it at the end in parts of a size that it takes', async () => {
    const parts: number[] = []
    let isFull = true
    const sink = startOutboxSink({
      site: 'acme',
      tags: [{ id: asTagId('press/speed'), device: 'press', path: 'speed', scan: 'normal', type: 'f64' }],
      upstreams: { plant: { send: ['#'], dropTopic: 'lineside/edge/upstream/plant/dropped' } },
      accept: async (rows) => {
        if (isFull) throw new Fault('store.full', 'There is no space left.', { remedy: 'Free some.', isRetryable: true })
        parts.push(rows.length)
      },
      clock: startManualClock(),
      log: keptLog(),
    })
    for (let value = 0; value < 25_000; value += 1) {
      const sample = { value, quality: 'good', sourceMs: epochMs(value), receivedMs: epochMs(value) } as const
      sink.take([{ tag: asTagIndex(0), sample }])
    }
    await vi.waitFor(() => expect(waitingOf(sink)).toBeGreaterThan(20_000))
    isFull = false
    await sink[Symbol.asyncDispose]()
    expect(Math.max(...parts)).toBeLessThan(callRowsMax)
    expect(parts.reduce((sum, rows) => sum + rows, 0)).toBe(25_000)
  })
})

function waitingOf(sink: ReturnType<typeof startOutboxSink>): number {
  return sink.metrics().find(({ name }) => name === 'lineside_outbox_waiting_for_disk')?.value ?? 0
}

describe('an upstream that takes tags only', () => {
  it('is given no message, though its filters match; one beside it that takes all is', async () => {
    const accepted: OutgoingMessage[] = []
    await using sink = startOutboxSink({
      site: 'acme',
      tags: [{ id: asTagId('press/speed'), device: 'press', path: 'speed', scan: 'normal', type: 'f64' }],
      upstreams: { scada: { send: ['#'], takesTagsOnly: true }, plant: { send: ['#'] } },
      accept: async (rows) => void accepted.push(...rows),
      clock: startManualClock(),
      log: keptLog(),
    })
    await sink.acceptMessage('lineside/edge/events/device.lost', '{}')
    sink.take([{ tag: asTagIndex(0), sample: { value: 1, quality: 'good', sourceMs: epochMs(1), receivedMs: epochMs(1) } }])
    await vi.waitFor(() => expect(accepted.length).toBeGreaterThanOrEqual(3))
    expect(accepted.map(({ upstream, kind }) => `${upstream} ${kind}`).toSorted()).toEqual([
      'plant message',
      'plant sample',
      'scada sample',
    ])
  })
})
