import { describe, expect, it, vi } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import { Fault } from '../../../src/base/fault.ts'
import type { FlowDefinition } from '../../../src/control/flows/definition.ts'
import { House } from './house.ts'
import { chain, flowOf, step, undoable, write } from './life.ts'

const limitless = { concurrency: { limit: 100, overflow: 'queue', queueMax: 100 } } as const
const orders: FlowDefinition = flowOf(chain(write('plc/order', '${trigger.payload.number}', 'take')), {
  flow: 'orders',
  on: [{ kind: 'topic', topic: 'orders/+', where: 'trigger.payload.number > 0' }],
  ...limitless,
})
const lost: FlowDefinition = flowOf(chain(write('plc/lost', '${trigger.subject}', 'note')), {
  flow: 'lost',
  on: [{ kind: 'event', event: 'device.*' }],
  ...limitless,
})
const tags = { 'plc/order': 0, 'plc/lost': '', 'plc/valve': false, 'plc/pump': false }

/** Whether this call would keep the beginning of a run. */
const isBeginning = (call: string, ask: unknown): boolean =>
  call === 'recordRuns' && (ask as { readonly records: readonly { readonly kind: string }[] }).records.some(({ kind }) => kind === 'begun')

describe('a message that flows begin with', () => {
  it('is acknowledged only when its run is kept, which a power cut then does not stop', async () => {
    await using house = await House.start({ flows: [orders], tags })
    await house.message('a/b/orders/1', { number: 5 })
    house.powerFails()
    await house.begin()
    await vi.waitFor(async () => {
      await house.settled()
      expect(await house.states('orders')).toEqual(['completed'])
    })
    expect(house.writes).toEqual(['plc/order 5'])
  })

  it('is not acknowledged when the power fails before, and sent again begins one run', async () => {
    await using house = await House.start({ flows: [orders], tags })
    house.isDeaf = isBeginning
    const answered = vi.fn()
    void house.message('a/b/orders/1', { number: 5 }, { uid: 'm1' }).then(answered)
    await house.settled()
    expect(answered).not.toHaveBeenCalled()
    house.isDeaf = undefined
    await house.begin()
    await house.message('a/b/orders/1', { number: 5 }, { uid: 'm1', isRepeated: true })
    await house.settled()
    await house.message('a/b/orders/1', { number: 5 }, { uid: 'm1', isRepeated: true })
    await house.settled()
    expect(await house.states('orders')).toEqual(['completed'])
    expect(house.writes).toEqual(['plc/order 5'])
  })

  it('is acknowledged where no flow wants it, or the flow refuses it, which is told', async () => {
    const one = { ...orders, concurrency: { limit: 1, overflow: 'drop', queueMax: 0 } as const }
    const slow = { ...one, steps: chain({ id: 'rest', kind: 'wait', forMs: 60_000 }) }
    await using house = await House.start({ flows: [slow], tags })
    await house.message('a/b/orders/1', { number: 0 })
    await house.message('a/b/orders/1', { number: 1 })
    await house.message('a/b/orders/1', { number: 2 })
    expect(house.events.flatMap(({ type }) => (type.startsWith('flow.') ? [type] : []))).toEqual(['flow.started', 'flow.dropped'])
  })
})

