import { describe, expect, it } from 'vitest'
import { keyOf, type StepPlace, wishOf } from '../../../src/control/flows/effect.ts'
import { Past } from '../../../src/control/flows/past.ts'
import { House } from './house.ts'
import { chain, flowOf, undoable } from './life.ts'

describe('what a person has a run do again', () => {
  const at = (step: string) => ({ run: 'r', step, timeMs: 0 as never })
  const intent = (step: string) => ({ ...at(step), kind: 'intent', data: '{}' }) as const
  const outcome = (step: string, status: 'done' | 'failed') => ({ ...at(step), kind: 'outcome', status, data: '{"code":"x"}' }) as const
  const retry = {
    ...at('*'),
    kind: 'decision',
    data: JSON.stringify({ order: 'retry', steps: ['one', 'two'], isAnew: true, by: 'ben' }),
  } as const
  const once = [intent('one'), outcome('one', 'done'), intent('two'), outcome('two', 'failed')]
  const keys = (records: ConstructorParameters<typeof Past>[0], of: (place: StepPlace) => string): readonly string[] => {
    const past = new Past(records)
    return ['one', 'two', 'three'].map((key) => of({ run: { id: 'r' }, key, attempt: 0, again: past.again(key) } as StepPlace))
  }

  it('has for services and receivers a key of its own where it was done, and else the one that it had', () => {
    expect(keys(once, keyOf)).toEqual(['r/one', 'r/two', 'r/three'])
    expect(keys([...once, retry], keyOf)).toEqual(['r/one+1', 'r/two', 'r/three'])
    expect(keys([...once, retry, ...once, retry], keyOf)).toEqual(['r/one+2', 'r/two', 'r/three'])
  })

  it('goes on under the keys of the first time where an earlier version had it done again: what is in doubt is known by them', () => {
    const old = { ...at('*'), kind: 'decision', data: JSON.stringify({ order: 'retry', steps: ['one', 'two'], by: 'ben' }) } as const
    for (const of of [keyOf, wishOf]) expect(keys([...once, old, ...once], of)).toEqual(['r/one', 'r/two', 'r/three'])
    expect(keys([...once, old, ...once, retry], keyOf)).toEqual(['r/one+1', 'r/two', 'r/three'])
  })

  it('is a wish of its own for devices and other flows, however it ended before', () => {
    expect(keys([...once, retry], wishOf)).toEqual(['r/one+1', 'r/two+1', 'r/three'])
  })
})

describe('a run that a person lets go on again', () => {
  const by = { road: 'api', name: 'anna', role: 'engineer' } as const
  const rest = { id: 'rest', kind: 'wait', forMs: 600_000 } as const
  const fill = flowOf(chain(undoable('plc/valve', true, false), rest), { flow: 'fill', on: [{ kind: 'start', role: 'operator' }] })

  /** One run was cancelled as it stood and is to go on, and another one is under way. */
  async function startTwo() {
    const house = await House.start({ flows: [fill], tags: { 'plc/valve': false } })
    const start = async (): Promise<string> => {
      const { run } = await house.flows.calls.startFlow({ flow: 'fill', by })
      await house.settled()
      return run
    }
    const say = async (
      run: string,
      act: 'cancel' | 'retry',
      more: { readonly step?: string; readonly isLeftAsItStands?: boolean } = {},
    ) => {
      await house.flows.calls.steerRun({ run, act, by, ...more })
      await house.settled()
    }
    const states = async (...runs: readonly string[]) =>
      await Promise.all(runs.map(async (run) => (await house.flows.calls.run({ run }))?.state))
    const again = await start()
    await say(again, 'cancel', { isLeftAsItStands: true })
    const other = await start()
    await say(again, 'retry', { step: 'rest' })
    return { house, say, states, again, other }
  }

  it('waits for its turn, over a power cut too', async () => {
    const { house, say, states, again, other } = await startTwo()
    await using _house = house
    expect(await states(again, other)).toEqual(['queued', 'running'])
    expect(house.events.map(({ type }) => type)).toContain('flow.queued')
    house.powerFails()
    await house.begin()
    await house.settled()
    expect(await states(again, other)).toEqual(['queued', 'running'])
    await say(other, 'cancel')
    expect(await states(again, other)).toEqual(['running', 'cancelled'])
  })

  it('takes back what it did when it is cancelled while it waits', async () => {
    const { house, say, states, again, other } = await startTwo()
    await using _house = house
    await say(again, 'cancel')
    await say(other, 'cancel', { isLeftAsItStands: true })
    expect(await states(again, other)).toEqual(['cancelled', 'cancelled'])
    expect(house.writes).toEqual(['plc/valve true', 'plc/valve true', 'plc/valve false'])
  })

  it('stands by itself where another run had waited for it, which has ended', async () => {
    const go = { id: 'go', kind: 'run', flow: 'fill', input: {}, isAwaited: true } as const
    const line = flowOf(chain(go), { flow: 'line', on: [{ kind: 'start', role: 'operator' }] })
    await using house = await House.start({ flows: [fill, line], tags: { 'plc/valve': false } })
    const { run: above } = await house.flows.calls.startFlow({ flow: 'line', by })
    await house.settled()
    await house.flows.calls.steerRun({ run: above, act: 'cancel', by })
    await house.settled()
    const [below] = await house.store.runs({ flow: 'fill', rowsMax: 1 })
    await house.flows.calls.steerRun({ run: below?.run ?? '', act: 'retry', step: 'rest', by })
    await house.settled()
    house.powerFails()
    await house.begin()
    await house.settled()
    expect(await house.flows.calls.run({ run: below?.run ?? '' })).toMatchObject({ state: 'running' })
    expect(house.writes).toEqual(['plc/valve true', 'plc/valve false', 'plc/valve true'])
  })

  it('goes on once, where two people say so at the same moment', async () => {
    await using house = await House.start({ flows: [fill], tags: { 'plc/valve': false } })
    const { run } = await house.flows.calls.startFlow({ flow: 'fill', by })
    await house.settled()
    await house.flows.calls.steerRun({ run, act: 'cancel', by })
    await house.settled()
    const retry = () => house.flows.calls.steerRun({ run, act: 'retry', step: 'write-plc-valve', by })
    const said = await Promise.allSettled([retry(), retry()])
    await house.settled()
    expect(said).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'flow.not-now' } }])
    expect(house.writes).toEqual(['plc/valve true', 'plc/valve false', 'plc/valve true'])
  })
})
