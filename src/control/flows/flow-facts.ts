import type { CompiledFlow } from './compiled.ts'
import type { FlowDefinition, FlowStep } from './definition.ts'
import type { RunStart } from './kept.ts'

/** Which runs share the limit of a flow. A `per` that is unknown makes a group of its own: nothing that should be kept apart runs side by side. */
export function groupOf({ name, per }: CompiledFlow, { trigger, input }: RunStart): string {
  if (per === undefined) return name
  const value = per.evaluateAny({ tag: () => undefined, trigger, input })
  return `${name} ${value === undefined ? 'unknown' : JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item))}`
}

/** All tags that a flow may write, as far as they can be told beforehand. */
export function writtenTags({ steps }: Pick<FlowDefinition, 'steps'>): readonly string[] {
  const written = allSteps(steps).flatMap((step) => (step.kind === 'write' ? step.writes.map(({ tag }) => tag) : []))
  return [...new Set(written.filter((tag) => !tag.includes('${')))]
}

/** The steps of a list and all that stand below them. */
export function allSteps(steps: readonly FlowStep[]): readonly FlowStep[] {
  return steps.flatMap((step) => [
    step,
    ...allSteps(step.undo),
    ...(typeof step.onFailure === 'object' ? allSteps(step.onFailure) : []),
    ...allSteps(below(step)),
  ])
}

function below(step: FlowStep): readonly FlowStep[] {
  switch (step.kind) {
    case 'switch':
      return [...step.cases.flatMap(({ steps }) => steps), ...step.otherwise]
    case 'parallel':
      return step.branches.flatMap(({ steps }) => steps)
    case 'each':
      return step.steps
    default:
      return []
  }
}