describe('an event that flows begin with', () => {
  const happened = (subject: string) => ({ type: 'device.lost', subject, timeMs: 1_000 as never, data: {} })

  it('begins its run from the journal, once', async () => {
    await using house = await House.start({ flows: [lost], tags })
    for (const subject of ['one', 'two']) await house.event(happened(subject))
    await vi.waitFor(async () => {
      await house.settled()
      expect(await house.states('lost')).toEqual(['completed', 'completed'])
    })
    house.powerFails()
    await house.begin()
    await house.settled()
    expect(house.writes.toSorted()).toEqual(['plc/lost one', 'plc/lost two'])
  })

  it('begins it after a power cut that came before the run was kept', async () => {
    await using house = await House.start({ flows: [lost], tags })
    house.isDeaf = isBeginning
    await house.event(happened('one'))
    await house.settled()
    expect(await house.states('lost')).toEqual([])
    house.isDeaf = undefined
    await house.begin()
    await vi.waitFor(async () => {
      await house.settled()
      expect(await house.states('lost')).toEqual(['completed'])
    })
    expect(house.writes).toEqual(['plc/lost one'])
  })

  it('begins one run where the power fails before it is noted that it has', async () => {
    await using house = await House.start({ flows: [lost], tags })
    house.isDeaf = (call) => call === 'consumed'
    await house.event(happened('one'))
    await house.settled()
    house.isDeaf = undefined
    await house.begin()
    await vi.waitFor(async () => {
      await house.settled()
      expect(await house.states('lost')).toEqual(['completed'])
    })
    expect(house.writes).toEqual(['plc/lost one'])
  })
})

describe('an event that a flow emits', () => {
  const told = { id: 'told', kind: 'emit', event: 'device.lost', subject: 'one', data: {} } as const
  const by = { road: 'api', name: 'anna', role: 'engineer' } as const
  const ids = (house: House) => house.events.flatMap(({ type, uid }) => (type === 'device.lost' ? [uid] : []))

  it('comes once more under its id where the power fails before that is known, and begins no other run', async () => {
    const teller = flowOf(chain(told), { flow: 'teller', on: [{ kind: 'topic', topic: 'orders/+' }] })
    await using house = await House.start({ flows: [lost, teller], tags })
    house.isDeaf = (call, ask) =>
      call === 'recordRuns' &&
      (ask as { readonly records: readonly { readonly kind: string }[] }).records.some(({ kind }) => kind === 'outcome')
    void house.message('a/b/orders/1', {})
    await house.settled()
    house.isDeaf = undefined
    await house.begin()
    await vi.waitFor(async () => {
      await house.settled()
      expect(await house.states('teller')).toEqual(['completed'])
    })
    expect(ids(house)).toEqual([expect.any(String), ids(house)[0]])
    expect([await house.states('lost'), house.writes]).toEqual([['completed'], ['plc/lost one']])
  })

  it('is another one where an engineer lets its step be done again', async () => {
    const teller = flowOf(chain(told, { id: 'no', kind: 'fail', message: 'no' }), {
      flow: 'teller',
      on: [{ kind: 'start', role: 'viewer' }],
    })
    await using house = await House.start({ flows: [lost, teller], tags })
    const { run } = await house.flows.calls.startFlow({ flow: 'teller', by })
    await house.settled()
    await house.flows.calls.steerRun({ run, act: 'retry', step: 'told', by })
    await vi.waitFor(async () => {
      await house.settled()
      expect(await house.states('lost')).toEqual(['completed', 'completed'])
    })
    expect(new Set(ids(house)).size).toBe(2)
  })
})

describe('a start that may have been begun before', () => {
  it('waits for the store to say whether it was, and is not given up', async () => {
    await using house = await House.start({ flows: [lost], tags })
    const { run } = house.store
    let asked = 0
    const away = (ask: { readonly run: string }): ReturnType<typeof run> => {
      asked += 1
      return asked < 3 ? Promise.reject(new Fault('door.closed', 'away', { remedy: 'wait', isRetryable: true })) : run(ask)
    }
    Object.assign(house.store, { run: away })
    await house.event({ type: 'device.lost', subject: 'one', timeMs: 1_000 as never, data: {} })
    await vi.waitFor(async () => {
      await house.settled()
      expect(await house.states('lost')).toEqual(['completed'])
    })
    expect(house.events.flatMap(({ type }) => (type === 'flow.refused' ? [type] : []))).toEqual([])
  })

  it('is one run at each moment of the clock, though that is set back', async () => {
    const hourly = flowOf(chain(write('plc/valve', true, 'open')), {
      flow: 'lost',
      on: [{ kind: 'cron', cron: '0 * * * *', zone: 'UTC', missed: 'skip' }],
    })
    await using house = await House.start({ flows: [hourly], tags })
    house.clock.setWall(epochMs(Date.UTC(2026, 10, 21, 5, 58)))
    await house.clock.advance(180_000)
    await vi.waitFor(async () => {
      await house.settled()
      expect(await house.states('lost')).toEqual(['completed'])
    })
    house.clock.setWall(epochMs(Date.UTC(2026, 10, 21, 5, 57)))
    await house.clock.advance(5 * 60_000)
    await house.settled()
    expect(await house.states('lost')).toEqual(['completed'])
  })
})

