import { describe, expect, it, vi } from 'vitest'
import { House } from './house.ts'
import { chain, flowOf, undoable } from './life.ts'

const by = { road: 'api', name: 'anna', role: 'operator' } as const
const tags = { 'plc/valve': false, 'plc/pump': false }
const started = [{ kind: 'start', role: 'operator' }] as const
const rest = { id: 'rest', kind: 'wait', forMs: 600_000 } as const
const fill = flowOf(chain(undoable('plc/valve', true, false), rest), { flow: 'fill', on: started })
const wait = { id: 'fill', kind: 'run', flow: 'fill', input: {}, isAwaited: true } as const
const line = flowOf(chain(undoable('plc/pump', true, false), wait), { flow: 'line', on: started })

async function startHouse(flow: string) {
  const house = await House.start({ flows: [fill, line], tags })
  const { run } = await house.flows.calls.startFlow({ flow, by })
  await house.settled()
  const cancel = (isLeftAsItStands: boolean) => house.flows.calls.steerRun({ run, act: 'cancel', by, why: 'jam', isLeftAsItStands })
  return { house, run, cancel }
}

/** How all runs of a flow have ended, once they have. */
async function ended(house: House, flow: string): Promise<readonly (string | undefined)[]> {
  return await vi.waitFor(async () => {
    await house.settled()
    const states = await house.states(flow)
    expect(states).not.toContain(undefined)
    return states
  })
}

describe('a run that is cancelled and leaves the plant as it stands', () => {
  it('is not said to unwind, for nothing is undone', async () => {
    const { house, run, cancel } = await startHouse('fill')
    await using _house = house
    const disk = Promise.withResolvers<void>()
    house.held = disk.promise
    const answer = cancel(true)
    await house.clock.advance(100)
    expect(await house.flows.calls.runs({ state: 'open', rowsMax: 10 })).toMatchObject([{ run, state: 'ending' }])
    disk.resolve()
    expect(['ending', 'cancelled']).toContain((await answer).state)
    expect([await ended(house, 'fill'), house.writes]).toEqual([['cancelled'], ['plc/valve true']])
  })

  it('leaves it so in the runs that it waits for, too', async () => {
    const { house, cancel } = await startHouse('line')
    await using _house = house
    await cancel(true)
    expect([await ended(house, 'line'), await ended(house, 'fill')]).toEqual([['cancelled'], ['cancelled']])
    expect(house.writes).toEqual(['plc/pump true', 'plc/valve true'])
  })

  it('leaves it so in those where the power fails before they have heard of it', async () => {
    const { house, run } = await startHouse('line')
    await using _house = house
    house.powerFails()
    const data = JSON.stringify({ order: 'cancel', cause: { state: 'cancelled', isUndone: false }, by: 'anna' })
    await house.store.recordRuns({ records: [{ kind: 'decision', run, step: '*', timeMs: house.clock.now(), data }] })
    await house.begin()
    expect([await ended(house, 'line'), await ended(house, 'fill')]).toEqual([['cancelled'], ['cancelled']])
    expect(house.writes).toEqual(['plc/pump true', 'plc/valve true'])
  })
})

describe('a run that was paused when the power failed, and is cancelled then', () => {
  it.each([
    [true, []],
    [false, ['plc/valve false', 'plc/pump false']],
  ])('ends the run that it waits for as well, left as it stands: %s', async (isLeft, undone) => {
    const { house, run, cancel } = await startHouse('line')
    await using _house = house
    await house.flows.calls.steerRun({ run, act: 'pause', by })
    house.powerFails()
    await house.begin()
    await house.settled()
    await cancel(isLeft)
    expect([await ended(house, 'line'), await ended(house, 'fill')]).toEqual([['cancelled'], ['cancelled']])
    expect(house.writes).toEqual(['plc/pump true', 'plc/valve true', ...undone])
  })
})

describe('a run that is cancelled', () => {
  it('takes no order to the contrary once it goes back', async () => {
    const { house, cancel } = await startHouse('fill')
    await using _house = house
    const disk = Promise.withResolvers<void>()
    house.held = disk.promise
    const first = cancel(false)
    await expect(cancel(true)).rejects.toMatchObject({ code: 'flow.not-now', message: expect.stringContaining('is being undone') })
    disk.resolve()
    await first
    expect([await ended(house, 'fill'), house.writes]).toEqual([['cancelled'], ['plc/valve true', 'plc/valve false']])
  })

  it('before its turn has come, is cancelled at once, and the journal says by whom and why', async () => {
    const { house } = await startHouse('fill')
    await using _house = house
    const { calls } = house.flows
    const { run } = await calls.startFlow({ flow: 'fill', by })
    expect(await calls.steerRun({ run, act: 'cancel', by, why: 'too many' })).toMatchObject({ run, state: 'cancelled' })
    expect(await calls.run({ run })).toMatchObject({
      state: 'cancelled',
      records: [{ what: 'decision', data: { order: 'cancel', by: 'anna (api)', why: 'too many' } }],
    })
  })
  it('before its turn has come, says in the journal which run above it was cancelled', async () => {
    const { house } = await startHouse('fill')
    await using _house = house
    const { calls } = house.flows
    const { run } = await calls.startFlow({ flow: 'line', by })
    await house.settled()
    const child = (await calls.runs({ flow: 'fill', rowsMax: 2 })).find(({ state }) => state === 'queued')
    await calls.steerRun({ run, act: 'cancel', by })
    expect(await ended(house, 'line')).toEqual(['cancelled'])
    expect(await calls.run({ run: child?.run ?? '' })).toMatchObject({
      state: 'cancelled',
      records: [{ what: 'decision', data: { order: 'cancel', by: `run ${run}` } }],
    })
  })

  it('for a newer one before its turn has come, says so in the journal', async () => {
    const newest = { ...fill, concurrency: { limit: 1, overflow: 'replace', queueMax: 1 } } as const
    await using house = await House.start({ flows: [newest], tags })
    const { calls } = house.flows
    const runs: string[] = []
    for (let at = 0; at < 3; at += 1) runs.push((await calls.startFlow({ flow: 'fill', by })).run)
    await house.settled()
    expect(await calls.run({ run: runs[1] ?? '' })).toMatchObject({
      state: 'cancelled',
      records: [{ what: 'decision', data: { order: 'cancel', by: 'a newer start', why: 'overflow: replace' } }],
    })
  })
})
