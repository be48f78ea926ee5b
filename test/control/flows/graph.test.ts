import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FlowStep } from '../../../src/control/flows/definition.ts'
import { type Cut, flowOf, Life, step, undoable, World } from './life.ts'

/** A graph of writes, each with its undo; step n may need any of those before it. */
const graph = fc.array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: 1, maxLength: 12 }).map((needs): readonly FlowStep[] =>
  needs.map((wanted, place) => {
    const before = place === 0 ? [] : [...new Set(wanted.map((each) => `s${each % place}`))]
    return step({ ...undoable(`line/t${place}`, true, false), id: `s${place}`, needs: before })
  }),
)
const cuts = fc.record({
  at: fc.constantFrom('journal', 'effect') as fc.Arbitrary<Cut['at']>,
  place: fc.nat(20),
  when: fc.constantFrom('before', 'after') as fc.Arbitrary<Cut['when']>,
})

function plant(steps: readonly FlowStep[]): World {
  return new World(Object.fromEntries(steps.map((_, place) => [`line/t${place}`, false])))
}

function written(world: World, value: boolean): readonly string[] {
  return world.effects.flatMap((effect) => (effect.endsWith(` ${value}`) ? (effect.split(/[/ ]/)[2]?.replace('t', 's') ?? []) : []))
}

describe('any graph of steps', () => {
  it('is done whole, each step once and after all that it needs, and two power cuts change nothing of that', async () => {
    const property = fc.asyncProperty(graph, cuts, cuts, async (steps, one, other) => {
      const flow = flowOf(steps)
      const world = plant(steps)
      let past: Life['kept'] = []
      for (const cut of [one, other, undefined]) {
        const life = new Life({ flow, world, past, ...(cut === undefined ? {} : { cut }) })
        const end = await life.end()
        past = life.kept
        if (end !== 'dead') break
      }
      const end = past.at(-1)
      const order = written(world, true)
      expect(new Set(order).size).toBe(order.length)
      for (const { id, needs } of steps) {
        const at = order.indexOf(id)
        if (at >= 0) for (const need of needs) expect(order.slice(0, at)).toContain(need)
      }
      expect(end).toMatchObject({ kind: 'ended', state: expect.stringMatching(/completed|failed/) })
      const isDone = end?.kind === 'ended' && end.state === 'completed'
      expect([...world.tags.values()].every(({ value }) => value === isDone)).toBe(true)
    })
    await fc.assert(property, { numRuns: 150 })
  })

  it('leaves the plant as it was, whichever step fails', async () => {
    const property = fc.asyncProperty(graph, fc.nat(), async (steps, chosen) => {
      const world = plant(steps)
      const failing = `write line/t${chosen % steps.length} true`
      const life = new Life({ flow: flowOf(steps), world, fail: (effect) => (effect === failing ? 'failed' : undefined) })
      expect(await life.end()).toMatchObject({ state: 'failed', step: `s${chosen % steps.length}` })
      expect(written(world, false)).toEqual(written(world, true).toReversed())
    })
    await fc.assert(property, { numRuns: 100 })
  })
})
