import { pipelineFlow, pipelineSchema, pipelineSteps } from '../control/flows/pipeline-config.ts'
import { parseFlow } from './flow-files.ts'
import type { FlowPart, From } from './loaded.ts'
import type { ProblemList } from './problems.ts'
import { valueAt } from './schema-problems.ts'
import type { Path, SourceFile } from './source.ts'

/** The main sequence of a site as the flow that it is, whose problems stand in lineside.yaml; undefined where there is none, or something is wrong with it. */
export function pipelinePart(site: SourceFile | undefined, problems: ProblemList): From<FlowPart> | undefined {
  const parsed = pipelineSchema.safeParse(valueAt(site?.value, ['pipeline']))
  if (site === undefined || !parsed.success) return undefined
  const { title, start, input, flows } = parsed.data
  const steps = pipelineSteps(parsed.data).map(({ step, flow }, place) => ({ id: step, run: { flow, input: flows[place]?.input ?? {} } }))
  const value = {
    flow: pipelineFlow,
    ...(title === undefined ? {} : { title }),
    on: [{ start }],
    input,
    concurrency: { limit: 1, overflow: 'drop', queue: 0 },
    steps,
  }
  const source: SourceFile = {
    file: site.file,
    value,
    note: 'in the pipeline',
    place: (spot) => site.place({ ...spot, path: placeIn(spot.path) }),
  }
  return { source, part: parseFlow(source, problems) }
}

/** Where it stands in lineside.yaml. */
function placeIn([first, place, , what, ...rest]: Path): Path {
  if (first === 'input') return ['pipeline', 'input']
  if (first !== 'steps' || place === undefined) return ['pipeline']
  if (what === 'input') return ['pipeline', 'flows', place, 'input', ...rest]
  return what === 'flow' ? ['pipeline', 'flows', place, 'flow'] : ['pipeline', 'flows', place]
}
