import { describe, expect, it } from 'vitest'
import type { FlowDefinition } from '../../../src/control/flows/definition.ts'
import { House } from './house.ts'
import { inTime } from './in-time.ts'
import { chain, flowOf, undoable, write } from './life.ts'

const by = { road: 'api', name: 'anna', role: 'engineer' } as const
const on = [{ kind: 'start', role: 'operator' }] as const
const tags = { 'plc/valve': false, 'plc/pump': false }
const rest = { id: 'rest', kind: 'wait', forMs: 600_000 } as const
const fill = flowOf(chain(undoable('plc/valve', true, false), rest), { flow: 'fill', on })

type Act = 'cancel' | 'retry' | 'pause' | 'resume' | 'skip' | 'settle'

async function startHouse(flows: readonly FlowDefinition[]) {
  const house = await House.start({ flows, tags })
  const start = async (flow: string): Promise<string> => {
    const { run } = await house.flows.calls.startFlow({ flow, by })
    await house.settled()
    return run
  }
  const say = async (run: string, act: Act, more: { readonly step?: string; readonly isLeftAsItStands?: boolean } = {}) => {
    await house.flows.calls.steerRun({ run, act, by, ...more })
    await house.settled()
  }
  const states = async (...runs: readonly string[]) =>
    await Promise.all(runs.map(async (run) => (await house.flows.calls.run({ run }))?.state))
  const restart = async (): Promise<void> => {
    house.powerFails()
    await house.begin()
    await house.settled()
  }
  return { house, start, say, states, restart }
}

/** One run was cancelled as it stood and is to go on from its second step, and another one is under way. */
async function startTwo(flow = fill) {
  const all = await startHouse([flow])
  const again = await all.start('fill')
  await all.say(again, 'cancel', { isLeftAsItStands: true })
  const other = await all.start('fill')
  await all.say(again, 'retry', { step: 'rest' })
  return { ...all, again, other }
}

describe('a run that goes on again and waits for its turn', () => {
  it('does not lose its time by that', async () => {
    const { house, say, states, restart, again, other } = await startTwo({ ...fill, timeoutMs: 700_000 })
    await using _house = house
    await house.clock.advance(500_000)
    await restart()
    await say(other, 'cancel')
    await house.clock.advance(300_000)
    await house.settled()
    expect(await states(again, other)).toEqual(['running', 'cancelled'])
    await house.clock.advance(400_000)
    await house.settled()
    expect(await states(again)).toEqual(['completed'])
  })

  it('goes on waiting when it is cancelled and the power fails', async () => {
    const { house, say, states, restart, again, other } = await startTwo()
    await using _house = house
    await say(again, 'cancel')
    await restart()
    expect([await states(again, other), house.writes]).toEqual([
      ['unwinding', 'running'],
      ['plc/valve true', 'plc/valve true'],
    ])
    await say(other, 'cancel', { isLeftAsItStands: true })
    expect([await states(again, other), house.writes.at(-1)]).toEqual([['cancelled', 'cancelled'], 'plc/valve false'])
  })

  it('leaves the plant as it stands where it is cancelled so', async () => {
    const { house, say, states, again, other } = await startTwo()
    await using _house = house
    await say(again, 'cancel', { isLeftAsItStands: true })
    await say(other, 'cancel', { isLeftAsItStands: true })
    expect(await states(again, other)).toEqual(['cancelled', 'cancelled'])
    expect(house.writes).toEqual(['plc/valve true', 'plc/valve true'])
  })

  it('leaves out what is skipped meanwhile, and stays paused, over a power cut too', async () => {
    const { house, say, states, restart, again, other } = await startTwo()
    await using _house = house
    await say(again, 'skip', { step: 'rest' })
    await say(again, 'pause')
    await restart()
    await say(other, 'cancel', { isLeftAsItStands: true })
    expect(await states(again)).toEqual(['paused'])
    await say(again, 'resume')
    expect([await states(again), house.writes]).toEqual([['completed'], ['plc/valve true', 'plc/valve true']])
  })
})

describe('a child run that a person lets go on again by itself', () => {
  it('holds its locks against the runs of the one above it, which goes on again too', async () => {
    const shared = { ...fill, concurrency: { ...fill.concurrency, limit: 5 }, locks: ['tank'] }
    const line = flowOf(chain({ id: 'go', kind: 'run', flow: 'fill', input: {}, isAwaited: true }), { flow: 'line', on })
    const { house, start, say, states } = await startHouse([shared, line])
    await using _house = house
    const above = await start('line')
    await say(above, 'cancel', { isLeftAsItStands: true })
    const [below] = await house.store.runs({ flow: 'fill', rowsMax: 1 })
    await say(below?.run ?? '', 'retry', { step: 'rest' })
    await say(above, 'retry', { step: 'go' })
    const [next] = await house.store.runs({ flow: 'fill', rowsMax: 1 })
    expect(await states(above, below?.run ?? '', next?.run ?? '')).toEqual(['running', 'running', 'queued'])
  })
})

describe('a run that is paused while it goes back', () => {
  it('takes nothing back until it is resumed, over a power cut too', async () => {
    const slow = {
      ...undoable('plc/pump', true, false),
      undo: chain({ id: 'calm', kind: 'wait', forMs: 10_000 }, write('plc/pump', false)),
    }
    const both = flowOf(chain(undoable('plc/valve', true, false), slow, rest), { flow: 'both', on })
    const { house, start, say, states, restart } = await startHouse([both])
    await using _house = house
    const run = await start('both')
    await say(run, 'cancel')
    await say(run, 'pause')
    await house.clock.advance(60_000)
    await restart()
    await house.clock.advance(60_000)
    expect([await states(run), house.writes]).toEqual([['paused'], ['plc/valve true', 'plc/pump true']])
    await say(run, 'resume')
    await house.clock.advance(60_000)
    await house.settled()
    expect([await states(run), house.writes]).toEqual([
      ['cancelled'],
      ['plc/valve true', 'plc/pump true', 'plc/pump false', 'plc/valve false'],
    ])
  })
})

