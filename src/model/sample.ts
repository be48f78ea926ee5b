import type { EpochMs } from '../base/clock.ts'
import type { Quality } from './quality.ts'
import type { TagIndex, TagValue } from './tag.ts'

/** The current state of one tag. */
export interface Sample {
  /** null before the first value, and while the device gives none. */
  readonly value: TagValue | null
  readonly quality: Quality
  /** OPC UA status code, where there is one. */
  readonly status?: number
  /** When the source took it. */
  readonly sourceMs: EpochMs
  /** When we received it, by our own clock. */
  readonly receivedMs: EpochMs
}

export interface Change {
  readonly tag: TagIndex
  readonly sample: Sample
}

/** Changes of one moment, at most one a tag, oldest first. */
export type ChangeBatch = readonly Change[]
