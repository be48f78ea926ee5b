import { describe, expect, it } from 'vitest'
import type { FlowStep } from '../../../src/control/flows/definition.ts'
import { eventDataText } from '../../../src/model/event.ts'
import { asTagId } from '../../../src/model/tag.ts'
import { House } from './house.ts'
import { chain, flowOf, Life, publish, World } from './life.ts'
import { provesDurable } from './prove.ts'

/** One more than a number can hold exactly, as the 64-bit counter of a PLC may stand. */
const large = 9_007_199_254_740_993n
const text = String(large)
const by = { road: 'api', name: 'anna', role: 'operator' } as const
const tags = { 'meter/total': large, 'meter/totals': [1n, large] }
const total = "${tags['meter/total']}"

const started = { flow: 'give', on: [{ kind: 'start', role: 'operator' }] } as const

/** How the only run of a flow has ended. */
async function endOf(house: House) {
  await house.settled()
  const [end] = await house.flows.calls.runs({ flow: 'give', rowsMax: 1 })
  return end
}

async function run(steps: readonly FlowStep[]) {
  const world = new World(tags)
  const end = await new Life({ flow: flowOf(steps), world }).end()
  return { end, world, effects: world.effects }
}

describe('a 64-bit counter that no number can hold', () => {
  it('is given back by a flow as text, and the control room lives on', async () => {
    const output = { total, all: "${tags['meter/totals']}" }
    await using house = await House.start({ flows: [flowOf(chain({ id: 'it', kind: 'end', output }), started)], tags })
    await house.flows.calls.startFlow({ flow: 'give', by })
    expect(await endOf(house)).toMatchObject({ state: 'completed', output: { total: text, all: [1, text] } })
  })

  it('is given to a flow by a route as text', async () => {
    const flow = flowOf(chain({ id: 'it', kind: 'end', output: '${input.total}' }), { ...started, input: { total: { type: 'any' } } })
    await using house = await House.start({ flows: [flow], tags })
    const event = { uid: 'e1', type: 'meter.read', subject: 'meter', timeMs: house.clock.now(), data: {} }
    await house.flows.startRouted({ flow: 'give', input: { total: large }, cause: { route: 'totals', event } })
    expect(await endOf(house)).toMatchObject({ state: 'completed', output: text })
  })

  it('that triggers a flow is compared and reckoned with in its run, also after a power cut', async () => {
    const steps = chain(
      { ...publish('told', '${trigger.value}', 'a'), when: `trigger.value > 5 && trigger.value == ${text} && value == ${text}` },
      publish('next', '${value + 1}', 'b'),
    )
    const flow = flowOf(steps, { flow: 'give', on: [{ kind: 'tag', tag: asTagId('meter/total'), when: 'value > 5' }] })
    await using house = await House.start({ flows: [flow], tags: { 'meter/total': 0n } })
    house.isDeaf = (name, ask) =>
      name === 'recordRuns' && JSON.stringify(ask, (_, one) => (typeof one === 'bigint' ? String(one) : one)).includes('"outcome"')
    house.set('meter/total', 1n)
    await house.settled()
    house.set('meter/total', large)
    await house.settled()
    expect([house.isDead, house.published]).toEqual([true, [`a/b/told "${text}"`]])
    house.isDeaf = undefined
    await house.begin()
    const end = await endOf(house)
    expect(end).toMatchObject({ state: 'completed' })
    expect(house.published.slice(-1)).toEqual([`a/b/next "${String(large + 1n)}"`])
    const started = house.events.find(({ type }) => type === 'flow.started')
    expect(JSON.parse(eventDataText(started?.data))).toMatchObject({ trigger: { value: text } })
    expect((await house.flows.calls.run({ run: end?.run ?? '' }))?.trigger).toMatchObject({ kind: 'tag', value: text })
  })

  it('is told in an event as text', async () => {
    const { world } = await run(chain({ id: 'it', kind: 'emit', event: 'meter.read', data: { total } }))
    const told = world.events.find(({ type }) => type === 'meter.read')
    expect(JSON.parse(JSON.stringify(told?.data))).toMatchObject({ total: text })
  })

  it('is gone through in a list, to the last digit, also after a power cut', async () => {
    const steps = chain({
      id: 'all',
      kind: 'each',
      in: "${tags['meter/totals']}",
      as: 'one',
      limit: 5,
      steps: chain(publish('one', '${one}', 'p')),
    })
    expect((await run(steps)).effects).toEqual(['publish one 1', `publish one "${text}"`])
    await provesDurable({ flow: flowOf(steps), tags })
  })
})