describe('the time of a run', () => {
  const wall = (house: House, ms: number): void => house.clock.setWall((house.clock.now() + ms) as never)
  const timed = { ...fill, timeoutMs: 60_000 }

  async function lastsAMinute(house: House, states: () => Promise<readonly unknown[]>): Promise<void> {
    await house.clock.advance(45_000)
    await house.settled()
    expect(await states()).toEqual(['running'])
    await house.clock.advance(15_000)
    await house.settled()
    expect(await states()).toEqual(['failed'])
  }

  it.each([0, -3_600_000, 3_600_000])('does not go on while it is paused, where the clock is set by %i ms meanwhile', async (shiftMs) => {
    const { house, start, say, states } = await startHouse([timed])
    await using _house = house
    const run = await start('fill')
    await say(run, 'pause')
    await house.clock.advance(100_000)
    wall(house, shiftMs)
    await house.clock.advance(100_000)
    await say(run, 'resume')
    await lastsAMinute(house, () => states(run))
  })

  it('goes on where it was after a pause with a power cut in it', async () => {
    const { house, start, say, states, restart } = await startHouse([timed])
    await using _house = house
    const run = await start('fill')
    await say(run, 'pause')
    await house.clock.advance(100_000)
    await restart()
    await house.clock.advance(100_000)
    await say(run, 'resume')
    await lastsAMinute(house, () => states(run))
    expect(house.writes).toEqual(['plc/valve true', 'plc/valve false'])
  })
})

describe('what a person has done again', () => {
  const set = (value: number): string => `write: { press-07/recipe/setpoint: ${value} }`
  const all = (...values: readonly number[]): string => `[${values.map((value) => `{ press-07/recipe/setpoint: ${value} }`).join(', ')}]`
  const head = 'flow: long\ntags: { press-07/recipe/setpoint: 0, press-07/motor/running: false }\ncases:\n'

  it.each([
    [
      'in an each',
      'each: { in: "${[1, 2]}", as: n, steps: [{ id: one, write: { press-07/recipe/setpoint: "${n}" }, undo: { write: { press-07/recipe/setpoint: 0 } } }] }',
      [1, 2],
    ],
    ['in a parallel', `parallel: { a: [{ id: one, ${set(5)}, undo: { ${set(0)} } }] }`, [5]],
  ])('is really done again and undone again %s, more than once', async (_, body, values) => {
    const flow = `flow: long\non: [{ start: operator }]\nsteps:\n  - id: body\n    ${body}\n  - id: last\n    ${set(9)}\n    undo: []\n`
    const gone = values.map(() => 0)
    const test = `${head}  - name: again
    fail: { last: 2 }
    do: [start: {}, { after: 2m, order: { act: retry, step: body } }, { after: 2m, order: { act: retry, step: last } }, { after: 2m }]
    expect: { state: completed, writes: ${all(...values, ...gone, ...values, ...gone, ...values, 9)} }
`
    expect(await inTime({ 'flows/long.yaml': flow }, test)).toEqual([])
  })

  it('are all steps that had failed side by side', async () => {
    const flow = `flow: long\non: [{ start: operator }]\nsteps:
  - { id: one, ${set(1)}, needs: [], undo: [] }
  - { id: two, write: { press-07/recipe/setpoint: 2 }, needs: [], undo: [] }
  - { id: last, ${set(9)}, needs: [one, two], undo: [] }\n`
    const test = `${head}  - name: both
    devices: { press-07: away }
    do: [start: {}, { after: 2m, devices: { press-07: here } }, { after: 2m, order: { act: retry, step: one } }, { after: 2m }]
    expect: { state: completed, writes: ${all(1, 2, 9)} }
`
    expect(await inTime({ 'flows/long.yaml': flow }, test)).toEqual([])
  })

  it('may be left again, and settled then', async () => {
    const flow = `flow: long\non: [{ start: operator }]\nsteps:
  - { id: first, ${set(1)}, undo: { id: back, ${set(0)} } }
  - { id: last, ${set(9)}, undo: [] }\n`
    const test = `${head}  - name: left
    fail: { last: always, back: always }
    do: [start: {}, { after: 2m, order: { act: retry, step: last } }, { after: 2m, order: { act: settle, why: by hand } }, { after: 1m, order: { act: retry, step: last } }]
    expect: { state: settled, left: [first], refused: [flow.not-now], writes: ${all(1, 1)} }
`
    expect(await inTime({ 'flows/long.yaml': flow }, test)).toEqual([])
  })

  it('is said to be done again in a shadow, and nothing is', async () => {
    const flow = `flow: long\nmode: shadow\non: [{ start: operator }]\nsteps:\n  - { id: first, ${set(1)}, undo: { ${set(0)} } }\n  - { id: last, fail: "no" }\n`
    const test = `${head}  - name: shadow
    do: [start: {}, { after: 2m, order: { act: retry, step: last } }]
    expect: { runs: 1, state: failed, writes: [] }
`
    expect(await inTime({ 'flows/long.yaml': flow }, test)).toEqual([])
  })
})
