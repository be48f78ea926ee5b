import type { EpochMs } from '../base/clock.ts'
import type { PlainFault } from '../base/fault.ts'
import type { Asker } from '../model/command.ts'
import type { Role } from '../model/tag.ts'
import type { RunState } from '../store/contract.ts'

/** What north may ask of the flows. All of it is journalled with who asked. */
export interface FlowCalls {
  flows(ask: null): readonly FlowRow[]
  /** Answered when the run will survive a power cut. */
  startFlow(ask: StartAsk): { readonly run: string }
  /** Those that have not ended, oldest first; then those that have, newest first. */
  runs(ask: RunsQuery): readonly RunInfo[]
  run(ask: { readonly run: string }): RunDetail | null
  /** Answered when it is kept. */
  steerRun(ask: SteerAsk): RunInfo
}

export interface FlowRow {
  readonly flow: string
  readonly version: number
  readonly title?: string
  readonly priority: string
  readonly mode: 'live' | 'shadow'
  readonly running: number
  readonly waiting: number
  /** Since the daemon was started. */
  readonly ended: Readonly<Record<string, number>>
  readonly refused: number
  /** Who may start it; absent: nobody from outside. */
  readonly startRole?: Role
  readonly inputs: Readonly<Record<string, { readonly type: string; readonly default?: unknown; readonly title?: string }>>
}

export interface StartAsk {
  readonly flow: string
  readonly input?: unknown
  readonly by: Asker
}

export interface RunsQuery {
  readonly flow?: string
  readonly state?: RunState | 'open'
  readonly rowsMax: number
}

export interface RunInfo {
  readonly run: string
  readonly flow: string
  readonly state: RunState | 'queued' | 'running' | 'paused' | 'asking' | 'unwinding'
  readonly begunMs: EpochMs
  readonly endedMs?: EpochMs
  /** The step that failed, and why. */
  readonly step?: string
  readonly fault?: PlainFault
  /** Steps that could not be undone. */
  readonly left?: readonly string[]
  readonly output?: unknown
  readonly questions?: readonly { readonly step: string; readonly kind: string; readonly text: string; readonly role: Role }[]
}

export interface RunDetail extends RunInfo {
  readonly trigger: Readonly<Record<string, unknown>>
  readonly input: Readonly<Record<string, unknown>>
  readonly records: readonly { readonly step: string; readonly what: string; readonly timeMs: EpochMs; readonly data: unknown }[]
}

export interface SteerAsk {
  readonly run: string
  readonly act: SteerAct
  /** Of skip, retry, answer. */
  readonly step?: string
  /** Of cancel: whether the plant is left as it stands. Default: what was done is undone. */
  readonly isLeftAsItStands?: boolean
  /** Of answer. */
  readonly verdict?: 'done' | 'failed' | 'repeat' | 'approved' | 'rejected'
  readonly by: Asker
  readonly why?: string
}

/** settle: what an ended run left unsettled has been brought in order by hand. */
export type SteerAct = 'pause' | 'resume' | 'cancel' | 'skip' | 'retry' | 'answer' | 'settle'
