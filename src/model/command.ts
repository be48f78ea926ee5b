import type { EpochMs } from '../base/clock.ts'
import type { Role, TagId, TagValue } from './tag.ts'

/** Who asks, as the access list knows them. */
export interface Asker {
  /** `mqtt`, `opcua`, `api`, `flow`, `upstream`. */
  readonly road: string
  /** User, client id or flow run. */
  readonly name: string
  readonly role: Role
}

/** A wish to write one tag. However it was asked, it takes the one command road. */
export interface Command {
  /** Chosen by the asker. The same one asking for the same again within minutes gets the first answer, and nothing is written twice. */
  readonly id: string
  readonly tag: TagId
  /** In engineering units. */
  readonly value: TagValue
  readonly by: Asker
  /** After this moment it must not be carried out. */
  readonly expiresMs?: EpochMs
}

/** Commands that are asked for at once. What goes to one device goes to it in one call. */
export interface CommandBatch {
  readonly commands: readonly Command[]
  /** Where a rule refuses one of them, none is written. It is no transaction: what a device has taken is not taken back. */
  readonly isTogether: boolean
}

/**
 * done: written, and the read-back agrees where one was asked for. refused: a rule said no, nothing was sent. failed: the device said no, or the
 * read-back shows another value. unknown: it was sent and nobody can say whether it arrived; it is never repeated on its own.
 */
export type CommandStatus = 'done' | 'refused' | 'failed' | 'unknown'

export interface CommandResult {
  readonly id: string
  readonly status: CommandStatus
  /** Of the rule or fault, where status is not done. */
  readonly code?: string
  readonly message?: string
  readonly remedy?: string
  /** What the tag reads now, where it was read back. */
  readonly value?: TagValue
  /** Of a failure before which nothing was sent: the same wish may be asked for again under its id. Absent where the device may have heard of it. */
  readonly sent?: false
  readonly tookMs: number
}
