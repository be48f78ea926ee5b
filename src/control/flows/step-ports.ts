import type { Chance } from '../../base/chance.ts'
import type { Clock } from '../../base/clock.ts'
import type { Command, CommandResult } from '../../model/command.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { Sample } from '../../model/sample.ts'
import type { TagId, TagValue } from '../../model/tag.ts'
import type { CallOutcome, MethodCall } from '../../south/driver.ts'
import type { QueryAction } from './definition.ts'
import type { RunEnd } from './run-end.ts'

/** What a trigger and a step may look at: the current samples. */
export interface TagView {
  sampleOf(id: TagId): Sample | undefined
}

/** What steps do to the world. */
export interface StepPorts {
  readonly clock: Clock
  readonly chance: Chance
  readonly tags: TagView
  /** Calls back when one of these tags has changed. */
  watch(tags: readonly string[], look: () => void): Disposable
  write(command: Command): Promise<CommandResult>
  /** What the command road knows of how this very command ended, in an earlier life as well; undefined where it knows nothing. */
  outcomeOf(command: Command): Promise<CommandResult | undefined>
  /** Whether the tag reads this value now; undefined when its device cannot be heard for a while. */
  readsNow(tag: TagId, value: TagValue): Promise<boolean | undefined>
  /** Asked of the devices, in engineering units. Rejects where one does not answer; undefined where a value is not good. */
  readFresh(tags: readonly TagId[], stop: AbortSignal): Promise<readonly (TagValue | undefined)[]>
  /** Resolves when the message is kept for every upstream that wants it, and the broker has it. */
  publish(message: FlowMessage): Promise<void>
  record(event: SiteEvent): void
  call(device: string, call: MethodCall, stop: AbortSignal): Promise<CallOutcome>
  request(ask: ServiceRequest, stop: AbortSignal): Promise<ServiceAnswer>
  query(ask: Omit<QueryAction, 'kind'>, stop: AbortSignal): Promise<Readonly<Record<string, unknown>>>
  /** Begins that run, or takes hold of the one with this id, and resolves with its end; with `isAwaited` false as soon as its beginning is kept. */
  runFlow(ask: ChildRun, stop: AbortSignal): Promise<RunEnd | undefined>
  /** Devices with a capability, in the order of the site. */
  devicesWith(capability: string): readonly DeviceChoice[]
  /** What a pick by turns took in earlier lives, the latest last. Absent: nothing. */
  takenBefore?(flow: string, step: string): readonly string[]
}

export interface FlowMessage {
  readonly topic: string
  readonly payload: string
  readonly isRetained: boolean
  /** The same however often this message is sent. */
  readonly key: string
}

export interface ServiceRequest {
  readonly service: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** The statuses that count as done. */
  readonly expect: readonly number[]
}

export interface ServiceAnswer {
  readonly status: number
  /** Parsed where it is JSON. */
  readonly body: unknown
}

export interface ChildRun {
  readonly id: string
  readonly flow: string
  readonly input: Readonly<Record<string, unknown>>
  readonly isAwaited: boolean
  readonly parent: { readonly run: string; readonly depth: number; readonly holder: string }
}

export interface DeviceChoice {
  readonly device: string
  readonly isHealthy: boolean
  /** Runs and commands that are at it now. */
  readonly load: number
}
