import { describe, expect, it, vi } from 'vitest'
import { epochMs, isoTime } from '../../../src/base/clock.ts'
import type { FlowDefinition } from '../../../src/control/flows/definition.ts'
import { House } from './house.ts'
import { chain, flowOf, step } from './life.ts'

const by = { name: 'anna', role: 'operator', road: 'api' } as const
const start = { on: [{ kind: 'start', role: 'operator' }] } as const
const free = { concurrency: { limit: 100, overflow: 'queue', queueMax: 100 } } as const

/** Goes through a thousand items without waiting for anything. */
const many: FlowDefinition = flowOf(
  [
    step({
      id: 'all',
      kind: 'each',
      in: Array.from({ length: 1_000 }, (_, place) => place),
      as: 'item',
      limit: 1_000,
      steps: [step({ id: 'one', kind: 'set', variables: { last: '${item}' } })],
    }),
  ],
  { flow: 'many', ...start, ...free },
)
const small = (flow: string, more: Partial<FlowDefinition>): FlowDefinition =>
  flowOf(chain({ id: 'say', kind: 'log', level: 'info', text: 'here' }), { flow, ...start, ...free, ...more })

describe('a gateway whose disk is behind', () => {
  it('refuses starts of low priority with a reason and an event, takes the others, and does all of it when the disk is back', async () => {
    await using house = await House.start({ flows: [many, small('low', { priority: 'low' }), small('high', { priority: 'high' })] })
    const disk = Promise.withResolvers<void>()
    house.held = disk.promise
    const begun = Array.from({ length: 8 }, () => house.flows.startFlow('many', {}, { kind: 'start' }))
    await vi.waitFor(async () => {
      await house.clock.settle()
      const waiting = house.flows.metrics().find(({ name }) => name === 'lineside_flow_records_waiting')
      expect(waiting?.value).toBeGreaterThan(5_000)
    }, 10_000)
    expect(() => house.flows.startFlow('low', {}, { kind: 'start' })).toThrow(/machine has more to do than it can/)
    const high = house.flows.startFlow('high', {}, { kind: 'start' })
    const [refusal] = house.events.filter(({ type }) => type === 'flow.overloaded')
    expect(refusal).toMatchObject({ subject: 'low', data: { reason: 'overloaded' } })
    disk.resolve()
    await Promise.all([...begun, high].map(({ kept }) => kept))
    await vi.waitFor(async () => {
      await house.clock.advance(100)
      expect((await house.states('many')).every((state) => state === 'completed')).toBe(true)
      expect(await house.states('high')).toEqual(['completed'])
    }, 10_000)
    expect((await house.flows.calls.startFlow({ flow: 'low', by })).run).toBeDefined()
  })
})

describe('a flow that begins itself over and over', () => {
  it('is held to its rate, says so once a second, and does not hold the others up', async () => {
    const loop = small('loop', {
      on: [{ kind: 'topic', topic: 'loop' }],
      concurrency: { limit: 2_000, overflow: 'queue', queueMax: 2_000 },
    })
    await using house = await House.start({ flows: [loop, small('other', {})] })
    await Promise.all(Array.from({ length: 1_500 }, (_, number) => house.message('a/b/loop', { number })))
    const refusals = house.events.filter(({ type }) => type === 'flow.overloaded')
    expect(refusals).toMatchObject([{ subject: 'loop', data: { reason: 'flood' } }])
    expect(await house.states('loop')).toHaveLength(1_000)
    expect((await house.flows.calls.startFlow({ flow: 'other', by })).run).toBeDefined()
  })
})

describe('starts that are refused', () => {
  const rest = chain({ id: 'rest', kind: 'wait', forMs: 3_600_000 })
  const one = flowOf(rest, { flow: 'one', ...start, concurrency: { limit: 1, overflow: 'drop', queueMax: 0 } })
  const queue = flowOf(rest, { flow: 'queue', ...start, concurrency: { limit: 1, overflow: 'queue', queueMax: 1 } })
  const refusals = (house: House, type: string) => house.events.flatMap((event) => (event.type === type ? [event.data] : []))

  async function startHouse() {
    const house = await House.start({ flows: [one, queue] })
    const ask = (flow: string, times: number) =>
      Promise.allSettled(Array.from({ length: times }, () => house.flows.calls.startFlow({ flow, by })))
    await ask('one', 1)
    await ask('queue', 2)
    return { house, ask }
  }

  it('are told as events: the first at once, then once a second how many more, of which flow, why, and from when to when', async () => {
    const { house, ask } = await startHouse()
    await using _house = house
    const sinceMs = house.clock.now()
    await Promise.all([ask('one', 6), ask('queue', 3)])
    await house.clock.advance(300)
    await ask('one', 2)
    const first = { reason: 'dropped', refused: 1 }
    expect(refusals(house, 'flow.dropped')).toMatchObject([first])
    await house.clock.advance(700)
    const rest = { reason: 'dropped', refused: 7, first: isoTime(sinceMs), last: isoTime(epochMs(sinceMs + 300)) }
    expect(refusals(house, 'flow.dropped')).toEqual([expect.objectContaining(first), rest])
    expect(refusals(house, 'flow.overloaded')).toMatchObject([
      { reason: 'no-room', refused: 1 },
      { reason: 'no-room', refused: 2 },
    ])
    expect(new Set(house.events.flatMap(({ type, subject }) => (type === 'flow.dropped' ? [subject] : [])))).toEqual(new Set(['one']))
    await house.clock.advance(5_000)
    expect(refusals(house, 'flow.dropped')).toHaveLength(2)
    await ask('one', 1)
    expect(refusals(house, 'flow.dropped')).toMatchObject([first, rest, first])
  })

  it('are told of where the message is too large to be kept with a run, by each flow that would have begun with it', async () => {
    const on = [{ kind: 'topic', topic: 'big/+' }] as const
    await using house = await House.start({ flows: [flowOf(rest, { flow: 'big', on }), flowOf(rest, { flow: 'other', on })] })
    await house.message('a/b/big/1', 'x'.repeat(65_000))
    await house.message('a/b/big/2', 'x'.repeat(66_000))
    const told = house.events.flatMap(({ type, subject, data }) => (type === 'flow.refused' ? [{ subject, ...data }] : []))
    const why = { code: 'flow.message-too-large', refused: 1, message: expect.stringContaining('on a/b/big/2 begins no run') }
    expect(told).toEqual(['big', 'other'].map((subject) => ({ subject, ...why })))
    expect(await house.states('big')).toHaveLength(1)
  })

  it('are told of when the gateway ends in the middle of a burst', async () => {
    const { house, ask } = await startHouse()
    await ask('one', 5)
    await house[Symbol.asyncDispose]()
    expect(refusals(house, 'flow.dropped')).toMatchObject([{ refused: 1 }, { refused: 4 }])
  })
})
