import { type CompiledStep, partKeys, type StepList, type Way } from './compiled.ts'
import { remember } from './ended-before.ts'
import { StepFailure } from './faults.ts'
import { type Frame, keyIn, roundOf, undoFrame } from './frame.ts'
import type { Run } from './run.ts'

/** A step that has done something to the world, or may have. */
export interface Undo {
  readonly compiled: CompiledStep
  readonly frame: Frame
  readonly key: string
  /** Its place in the order in which steps were done. */
  readonly order: number
  /** Nobody knows whether it was done, and it matters. */
  readonly isInDoubt: boolean
}

/** Everything that the journal says was done below a list, wherever it stands. Looks only. */
export function undoable(run: Run, list: StepList, frame: Frame): readonly Undo[] {
  remember(run, list, frame)
  return list.steps.flatMap((compiled) => {
    const key = keyIn(frame, compiled.step.id)
    const below = [
      ...(compiled.way === undefined ? [] : belowWay(run, compiled.way, { key, frame })),
      ...(typeof compiled.onFailure === 'object' ? undoable(run, compiled.onFailure, frame) : []),
    ]
    const own = ownUndo(run, { compiled, frame, key }, below)
    return own === undefined ? below : [...below, own]
  })
}

function belowWay(run: Run, way: Way, { key, frame }: { readonly key: string; readonly frame: Frame }): readonly Undo[] {
  switch (way.kind) {
    case 'switch':
      return [...way.cases.map(({ steps }) => steps), way.otherwise].flatMap((steps) => undoable(run, steps, frame))
    case 'parallel':
      return way.branches.flatMap(({ steps }) => undoable(run, steps, frame))
    case 'each': {
      const items = (run.past.way(key) ?? []) as readonly unknown[]
      return items.flatMap((item, index) => undoable(run, way.steps, roundOf(frame, { as: way.as, item, index })))
    }
    default:
      way satisfies never
      return []
  }
}

function ownUndo(run: Run, at: Omit<Undo, 'order' | 'isInDoubt'>, below: readonly Undo[]): Undo | undefined {
  const { compiled, key } = at
  const parts = partKeys(compiled, key).flatMap((part) => run.past.part(part) ?? [])
  const touched = parts.filter((part) => part.status === 'done' || (part.isInDoubt && isFirm(compiled)))
  if (compiled.way !== undefined && below.length > 0 && compiled.undo.steps.length > 0) {
    return { ...at, order: Math.max(...below.map(({ order }) => order)), isInDoubt: false }
  }
  if (touched.length === 0) return undefined
  const isInDoubt = touched.some((part) => part.isInDoubt) && matters.has(compiled.step.kind)
  return { ...at, order: Math.max(...touched.map(({ order }) => order)), isInDoubt }
}

function isFirm({ effects }: CompiledStep): boolean {
  return effects.some(({ intent }) => intent === 'firm')
}

/** A message more or less does no harm; a valve does. */
const matters: ReadonlySet<string> = new Set(['write', 'call', 'request'])

/** Undoes what was done last first. What cannot be undone is left, told of, and does not keep the rest from being undone. */
export async function undoAll(run: Run, undos: readonly Undo[]): Promise<void> {
  for (const { compiled, frame, key, isInDoubt } of undos.toSorted((one, other) => other.order - one.order)) {
    const { undo } = compiled
    if (undo.steps.length === 0) {
      if (isInDoubt) run.leave(key)
      continue
    }
    try {
      await frame.walk(undo, undoFrame(frame, key, run.life))
      run.tell('step.undone', key)
    } catch (error) {
      if (!(error instanceof StepFailure)) throw error
      run.leave(key)
      run.tell('step.undo-failed', key, { fault: error.fault })
    }
  }
}
