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
    expect(await play(event('e1', 'device.lost', 'one', { why: 'cable' }))).toEqual(first)
    await play(event('e2', 'alarm.raised', 'hot'))
    await house.settled()
    expect(await house.states('lost')).toEqual(['completed', 'failed']) // an alarm has no subject
    expect(house.writes).toEqual(['plc/lost one'])
    expect((await house.flows.calls.run(first))?.trigger).toMatchObject({ kind: 'event', subject: 'one', replayedBy: 'anna' })
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
