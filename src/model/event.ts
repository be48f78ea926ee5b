import type { EpochMs } from '../base/clock.ts'

/** Something that happened, before it is dressed as a CloudEvent. `type` is dotted: `device.lost`, `command.refused`, `flow.completed`. */
export interface SiteEvent {
  /** Of its CloudEvent. Absent: the journal gives it one. */
  readonly uid?: string
  readonly type: string
  /** What it happened to: a device, a tag, a run. */
  readonly subject: string
  readonly timeMs: EpochMs
  /** JSON-safe. */
  readonly data: Readonly<Record<string, unknown>>
}
