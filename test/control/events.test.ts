import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/fault.ts'
import { Events, type EventsOptions } from '../../src/control/events.ts'
import { JournalSink } from '../../src/control/journal-sink.ts'
import type { AnyEvent, WrittenEvent } from '../../src/model/event.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { keptLog } from '../support/quiet-log.ts'

const lost = { type: 'device.lost', subject: 'press-07', timeMs: epochMs(0), data: { why: 'cable' } }

function startEvents(options: { readonly isNorthAway?: boolean } & Partial<Pick<EventsOptions, 'journal' | 'gather'>> = {}) {
  const told: { readonly by: string; readonly topic: string; readonly payload: string }[] = []
  const clock = startManualClock()
  const events = new Events({
    site: 'acme/münchen/line-1',
    node: 'edge-07',
    journal: options.journal ?? (async (event) => void told.push({ by: 'journal', topic: event.type, payload: '' })),
    gather: options.gather ?? (async (event) => void told.push({ by: 'journal', topic: event.type, payload: '' })),
    outbox: async (topic, payload) => void told.push({ by: 'outbox', topic, payload }),
    broker: async ({ topics, payloads }) => {
      if (options.isNorthAway === true) throw new Fault('door.closed', 'Nobody.', { remedy: 'Wait.', isRetryable: true })
      for (const [place, topic] of topics.entries()) told.push({ by: `broker ${topics.length}`, topic, payload: payloads[place] ?? '' })
    },
    clock,
    log: keptLog(),
  })
  return { events, told, clock }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('an event', () => {
  it('is journalled first, then told to upstreams and clients as one CloudEvent', async () => {
    const { events, told } = startEvents()
    await events.record(lost)
    await turn()
    expect(told.map(({ by, topic }) => [by, topic])).toEqual([
      ['journal', 'device.lost'],
      ['outbox', 'lineside/edge-07/events/device.lost'],
      ['broker 1', 'lineside/edge-07/events/device.lost'],
    ])
    expect(told[1]?.payload).toBe(told[2]?.payload)
    expect(JSON.parse(told[2]?.payload ?? '')).toEqual({
      specversion: '1.0',
      id: expect.any(String),
      source: 'acme/m%C3%BCnchen/line-1',
      type: 'device.lost',
      subject: 'press-07',
      time: '1970-01-01T00:00:00.000Z',
      datacontenttype: 'application/json',
      data: { why: 'cable' },
    })
  })

  it('is written once: the journal gets the text that clients get', async () => {
    const kept: WrittenEvent[] = []
    const { events, told } = startEvents({ journal: async (event) => void kept.push(event) })
    await events.record({ ...lost, data: { why: 'say "no"\n', at: { depth: [1, null] } } })
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    await events.record({ ...lost, data: circle })
    await turn()
    const payloads = told.filter(({ by }) => by === 'outbox').map(({ payload }) => JSON.parse(payload) as { readonly data: unknown })
    expect(payloads.map(({ data }) => data)).toEqual(kept.map(({ data }) => JSON.parse(data)))
    expect(payloads).toMatchObject([{ data: { why: 'say "no"\n' } }, { data: { unkept: expect.stringContaining('circular') } }])
  })

  it('has an id that no other one has, of this life or another', async () => {
    const ids = new Set<string>()
    for (let life = 0; life < 2; life += 1) {
      const { events } = startEvents({ journal: async ({ uid }) => void ids.add(uid) })
      for (let n = 0; n < 50; n += 1) await events.record(lost)
    }
    expect(ids.size).toBe(100)
  })

  it('that is kept together with something else is told when it is, and not where it is not', async () => {
    const { events, told, clock } = startEvents()
    await expect(events.tellKept([lost], () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    const uids: (string | undefined)[] = []
    await events.tellKept([lost], async (kept) => void uids.push(...kept.map(({ uid }) => uid)))
    await clock.advance(100)
    await turn()
    expect(told.map(({ by }) => by)).toEqual(['outbox', 'broker 1'])
    expect(JSON.parse(told[0]?.payload ?? '')).toMatchObject({ id: uids[0], type: 'device.lost' })
  })

  it('that cannot be told is in the journal all the same, and counted', async () => {
    const { events, told } = startEvents({ isNorthAway: true })
    await events.record(lost)
    await turn()
    expect(told.map(({ by }) => by)).toEqual(['journal', 'outbox'])
    expect(events.metrics()).toMatchObject([{ name: 'lineside_events_untold_total', value: 1 }])
  })

  it('is told in the order in which it was kept, whichever way it went there', async () => {
    const kept: string[] = []
    const keep = async (events: readonly AnyEvent[]): Promise<void> => void kept.push(...events.map(({ type }) => type))
    const sink = new JournalSink({ append: keep, clock: startManualClock(), log: keptLog() })
    const { events, told, clock } = startEvents({ gather: (event) => sink.gather(event), journal: (event) => sink.record(event) })
    const sent = (type: string) => ({ ...lost, type })
    const all = [events.note(sent('a')), events.note(sent('b'))]
    all.push(events.tellKept([sent('c')], (own) => sink.along((noted) => keep([...noted, ...own]))))
    all.push(events.note(sent('d')), events.record(sent('e')))
    await Promise.all(all)
    await clock.advance(50)
    const heard = told.filter(({ by }) => by.startsWith('broker')).map(({ topic }) => topic.slice(-1))
    expect([kept, heard]).toEqual([[...'abcde'], [...'abcde']])
  })

  it('that nobody waits for is told together with those that were kept with it', async () => {
    const { events, told, clock } = startEvents()
    await Promise.all([events.note(lost), events.note({ ...lost, type: 'device.online' })])
    await clock.advance(50)
    expect(told.map(({ by }) => by)).toEqual(['journal', 'journal', 'outbox', 'outbox', 'broker 2', 'broker 2'])
  })
})
