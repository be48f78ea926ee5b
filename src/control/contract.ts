import type { Command, CommandBatch, CommandResult } from '../model/command.ts'
import type { DeviceStatus } from '../model/device.ts'
import type { SiteEvent } from '../model/event.ts'
import type { PackedChanges } from '../model/packed-changes.ts'
import type { ChangeBatch, Sample } from '../model/sample.ts'
import type { TagId, TagIndex, TagMeta } from '../model/tag.ts'
import type { FlowCalls } from './flow-contract.ts'

/** What north may ask of control. */
export interface ControlCalls extends FlowCalls {
  /** The one command road; answered when the command has ended. */
  write(command: Command): CommandResult
  /** One result for each command, in order; answered when all have ended. */
  writeAll(batch: CommandBatch): readonly CommandResult[]
  /** Something happened at one of north's doors. Answered when it is journalled, or when that must not hold anybody up any longer. */
  record(event: SiteEvent): null
  /** A message on the embedded broker that flows listen to. */
  message(message: { readonly topic: string; readonly payload: string }): null
}

/** What control tells north; an answer says that it was taken in, with all that was told before it, and is what control waits for before it sends more. */
export interface NorthCalls {
  /** Latest values: conflated while north is slow. The first batch after a start holds every tag. */
  changes(batch: PackedChanges): null
  devices(statuses: readonly DeviceStatus[]): null
  /** Never conflated, in order; answered when the broker has them. */
  publish(messages: readonly LocalMessage[]): null
}

/** Something to be published on the embedded broker. */
export interface LocalMessage {
  readonly topic: string
  readonly payload: string
  readonly qos: 0 | 1
  readonly isRetained: boolean
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
export interface CommandRoad {
  write(command: Command): Promise<CommandResult>
}

/** The same for many at once. */
export interface BatchRoad {
  /** One result for each command, in order. */
  writeAll(batch: CommandBatch): Promise<readonly CommandResult[]>
}
