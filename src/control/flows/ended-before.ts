import { type CompiledStep, partKeys, type StepList } from './compiled.ts'
import { doneEnd, type Frame, failedEnd, keyIn, roundOf, type StepEnd, skippedEnd } from './frame.ts'
import { type Part, toldFailure } from './past.ts'
import type { Run } from './run.ts'

/**
 * How the steps of a list have ended, as the journal has it, into the frame in which they are undone: an undo may look at whatever came before its
 * step, in this life or a later one. Tells whether all of them have ended.
 */
export function remember(run: Run, list: StepList, frame: Frame): boolean {
  let areEnded = true
  for (const compiled of list.steps) {
    const key = keyIn(frame, compiled.step.id)
    const end = frame.steps[compiled.step.id] ?? endBefore(run, { compiled, frame, key })
    if (end !== undefined) frame.steps[compiled.step.id] = end
    const isOver = end !== undefined && (!end.failed || typeof compiled.onFailure !== 'object' || remember(run, compiled.onFailure, frame))
    areEnded &&= isOver
  }
  return areEnded
}

interface Place {
  readonly compiled: CompiledStep
  readonly frame: Frame
  readonly key: string
}

function endBefore(run: Run, place: Place): StepEnd | undefined {
  const { compiled, key } = place
  const { past } = run
  if (past.part(key)?.status === 'skipped') return skippedEnd
  if (compiled.onFailure !== undefined) {
    const part = past.failedPart(key)
    const failure = past.failure(key) ?? (part === undefined ? undefined : toldFailure(key, part))
    if (failure !== undefined) return failedEnd(failure)
  }
  if (compiled.way !== undefined) return wayEnd(run, place, compiled.way)
  const parts = partsOf(run, place)
  return parts.every((part) => part?.status === 'done') ? doneEnd(parts.at(-1)?.result) : undefined
}

function partsOf(run: Run, { compiled, key }: Place): readonly (Part | undefined)[] {
  return partKeys(compiled, key).map((part) => run.past.part(part))
}

/** Which way was taken is known from its beginning on, and with a parallel at its end. */
function wayEnd(run: Run, { frame, key }: Place, way: NonNullable<CompiledStep['way']>): StepEnd | undefined {
  const known = run.past.way(key)
  if (known === undefined) return undefined
  switch (way.kind) {
    case 'parallel':
      return doneEnd({ done: known })
    case 'switch': {
      const steps = way.cases.find(({ name }) => name === known)?.steps ?? way.otherwise
      return remember(run, steps, frame) ? doneEnd({ case: known }) : undefined
    }
    case 'each': {
      const items = known as readonly unknown[]
      const areOver = items.every((item, index) => remember(run, way.steps, roundOf(frame, { as: way.as, item, index })))
      return areOver ? doneEnd({ count: items.length }) : undefined
    }
    default:
      way satisfies never
      return undefined
  }
}
