import { checkFlowCalls } from './check-flow-calls.ts'
import { checkGraph } from './check-flow-graph.ts'
import { checkFlowLoops } from './check-flow-loops.ts'
import { checkSteps } from './check-flow-steps.ts'
import { checkTriggers } from './check-flow-triggers.ts'
import { type FlowContext, surroundingsOf } from './flow-context.ts'
import { stepsOf } from './flow-steps.ts'
import type { LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'

/** Flows can be run: what they name is there, what they compute has a value, and what they do can be done, undone and repeated. */
export function checkFlows(parts: LoadedParts, problems: ProblemList): void {
  const steps = new Map(parts.flows.map(({ part, source }) => [part, stepsOf(part, source)]))
  const site = surroundingsOf(parts, steps)
  const contexts = parts.flows.map(({ part, source }): FlowContext => {
    return { source, flow: part, steps: steps.get(part) ?? [], parts, site, problems }
  })
  for (const context of contexts) {
    checkTriggers(context)
    checkGraph(context)
    checkSteps(context)
  }
  checkFlowCalls(contexts)
  checkFlowLoops(contexts, parts)
}
