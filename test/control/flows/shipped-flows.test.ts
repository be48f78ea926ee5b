import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { FlowDefinition, FlowStep } from '../../../src/control/flows/definition.ts'
import { runFlowTests } from '../../../src/runtime/flow-tests.ts'
import { loadFlowTests } from '../../../src/site/flow-tests.ts'
import { loadSite } from '../../../src/site/load.ts'

const { site } = await loadSite(fileURLToPath(new URL('../../..', import.meta.url)), { environment: {} })
if (site === undefined) throw new Error('the example site cannot run')
const { files, problems } = await loadFlowTests(site)

/** The names of the cases of a flow that fail where the flow is this one. */
async function failures(flow: FlowDefinition): Promise<readonly string[]> {
  const other = { ...site, flows: (site?.flows ?? []).map((one) => (one.flow === flow.flow ? flow : one)) } as NonNullable<typeof site>
  const failed: string[] = []
  for await (const { name, isPassed } of runFlowTests(other, files, { flow: flow.flow })) if (!isPassed) failed.push(name)
  return failed
}

/** A list without one of its steps, wherever that is below; who needed it needs what it needed. */
function without(steps: readonly FlowStep[], id: string): readonly FlowStep[] {
  const gone = steps.find((step) => step.id === id)
  return steps
    .filter((step) => step !== gone)
    .map((step) => {
      const needs = [...new Set(step.needs.flatMap((need) => (need === id ? (gone?.needs ?? []) : [need])))]
      const below = { ...step, needs, undo: without(step.undo, id) }
      const more = Array.isArray(step.onFailure) ? { onFailure: without(step.onFailure as readonly FlowStep[], id) } : {}
      switch (step.kind) {
        case 'switch':
          return { ...below, ...more, cases: step.cases.map((one) => ({ ...one, steps: without(one.steps, id) })) } as FlowStep
        case 'parallel':
          return { ...below, ...more, branches: step.branches.map((one) => ({ ...one, steps: without(one.steps, id) })) } as FlowStep
        case 'each':
          return { ...below, ...more, steps: without(step.steps, id) } as FlowStep
        default:
          return { ...below, ...more } as FlowStep
      }
    })
}

function idsIn(steps: readonly FlowStep[]): readonly string[] {
  return steps.flatMap((step) => [
    step.id,
    ...idsIn(step.undo),
    ...(Array.isArray(step.onFailure) ? idsIn(step.onFailure as readonly FlowStep[]) : []),
    ...(step.kind === 'switch' ? step.cases.flatMap((one) => idsIn(one.steps)) : []),
    ...(step.kind === 'parallel' ? step.branches.flatMap((one) => idsIn(one.steps)) : []),
    ...(step.kind === 'each' ? idsIn(step.steps) : []),
  ])
}

describe('the tests of the shipped flows', () => {
  it('are right, and there are some for each flow', () => {
    expect(problems).toEqual([])
    expect(files.map(({ tests }) => tests.flow)).toEqual(site.flows.map(({ flow }) => flow))
  })
})

describe.each(site.flows.map((flow) => [flow.flow, flow] as const))('the flow %s', (name, flow) => {
  it('passes its tests', async () => {
    expect(await failures(flow)).toEqual([])
  })

  it('fails them without any one of its steps, undo included', async () => {
    const survivors: string[] = []
    for (const id of idsIn(flow.steps)) {
      if ((await failures({ ...flow, steps: without(flow.steps, id) })).length === 0) survivors.push(id)
    }
    expect(survivors, `${name} passes without these`).toEqual([])
  })
})
