import type { PipelineFlow, PipelineInfo } from '../contract.ts'
import type { AllFlows } from './all-flows.ts'
import type { LiveRun } from './live-runs.ts'
import { Past } from './past.ts'
import { type PipelineStep, pipelineFlow } from './pipeline-step.ts'
import type { FlowsOptions } from './ports.ts'
import { infoOf, keptInfo } from './run-info.ts'

/** As it goes on, or how it went the last time. */
export async function pipelineInfo(flows: AllFlows, { data, store }: Pick<FlowsOptions, 'data' | 'store'>): Promise<PipelineInfo | null> {
  const { pipeline } = data
  if (pipeline === undefined) return null
  const live = liveInfo(flows, pipeline)
  if (live !== undefined) return live
  const [row] = await store.call('runs', { flow: pipelineFlow, rowsMax: 1 })
  const kept = row === undefined ? null : await store.call('run', { run: row.run })
  if (kept === null) return { state: 'idle', flows: pipeline.map((step) => standing(step, flows, { past: new Past([]) })) }
  const past = new Past(kept.records)
  const last = keptInfo(kept)
  return { state: 'idle', last, flows: pipeline.map((step) => standing(step, flows, { past, ended: last.state })) }
}

/** Of the run that goes on; undefined where none does. */
function liveInfo(flows: AllFlows, pipeline: readonly PipelineStep[]): PipelineInfo | undefined {
  const live = [...flows.runs.all].find(({ run }) => run.flow.name === pipelineFlow)
  if (live === undefined) return undefined
  const last = infoOf(live)
  return { state: last.state, last, flows: pipeline.map((step) => standing(step, flows, { past: live.run.past, live })) }
}

function standing(
  { step, flow }: PipelineStep,
  flows: AllFlows,
  { past, live, ended = 'running' }: { readonly past: Past; readonly live?: LiveRun; readonly ended?: PipelineFlow['state'] },
): PipelineFlow {
  const title = flows.byName.get(flow)?.compiled.definition.title
  const of = { step, flow, ...(title === undefined ? {} : { title }) }
  const part = past.part(step)
  if (part?.status !== undefined) return { ...of, state: part.status }
  if (past.isSkipped(step)) return { ...of, state: 'skipped' }
  if (part === undefined) return { ...of, state: 'waiting' }
  if (live === undefined) return { ...of, state: ended } // it was under way then, and ended with the pipeline
  const own = childOf(live, flow, flows)
  if (own === undefined) return { ...of, state: 'running' }
  const { state, run, questions } = infoOf(own)
  return { ...of, state, run, ...(questions === undefined ? {} : { questions }) }
}

function childOf({ run }: LiveRun, flow: string, flows: AllFlows): LiveRun | undefined {
  return [...flows.runs.all].find((other) => other.run.start.parent?.run === run.id && other.run.flow.name === flow)
}

/** `lineside/NODE/pipeline`, retained: what a panel shows at a glance. */
export function pipelineTopic(flows: AllFlows, { data }: Pick<FlowsOptions, 'data'>): ReadonlyMap<string, string> {
  const { pipeline, node } = data
  if (pipeline === undefined) return new Map()
  const info = liveInfo(flows, pipeline)
  const states = info?.flows.map(({ flow, state }) => ({ flow, state })) ?? pipeline.map(({ flow }) => ({ flow, state: 'waiting' }))
  const run = info?.last?.run
  return new Map([[`lineside/${node}/pipeline`, JSON.stringify({ state: info?.state ?? 'idle', run, flows: states })]])
}
