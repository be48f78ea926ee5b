import type { TagMeta } from '../../model/tag.ts'
import { allSteps } from '../flows/all-steps.ts'
import type { CompiledFlow } from '../flows/compiled.ts'
import type { FlowDefinition } from '../flows/definition.ts'
import type { FlowsData } from '../flows/ports.ts'
import type { FlowTestFile } from './definition.ts'

/** What all cases of a site have in common, made once. */
export interface BenchSite {
  readonly data: FlowsData
  readonly metas: readonly TagMeta[]
  readonly compiled: Map<FlowDefinition, CompiledFlow>
}

export function benchSite(data: FlowsData): BenchSite {
  return { data, metas: data.tags.map(inUnits), compiled: new Map() }
}

/** The flow under test, what it runs, and what is beside it. */
export function dataFor({ flow, beside }: Pick<FlowTestFile, 'flow' | 'beside'>, site: FlowsData): FlowsData {
  const wanted = new Set<string>()
  const want = (name: string): void => {
    const known = site.flows.find((one) => one.flow === name)
    if (known === undefined || wanted.has(name)) return
    wanted.add(name)
    for (const step of allSteps(known.steps)) if (step.kind === 'run') want(step.flow)
  }
  for (const name of [flow, ...beside]) want(name)
  const listening = new Set([flow, ...beside])
  const flows = site.flows.filter((one) => wanted.has(one.flow)).map((one) => (listening.has(one.flow) ? one : { ...one, on: [] }))
  return { ...site, flows }
}

/** Tests are written in engineering units: what a device makes of them on the wire is the driver's business. */
function inUnits({ scale, ...meta }: TagMeta): TagMeta {
  return scale === undefined ? meta : { ...meta, type: 'f64' }
}
