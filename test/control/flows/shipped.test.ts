import { describe, expect, it } from 'vitest'
import { loadSite } from '../../../src/site/load.ts'
import { Life, World } from './life.ts'
import { type Proof, provesDurable, provesDurableUnwinding, provesEachStepUnwinds, provesRepeatable, provesUnknownWrites } from './prove.ts'
import { line, react, shipped, undo } from './shipped-line.ts'

const { site } = await loadSite(new URL('../../..', import.meta.url).pathname, { environment: {} })
const flows = new Map(site?.flows.map((flow) => [flow.flow, flow]))

const writesNothing = new Set(['shift-report'])

describe.each(Object.entries(shipped))('the shipped flow %s', (name, { proof: world, ...steps }) => {
  const flow = flows.get(name)
  if (flow === undefined) throw new Error(`there is no flow ${name}`)
  const proof: Proof = { ...world, react, flow }

  it('ends the same when every step is done twice', () => provesRepeatable(proof))

  it('loses and repeats nothing, when the power fails before, during or after any step', async () => {
    expect(await provesDurable(proof)).toBeGreaterThan(5)
  })

  it('unwinds when any of its steps fails, though each undo fails once', async () => {
    expect((await provesEachStepUnwinds(proof, steps)).length).toBeGreaterThan(1)
  })

  it('takes back a write of which nobody knows whether it was done, or leaves it to a person', async () => {
    expect(await provesUnknownWrites(proof, steps)).toBeGreaterThan(writesNothing.has(name) ? -1 : 0)
  })

  it('goes on unwinding, wherever the power fails meanwhile', async () => {
    expect(await provesDurableUnwinding(proof, steps)).toBeGreaterThan(1)
  })
})

it('a change-over that a person refuses takes back what was done', async () => {
  const { proof, undoes } = shipped['change-over'] ?? { proof: {}, undoes: undo({}) }
  const flow = flows.get('change-over')
  if (flow === undefined) throw new Error('there is no such flow')
  for (const answer of ['rejected', undefined] as const) {
    const world = new World(line, react)
    const { answer: _, ...silent } = proof
    const life = new Life({ ...silent, flow, world, ...(answer === undefined ? {} : { answer }) })
    expect(await life.end()).toMatchObject({ state: 'failed', step: 'refused' })
    expect(world.effects).toEqual(['write infeed-1/hold true', undoes('write infeed-1/hold true')])
  }
})

it('no shipped flow is without its proof', () => {
  expect(Object.keys(shipped)).toEqual([...flows.keys()].toSorted())
})
