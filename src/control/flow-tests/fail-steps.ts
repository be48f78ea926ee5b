import type { CompiledFlow, CompiledStep, StepList, Way } from '../flows/compiled.ts'
import type { Effect } from '../flows/effect.ts'
import { StepFailure } from '../flows/faults.ts'

/** The same flow, of which steps fail where the test says so: whatever a step does, it is not done then. */
export function failing(flow: CompiledFlow, mustFail: (step: string) => boolean): CompiledFlow {
  return { ...flow, steps: list(flow.steps, mustFail) }
}

function list(steps: StepList, mustFail: (step: string) => boolean): StepList {
  return { ...steps, steps: steps.steps.map((compiled) => one(compiled, mustFail)) }
}

function one(compiled: CompiledStep, mustFail: (step: string) => boolean): CompiledStep {
  const { effects, way, undo, onFailure } = compiled
  return {
    ...compiled,
    effects: effects.map((effect) => failingEffect(effect, mustFail)),
    way: way === undefined ? undefined : failingWay(way, mustFail),
    undo: list(undo, mustFail),
    onFailure: typeof onFailure === 'object' ? list(onFailure, mustFail) : onFailure,
  }
}

function failingEffect(effect: Effect, mustFail: (step: string) => boolean): Effect {
  return {
    ...effect,
    act: (what, place) => {
      if (!mustFail(place.step.id)) return effect.act(what, place)
      throw new StepFailure('failed', {
        code: 'test.failed',
        message: `The test lets ${place.step.id} fail.`,
        remedy: 'Look at `fail` in the test.',
        isRetryable: true,
      })
    },
  }
}

function failingWay(way: Way, mustFail: (step: string) => boolean): Way {
  switch (way.kind) {
    case 'switch':
      return {
        ...way,
        cases: way.cases.map((each) => ({ ...each, steps: list(each.steps, mustFail) })),
        otherwise: list(way.otherwise, mustFail),
      }
    case 'parallel':
      return { ...way, branches: way.branches.map((each) => ({ ...each, steps: list(each.steps, mustFail) })) }
    case 'each':
      return { ...way, steps: list(way.steps, mustFail) }
    default:
      way satisfies never
      return way
  }
}
