import { describe, expect, it } from 'vitest'
import type { SiteEvent } from '../../../src/model/event.ts'
import { Refusals } from '../../../src/north/access/refusals.ts'
import { startManualClock } from '../../support/manual-clock.ts'
import { memoryLog } from '../broker/gateway.ts'

function open() {
  const clock = startManualClock()
  const log = memoryLog()
  const events: SiteEvent[] = []
  const refusals = new Refusals({ clock, log, record: (event) => events.push(event) })
  const refuse = (address: string, more: { readonly door?: string; readonly user?: string } = {}) =>
    refusals.note({ door: 'mqtt', user: undefined, code: 'access.user-unknown', remedy: 'Look.', address, ...more })
  return { clock, log, events, refusals, refuse, [Symbol.dispose]: () => refusals[Symbol.dispose]() }
}

describe('somebody who is not let in', () => {
  it('is told to the journal once in ten minutes, and then how often he has come', async () => {
    using doors = open()
    for (let time = 0; time < 1_000; time += 1) doors.refuse('10.1.7.20', { user: `guess-${time}` })
    expect(doors.events).toMatchObject([
      { type: 'access.refused', subject: 'mqtt', data: { address: '10.1.7.20', user: 'guess-0', times: 1 } },
    ])
    await doors.clock.advance(10 * 60_000)
    expect(doors.events).toMatchObject([{}, { data: { address: '10.1.7.20', times: 1_000 } }])
    await doors.clock.advance(60 * 60_000)
    expect(doors.events).toHaveLength(2)
    doors.refuse('10.1.7.20')
    expect(doors.events).toHaveLength(3)
  })

  it('makes a bounded number of rows, from however many addresses he comes', async () => {
    using doors = open()
    for (let place = 0; place < 5_000; place += 1) doors.refuse(`10.1.${place >> 8}.${place & 255}`)
    expect(doors.events).toHaveLength(21)
    expect(doors.events.at(-1)).toMatchObject({ data: { address: 'many others', times: 1 } })
    await doors.clock.advance(10 * 60_000)
    expect(doors.events).toHaveLength(22)
    expect(doors.events.at(-1)).toMatchObject({ data: { address: 'many others', times: 4_980 } })
    expect(doors.refusals.metrics()).toMatchObject([{ name: 'lineside_access_refused_total', value: 5_000, labels: { door: 'mqtt' } }])
  })

  it('cannot steer the terminal of whoever reads the journal, nor fill it with his name', () => {
    using doors = open()
    doors.refuse('10.1.7.20', { user: `\u001b[2J${'x'.repeat(1_000)}` })
    expect(String(doors.events[0]?.data['user'])).toMatch(/^\ufffd\[2Jx{60}$/)
  })

  it('is told to the log once for a door, except by the broker, which does that itself', () => {
    using doors = open()
    for (const door of ['mqtt', 'api', 'api', 'opcua']) doors.refuse('10.1.7.20', { door })
    expect(doors.log.lines.map(({ fields }) => fields)).toMatchObject([{ door: 'api' }, { door: 'opcua' }])
  })
})
