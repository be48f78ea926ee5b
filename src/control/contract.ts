import type { EpochMs } from '../base/clock.ts'
import type { PlainFault } from '../base/fault.ts'
import type { Packed } from '../base/packed.ts'
import type { Asker, Command, CommandBatch, CommandResult } from '../model/command.ts'
import type { DeviceStatus } from '../model/device.ts'
import type { SiteEvent } from '../model/event.ts'
import type { DeadLetterOrder } from '../model/journal.ts'
import type { PackedChanges } from '../model/packed-changes.ts'
import type { RefusedCommand } from '../model/refused-command.ts'
import type { RunState, runStates } from '../model/run-state.ts'
import type { ChangeBatch, Sample } from '../model/sample.ts'
import type { Role, TagId, TagIndex, TagMeta } from '../model/tag.ts'

/** What north may ask of control. */
export interface ControlCalls extends FlowCalls {
  /** The one command road; answered when the command has ended. */
  write(command: Command): CommandResult
  /** One result for each command, in order; answered when all have ended. */
  writeAll(batch: CommandBatch): readonly CommandResult[]
  /** Something happened at one of north's doors. Answered when it is journalled, or when that must not hold anybody up any longer. */
  record(event: SiteEvent): null
  /** Messages of the embedded broker that a route or a flow wants; answered when they, or the runs that begin with them, are on the disk. */
  messages(batch: Packed<TopicMessage>): null
  routes(ask: null): readonly RouteRow[]
  /** How many letters were sent on their way again, or away. */
  orderDeadLetters(order: DeadLetterOrder): number
}

/** What control tells north; an answer says that it was taken in, with all that was told before it, and is what control waits for before it sends more. */
export interface NorthCalls {
  /** Latest values: conflated while north is slow. The first batch after a start holds every tag. */
  changes(batch: PackedChanges): null
  devices(statuses: readonly DeviceStatus[]): null
  /** Never conflated, in order; answered when the broker has them. */
  publish(messages: readonly LocalMessage[]): null
  /** The same of much that is told, with QoS 1 and not retained. */
  publishTexts(texts: LocalTexts): null
}

/** A payload for each topic. Two lists of texts take a fraction of the time that as many objects take from thread to thread. */
export interface LocalTexts {
  readonly topics: readonly string[]
  readonly payloads: readonly string[]
}

/** Something to be published on the embedded broker. */
export interface LocalMessage {
  readonly topic: string
  readonly payload: string | Uint8Array
  readonly qos: 0 | 1
  readonly isRetained: boolean
  /** Routes that what it tells has passed. */
  readonly hops?: number
}

/** A message that was published on the embedded broker; its payload stands beside it. */
export interface TopicMessage {
  readonly topic: string
  readonly timeMs: number
  readonly hops: number
  /** Names this one message, however often it is delivered. */
  readonly uid?: string
  /** It was delivered before, and the answer was lost. */
  readonly isRepeated?: boolean
}

/** A route as the API shows it. */
export interface RouteRow {
  readonly route: string
  readonly from: string
  readonly to: string
  readonly breaker: 'closed' | 'open' | 'half-open'
  /** In memory; more may wait on the disk. */
  readonly waiting: number
  readonly counts: Readonly<Record<string, number>>
  readonly delivered?: string
  readonly lastFault?: PlainFault
}

/** The tags as north's parts see them: every tag of the site and its current sample. */
export interface LiveTags {
  /** By TagIndex. */
  readonly metas: readonly TagMeta[]
  find(id: TagId): TagIndex | undefined
  /** undefined until control has first told of it. */
  current(tag: TagIndex): Sample | undefined
  /** Each batch holds a tag at most once. Listeners are called in order and must not block. */
  onChanges(listener: (batch: ChangeBatch) => void): Disposable
}

/** The way down for north's parts. Never rejects: what goes wrong is in the result. */
export interface CommandRoad extends Refusing {
  write(command: Command): Promise<CommandResult>
}

interface Refusing {
  /** A door has said no to a wish, and the road will not hear of it: for the journal, which holds all refusals. */
  noteRefused(refused: RefusedCommand): void
}

/** The same for many at once. */
export interface BatchRoad extends Refusing {
  /** One result for each command, in order. */
  writeAll(batch: CommandBatch): Promise<readonly CommandResult[]>
}

/** What north may ask of the flows. All of it is journalled with who asked. */
export interface FlowCalls {
  flows(ask: null): readonly FlowRow[]
  /** Answered when the run will survive a power cut. A journal that takes nothing is waited for, but not by whoever asked: see `late`. */
  startFlow(ask: StartAsk): StartedRun
  /** Those that have not ended, oldest first; then those that have, newest first. */
  runs(ask: RunsQuery): readonly RunInfo[]
  run(ask: { readonly run: string }): RunDetail | null
  /** Answered when it is kept. */
  steerRun(ask: SteerAsk): RunInfo
  /** The main sequence of the site as it stands; null where it has none. */
  pipeline(ask: null): PipelineInfo | null
}

export interface StartedRun {
  readonly run: string
  /** The same event had begun it before, and nothing has begun now. */
  readonly isOld?: true
  /** `flow.not-kept-yet`: the run has not begun, and will. Whoever is told of it must not take it for a refusal, and start another one. */
  readonly late?: PlainFault
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
  /** In the place of an input: what happened before and is given to the flow once more. By this way it begins one run, however often it is asked. */
  readonly event?: PastEvent
  readonly by: Asker
}

export type PastEvent = SiteEvent & { readonly uid: string }

export interface RunsQuery {
  readonly flow?: string
  readonly state?: (typeof runStates)[number]
  readonly rowsMax: number
}

export interface RunInfo {
  readonly run: string
  /** It only decides, and does nothing. */
  readonly mode?: 'shadow'
  readonly flow: string
  /** unwinding: what it did is being undone. ending: it was cancelled, and leaves the plant as it stands. */
  readonly state: RunState | 'queued' | 'running' | 'paused' | 'asking' | 'unwinding' | 'ending'
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

export interface PipelineInfo {
  /** Of the run that goes on; `idle` where none does. */
  readonly state: RunInfo['state'] | 'idle'
  /** The run that goes on, or the last one. */
  readonly last?: RunInfo
  readonly flows: readonly PipelineFlow[]
}

export interface PipelineFlow {
  readonly step: string
  readonly flow: string
  readonly title?: string
  /** In that run: `waiting` has not begun, `ended` says how where it has not simply been done. */
  readonly state: 'waiting' | 'done' | 'failed' | 'unknown' | 'skipped' | RunInfo['state']
  /** Its run, while it goes on. */
  readonly run?: string
  readonly questions?: RunInfo['questions']
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
