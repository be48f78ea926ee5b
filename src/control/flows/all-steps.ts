import type { FlowStep } from './definition.ts'

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
