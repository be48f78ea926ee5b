import type { PlainFault } from '../../base/fault.ts'
import type { RunState } from '../../model/run-state.ts'

export interface RunEnd {
  readonly state: Exclude<RunState, 'settled'>
  /** The step that failed first. */
  readonly step?: string
  readonly fault?: PlainFault
  readonly output?: unknown
  /** Steps that could not be undone, or of which nobody knows whether they were done. */
  readonly left?: readonly string[]
}
