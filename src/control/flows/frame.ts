import type { CompiledStep, StepList } from './compiled.ts'
import type { ToldFailure } from './past.ts'

/** Where in a flow a run is: the same step is met anew in each round of an `each`, and in the undo of another. */
export interface Frame {
  /** `open~` in front of the undo steps of `open`. */
  readonly prefix: string
  /** `@2.0` in the first round of an each that stands in the third round of another. */
  readonly suffix: string
  /** What stands for the names of each: `item`, `index`. */
  readonly names: Readonly<Record<string, unknown>>
  /** What has ended so far, for `steps['id']`. */
  readonly steps: Record<string, StepEnd>
  /** Nothing begins any more once it is aborted. */
  readonly stop: AbortSignal
  /** Does the steps of a list: what stands below a step is done as the flow itself is. */
  readonly walk: (list: StepList, frame: Frame) => Promise<void>
}

export interface StepEnd {
  readonly status: 'done' | 'failed' | 'skipped'
  readonly failed: boolean
  readonly result?: unknown
  /** Where the flow goes on in spite of it: for those who look at why. */
  readonly failure?: ToldFailure
}

/** Most steps end so: what a thousand runs remember of a hundred steps each is one object, not as many as there are steps. */
const done: StepEnd = Object.freeze({ status: 'done', failed: false })
export const skippedEnd: StepEnd = Object.freeze({ status: 'skipped', failed: false })

export function doneEnd(result: unknown): StepEnd {
  return result === undefined ? done : { ...done, result }
}

/** Those that come after it may look at why. */
export function failedEnd(failure: ToldFailure): StepEnd {
  const { code, message } = failure
  return { status: 'failed', failed: true, result: { code, message }, failure }
}

export function rootFrame(stop: AbortSignal, walk: Frame['walk']): Frame {
  return { prefix: '', suffix: '', names: {}, steps: {}, stop, walk }
}

export function keyIn(frame: Frame, id: string): string {
  return `${frame.prefix}${id}${frame.suffix}`
}

export function roundOf(frame: Frame, round: { readonly as: string; readonly item: unknown; readonly index: number }): Frame {
  const { as, item, index } = round
  const suffix = frame.suffix === '' ? `@${index}` : `${frame.suffix}.${index}`
  return { ...frame, suffix, names: { ...frame.names, [as]: item, index }, steps: { ...frame.steps } }
}

export function undoFrame(frame: Frame, key: string, stop: AbortSignal): Frame {
  return { ...frame, prefix: `${key}~`, suffix: '', stop }
}

/** One step in one place of a run. */
export interface Spot {
  readonly compiled: CompiledStep
  readonly frame: Frame
  readonly key: string
}
