import { describe, expect, it } from 'vitest'
import { House } from './house.ts'
import { chain, flowOf, write } from './life.ts'

const by = { road: 'api', name: 'anna', role: 'engineer' } as const
const lost = flowOf(chain(write('plc/lost', '${trigger.subject}', 'note')), {
  flow: 'lost',
  on: [
    { kind: 'event', event: 'device.*', where: "trigger.data.why != 'test'" },
    { kind: 'alarm', alarm: 'hot', state: 'raised' },
  ],
})
const event = (uid: string, type: string, subject: string, data = {}) => ({ uid, type, subject, timeMs: 1_000 as never, data })

async function startHouse() {
  const house = await House.start({ flows: [lost], tags: { 'plc/lost': '' } })
  const play = (told: ReturnType<typeof event>, asker: Parameters<typeof house.flows.calls.startFlow>[0]['by'] = by) =>
    house.flows.calls.startFlow({ flow: 'lost', event: told, by: asker })
  return { house, play }
}

describe('an event that is played to a flow once more', () => {
  it('begins a run as if it had just happened, and one however often it is played', async () => {
    const { house, play } = await startHouse()
    await using _house = house
    const first = await play(event('e1', 'device.lost', 'one', { why: 'cable' }))
    await house.settled()
    expect(await play(event('e1', 'device.lost', 'one', { why: 'cable' }))).toEqual({ ...first, isOld: true })
    await play(event('e2', 'alarm.raised', 'hot'))
    await house.settled()
    expect(await house.states('lost')).toEqual(['completed', 'failed']) // an alarm has no subject
    expect(house.writes).toEqual(['plc/lost one'])
    expect((await house.flows.calls.run(first))?.trigger).toMatchObject({ kind: 'event', subject: 'one', replayedBy: 'anna' })
  })

  it('is waited for as long as any other start where the disk takes nothing, and then begins one run, however often it was played', async () => {
    const { house, play } = await startHouse()
    await using _house = house
    const disk = Promise.withResolvers<void>()
    house.held = disk.promise
    const told = event('e1', 'device.lost', 'one', { why: 'cable' })
    const first = play(told)
    await house.settled()
    const second = play(told)
    await house.clock.advance(10_000)
    const late = { run: expect.any(String), late: { code: 'flow.not-kept-yet' } }
    expect(await Promise.all([first, second])).toMatchObject([late, late])
    expect(await house.states('lost')).toEqual([])
    disk.resolve()
    house.held = undefined
    await house.settled()
    expect(await play(told)).toEqual({ run: (await first).run, isOld: true })
    await house.settled()
    expect([await house.states('lost'), house.writes]).toEqual([['completed'], ['plc/lost one']])
  })

  it('begins none where the flow does not want it, or somebody plays it who may not', async () => {
    const { house, play } = await startHouse()
    await using _house = house
    const unwanted = { code: 'flow.event-unwanted', isRetryable: false }
    await expect(play(event('e1', 'command.done', 'one'))).rejects.toMatchObject(unwanted)
    await expect(play(event('e2', 'device.lost', 'one', { why: 'test' }))).rejects.toMatchObject(unwanted)
    await expect(play(event('e3', 'alarm.raised', 'cold'))).rejects.toMatchObject(unwanted)
    const operator = { ...by, role: 'operator' } as const
    await expect(play(event('e4', 'device.lost', 'one', { why: 'x' }), operator)).rejects.toMatchObject({ code: 'access.role' })
    expect(await house.states('lost')).toEqual([])
  })
})

describe('an event that a route brings once more', () => {
  it('is not called delivered before its run is on the disk: the route would forget it', async () => {
    const { house } = await startHouse()
    await using _house = house
    const disk = Promise.withResolvers<void>()
    house.held = disk.promise
    const bring = () =>
      house.flows.startRouted({ flow: 'lost', input: {}, cause: { route: 'r', event: event('e1', 'device.lost', 'one') } })
    const delivered: number[] = []
    const first = bring().then(() => delivered.push(1))
    await house.settled()
    const second = bring().then(() => delivered.push(2))
    await house.settled()
    expect(delivered).toEqual([])
    disk.resolve()
    await Promise.all([first, second])
    await house.settled()
    expect(await house.states('lost')).toHaveLength(1)
  })
})
