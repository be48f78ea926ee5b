import type { FlowStep } from '../control/flows/config.ts'
import type { FlowPart } from './loaded.ts'
import { valueAt } from './schema-problems.ts'
import type { Path, SourceFile } from './source.ts'

/** One step of a flow, however deep, and where it stands. */
export interface StepAt {
  readonly step: FlowStep
  readonly path: Path
  /** All in its list, itself included. */
  readonly siblings: readonly StepAt[]
  /** The steps it is inside of, outermost first. */
  readonly around: readonly StepAt[]
  /** What `each` around it call their items, and `index`. */
  readonly names: readonly string[]
  readonly isUndo: boolean
  /** The step in whose place it is done, where that has failed. */
  readonly insteadOf?: StepAt
}

interface Inside {
  readonly around: readonly StepAt[]
  readonly names: readonly string[]
  readonly isUndo: boolean
  readonly insteadOf?: StepAt
}

/** Every step of a flow, each before those inside it. */
export function stepsOf(flow: FlowPart, source: SourceFile): readonly StepAt[] {
  const steps = flow.steps.flatMap((step, place) => (step === undefined ? [] : [{ step, path: ['steps', place] }]))
  return listed(steps, { around: [], names: [], isUndo: false }, source)
}

function listed(steps: readonly { readonly step: FlowStep; readonly path: Path }[], inside: Inside, source: SourceFile): readonly StepAt[] {
  const siblings: StepAt[] = []
  for (const { step, path } of steps) siblings.push({ step, path, siblings, ...inside })
  return siblings.flatMap((at) => [at, ...below(at, source)])
}

function below(at: StepAt, source: SourceFile): readonly StepAt[] {
  const { step, path } = at
  const { names, isUndo, insteadOf } = at
  const inside: Inside = { around: [...at.around, at], names, isUndo, ...(insteadOf === undefined ? {} : { insteadOf }) }
  const list = (steps: readonly FlowStep[], where: Path, other: Partial<Inside> = {}): readonly StepAt[] =>
    listed(
      steps.map((inner, place) => ({ step: inner, path: [...path, ...where, place] })),
      { ...inside, ...other },
      source,
    )
  const undo = Array.isArray(valueAt(source.value, [...path, 'undo']))
    ? list(step.undo, ['undo'], { isUndo: true })
    : listed(
        step.undo.map((inner) => ({ step: inner, path: [...path, 'undo'] })),
        { ...inside, isUndo: true },
        source,
      )
  const onFailure = Array.isArray(step.onFailure) ? list(step.onFailure as readonly FlowStep[], ['on-failure'], { insteadOf: at }) : []
  switch (step.kind) {
    case 'switch':
      return [
        ...step.cases.flatMap((one, place) => list(one.steps, ['switch', place, 'steps'])),
        ...list(step.otherwise, ['else']),
        ...onFailure,
        ...undo,
      ]
    case 'parallel':
      return [...step.branches.flatMap(({ name, steps }) => list(steps, ['parallel', name])), ...onFailure, ...undo]
    case 'each':
      return [...list(step.steps, ['each', 'steps'], { names: [...new Set([...at.names, step.as, 'index'])] }), ...onFailure, ...undo]
    default:
      return [...onFailure, ...undo]
  }
}

/** Siblings that certainly come after a step, for they need it, or what needs it. */
export function comesAfter({ step, siblings }: StepAt): ReadonlySet<string> {
  return reached(step.id, (ids) =>
    siblings.filter(({ step: other }) => other.needs.some((id) => ids.has(id))).map((other) => other.step.id),
  )
}

/** Siblings that a step needs, and what those need. */
export function comesBefore({ step, siblings }: StepAt): ReadonlySet<string> {
  return reached(step.id, (ids) => siblings.filter((other) => ids.has(other.step.id)).flatMap((other) => other.step.needs))
}

function reached(start: string, next: (ids: ReadonlySet<string>) => readonly string[]): ReadonlySet<string> {
  const ids = new Set([start])
  for (let size = 0; size < ids.size; ) {
    size = ids.size
    for (const id of next(ids)) ids.add(id)
  }
  ids.delete(start)
  return ids
}
