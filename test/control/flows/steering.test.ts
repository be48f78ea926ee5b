import { describe, expect, it } from 'vitest'
import { House } from './house.ts'
import { chain, flowOf, write } from './life.ts'

const by = { road: 'api', name: 'anna', role: 'engineer' } as const

/** A run whose write was under way when the power failed, and which asks now whether it was done. */
async function startInDoubt() {
  const steps = chain({ ...write('plc/valve', true, 'open'), inDoubt: 'ask' }, write('plc/pump', true, 'run'))
  const house = await House.start({
    flows: [flowOf(steps, { flow: 'fill', on: [{ kind: 'start', role: 'operator' }] })],
    tags: { 'plc/valve': false, 'plc/pump': false },
  })
  house.isDeaf = (_call, ask) => JSON.stringify(ask).includes('"status":"done"')
  const { run } = await house.flows.calls.startFlow({ flow: 'fill', by })
  await house.settled()
  house.isDeaf = undefined
  await house.begin()
  await house.settled()
  const say = (act: 'answer' | 'skip', step: string, verdict?: 'done' | 'failed') =>
    house.flows.calls.steerRun({ run, act, step, by, ...(verdict === undefined ? {} : { verdict }) })
  return { house, run, say }
}

describe('a run that asks whether a write was done', () => {
  it('takes the answer at the name of the step', async () => {
    const { house, run, say } = await startInDoubt()
    await using _house = house
    expect((await house.flows.calls.run({ run }))?.questions).toMatchObject([{ step: 'open/0' }])
    await expect(say('answer', 'run', 'done')).rejects.toMatchObject({ code: 'flow.not-now' })
    await say('answer', 'open', 'done')
    await house.settled()
    expect([await house.states('fill'), house.writes]).toEqual([['completed'], ['plc/valve true', 'plc/pump true']])
  })

  it('takes the first answer, and tells the second that it comes too late', async () => {
    const { house, say } = await startInDoubt()
    await using _house = house
    const first = say('answer', 'open', 'failed')
    await expect(say('answer', 'open/0', 'done')).rejects.toMatchObject({ code: 'flow.not-now' })
    await first
    await house.settled()
    expect(await house.states('fill')).toEqual(['unsettled'])
  })

  it('raises an alarm where it is left unsettled, which is cleared once somebody has settled it', async () => {
    const { house, run, say } = await startInDoubt()
    await using _house = house
    const told = () => house.events.flatMap(({ type, subject }) => (/alarm|settled/.test(type) ? [`${type} ${subject}`] : []))
    await say('answer', 'open', 'failed')
    await house.settled()
    const left = ['flow.unsettled fill', 'alarm.raised unsettled/fill']
    expect(told()).toEqual(left)
    await house.flows.calls.steerRun({ run, act: 'settle', by, why: 'closed by hand' })
    expect([await house.states('fill'), told()]).toEqual([['settled'], [...left, 'flow.settled fill', 'alarm.cleared unsettled/fill']])
  })

  it('raises one alarm with others of its flow, which stays until the last of them is settled or tried again', async () => {
    const { house, run, say } = await startInDoubt()
    await using _house = house
    await say('answer', 'open', 'failed')
    await house.settled()
    house.isDeaf = (_call, ask) => JSON.stringify(ask).includes('"status":"done"')
    const { run: other } = await house.flows.calls.startFlow({ flow: 'fill', by })
    await house.settled()
    house.isDeaf = undefined
    await house.begin()
    await house.settled()
    await house.flows.calls.steerRun({ run: other, act: 'answer', step: 'open', verdict: 'failed', by })
    await house.settled()
    const cleared = () => house.events.filter(({ type }) => type === 'alarm.cleared').length
    await house.flows.calls.steerRun({ run: other, act: 'settle', by })
    expect(cleared()).toBe(0)
    await house.flows.calls.steerRun({ run, act: 'retry', step: 'open', by })
    await house.settled()
    expect([await house.states('fill'), cleared()]).toEqual([['completed', 'settled'], 1])
  })

  it('goes on where an engineer skips the step', async () => {
    const { house, say } = await startInDoubt()
    await using _house = house
    await say('skip', 'open')
    await house.settled()
    expect([await house.states('fill'), house.writes]).toEqual([['completed'], ['plc/valve true', 'plc/pump true']])
  })
})

describe('a disk that takes nothing', () => {
  it('keeps nobody waiting who starts a flow or says something to a run, and what was asked is done once, when it takes again', async () => {
    const started = [{ kind: 'start', role: 'operator' }] as const
    const fill = flowOf(chain(write('plc/valve', true), { id: 'rest', kind: 'wait', forMs: 3_600_000 }), { flow: 'fill', on: started })
    const drain = flowOf(chain(write('plc/pump', true)), { flow: 'drain', on: started })
    await using house = await House.start({ flows: [fill, drain], tags: { 'plc/valve': false, 'plc/pump': false } })
    const { run: first } = await house.flows.calls.startFlow({ flow: 'fill', by })
    await house.settled()
    const disk = Promise.withResolvers<void>()
    house.held = disk.promise
    const answers = Promise.allSettled([
      house.flows.calls.startFlow({ flow: 'drain', by }),
      house.flows.calls.steerRun({ run: first, act: 'pause', by }),
    ])
    await house.clock.advance(10_000)
    const late = { code: 'flow.not-kept-yet' }
    const [asked] = await house.flows.calls.runs({ flow: 'drain', rowsMax: 10 })
    expect(await answers).toMatchObject([{ value: { run: asked?.run, late } }, { reason: late }])
    expect(house.writes).toEqual(['plc/valve true'])
    disk.resolve()
    house.held = undefined
    await house.settled()
    expect(house.writes).toEqual(['plc/valve true', 'plc/pump true'])
    expect(await house.states('drain')).toEqual(['completed'])
    expect(await house.flows.calls.runs({ state: 'open', rowsMax: 10 })).toMatchObject([{ run: first, state: 'paused' }])
  })
})
