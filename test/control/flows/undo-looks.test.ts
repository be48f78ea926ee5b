import { describe, expect, it } from 'vitest'
import type { FlowStep } from '../../../src/control/flows/definition.ts'
import { chain, flowOf, Life, publish, step, World, write } from './life.ts'

const tags = { 'plc/valve': false, 'plc/speed': 10 }
const log = (id: string) => ({ id, kind: 'log', level: 'info', text: id }) as const

/** Steps of each kind that leads to others, and of each end that is not simply done. */
const before = [
  {
    id: 'which',
    kind: 'switch',
    cases: [{ name: 'slow', when: "tags['plc/speed'] < 20", steps: chain(log('in-case')) }],
    otherwise: [],
  },
  { id: 'rounds', kind: 'each', in: [1, 2, 3], as: 'n', limit: 5, steps: chain(log('in-round')) },
  {
    id: 'both',
    kind: 'parallel',
    branches: [
      { name: 'a', steps: chain(log('in-a')) },
      { name: 'b', steps: chain(log('in-b')) },
    ],
    join: 'all',
  },
  { id: 'tried', kind: 'fail', text: 'not this time', onFailure: 'continue' },
  { ...write('plc/speed', 5), id: 'guarded', when: "tags['plc/nowhere'] == 1", onFailure: 'continue' },
  { ...log('left-out'), when: "tags['plc/speed'] > 20" },
] as const

/** A step that is undone by telling what its undo sees. */
function told(expression: string): FlowStep {
  const undo = [step({ ...publish('seen', `\${${expression}}`), id: 'tell' })]
  return step({ ...write('plc/valve', true), id: 'open', needs: ['left-out'], undo })
}

function flowThatFails(expression: string) {
  const fails = step({ id: 'no', kind: 'fail', text: 'no', needs: ['open'] })
  return flowOf([...chain(...before), told(expression), fails])
}

describe('an undo', () => {
  it.each([
    ["steps['which'].result.case", 'slow'],
    ["steps['rounds'].result.count", '3'],
    ["steps['both'].result.done[1]", 'b'],
    ["steps['tried'].failed", 'true'],
    ["steps['tried'].failure.code + ' at ' + steps['tried'].failure.step", 'flow.failed at tried'],
    ["steps['left-out'].status", 'skipped'],
    ["steps['open'].status", 'done'],
  ])('may look at %s of what came before its step', async (expression, seen) => {
    const flow = flowThatFails(expression)
    const world = new World(tags)
    const life = new Life({ flow, world })
    expect([await life.end(), world.effects.at(-1)]).toMatchObject([{ state: 'failed', step: 'no' }, `publish seen ${seen}`])
  })

  it('sees the same after a power cut', async () => {
    const seen = "steps['which'].result.case + string(steps['rounds'].result.count) + steps['tried'].failure.code"
    const flow = flowThatFails(`${seen} + steps['guarded'].failure.code + string(steps['guarded'].failure.attempts)`)
    const world = new World(tags)
    const first = new Life({ flow, world, cut: { at: 'effect', place: 1, when: 'before' } })
    expect(await first.end()).toBe('dead')
    await new Life({ flow, world, past: first.kept, startMs: first.clock.now() }).end()
    expect(world.effects.at(-1)).toBe('publish seen slow3flow.failedflow.unknown-value1')
  })
})