describe('a run that is cancelled', () => {
  const flow = flowOf(chain(undoable('plc/valve', true, false), { id: 'rest', kind: 'wait', forMs: 600_000 }, write('plc/pump', true)), {
    flow: 'fill',
    on: [{ kind: 'start', role: 'operator' }],
  })
  const by = { name: 'anna', role: 'operator', road: 'api' } as const

  it('goes back after a power cut that came as soon as the order was kept', async () => {
    await using house = await House.start({ flows: [flow], tags })
    const { run } = await house.flows.calls.startFlow({ flow: 'fill', by })
    await house.settled()
    let isKept = false
    house.isDeaf = (_call, ask) => {
      const isNext = isKept
      isKept ||= JSON.stringify(ask).includes('cancel')
      return isNext
    }
    await house.flows.calls.steerRun({ run, act: 'cancel', by })
    await house.settled()
    house.isDeaf = undefined
    await house.begin()
    await vi.waitFor(async () => {
      await house.settled()
      expect(await house.states('fill')).toEqual(['cancelled'])
    })
    expect(house.writes).toEqual(['plc/valve true', 'plc/valve false'])
  })

  it('takes the run back that it waits for, before itself, though the power fails in between', async () => {
    const slowly = [step({ id: 'pause', kind: 'wait', forMs: 5_000 }), step({ ...write('plc/valve', false, 'shut'), needs: ['pause'] })]
    const rest = { id: 'rest', kind: 'wait', forMs: 600_000 } as const
    const inner = flowOf(chain({ ...write('plc/valve', true), undo: slowly }, rest), { flow: 'inner' })
    const wait = { id: 'inner', kind: 'run', flow: 'inner', input: {}, isAwaited: true } as const
    const outer = flowOf(chain(undoable('plc/pump', true, false), wait), { flow: 'outer', on: [{ kind: 'start', role: 'operator' }] })
    await using house = await House.start({ flows: [outer, inner], tags })
    const { run } = await house.flows.calls.startFlow({ flow: 'outer', by })
    await house.settled()
    await house.flows.calls.steerRun({ run, act: 'cancel', by })
    await house.clock.advance(1_000)
    house.powerFails()
    await house.begin()
    await vi.waitFor(async () => {
      await house.settled()
      expect([await house.states('outer'), await house.states('inner')]).toEqual([['cancelled'], ['cancelled']])
    })
    expect(house.writes).toEqual(['plc/pump true', 'plc/valve true', 'plc/valve false', 'plc/pump false'])
  })

  it('takes those back that it waited for, when it has ended itself', async () => {
    const rest = { id: 'rest', kind: 'wait', forMs: 600_000 } as const
    const inner = flowOf(chain(undoable('plc/valve', true, false), rest), { flow: 'inner' })
    await using house = await House.start({ flows: [inner], tags })
    const parent = { run: 'gone', depth: 0, holder: 'gone' }
    const input = JSON.stringify({ trigger: { kind: 'run', run: 'gone' }, input: {}, parent })
    house.powerFails()
    await house.store.recordRuns({
      records: [{ kind: 'begun', run: 'child', flow: 'inner', timeMs: house.clock.now(), definition: JSON.stringify(inner), input }],
    })
    await house.begin()
    await vi.waitFor(async () => {
      await house.settled()
      expect(await house.states('inner')).toEqual(['cancelled'])
    })
    expect(house.writes.slice(1)).toEqual(house.writes.length === 0 ? [] : ['plc/valve false'])
  })
})
