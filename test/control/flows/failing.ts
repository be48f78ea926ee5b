import type { CompiledFlow, CompiledStep, StepList, Way } from '../../../src/control/flows/compiled.ts'
import type { StepPlace } from '../../../src/control/flows/effect.ts'
import { failed } from '../../../src/control/flows/faults.ts'

/** Whether the effect in this place of a run fails, before it has done anything. */
export type Failing = (place: Pick<StepPlace, 'key' | 'isUndo' | 'attempt'>) => boolean

/** The same flow with effects that fail. */
export function failing(flow: CompiledFlow, isFailing: Failing): CompiledFlow {
  return { ...flow, steps: listWith(flow.steps, isFailing) }
}

function listWith(list: StepList, isFailing: Failing): StepList {
  return { ...list, steps: list.steps.map((step) => stepWith(step, isFailing)) }
}

function stepWith(compiled: CompiledStep, isFailing: Failing): CompiledStep {
  const { effects, way, undo, onFailure } = compiled
  return {
    ...compiled,
    effects: effects.map((effect) => ({
      ...effect,
      act: (what, place) => {
        if (!isFailing(place)) return effect.act(what, place)
        throw failed(place.isUndo ? 'device.no' : 'flow.no', 'It was told to fail.', 'Look at the test.')
      },
    })),
    way: way === undefined ? undefined : wayWith(way, isFailing),
    undo: listWith(undo, isFailing),
    onFailure: typeof onFailure === 'object' ? listWith(onFailure, isFailing) : onFailure,
  }
}

function wayWith(way: Way, isFailing: Failing): Way {
  switch (way.kind) {
    case 'switch':
      return {
        ...way,
        cases: way.cases.map((one) => ({ ...one, steps: listWith(one.steps, isFailing) })),
        otherwise: listWith(way.otherwise, isFailing),
      }
    case 'parallel':
      return { ...way, branches: way.branches.map((branch) => ({ ...branch, steps: listWith(branch.steps, isFailing) })) }
    case 'each':
      return { ...way, steps: listWith(way.steps, isFailing) }
    default:
      way satisfies never
      return way
  }
}
