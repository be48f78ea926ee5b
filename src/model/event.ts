import type { EpochMs } from '../base/clock.ts'
import { jsonValue } from './payload.ts'

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

/** The same with its data as text: made once for the disk, for clients and for upstreams, and carried from thread to thread at no more than the cost of its bytes. */
export interface WrittenEvent extends Omit<SiteEvent, 'uid' | 'data'> {
  readonly uid: string
  readonly data: string
}

export type AnyEvent = SiteEvent | WrittenEvent

/** Never throws: of data that is no JSON the reason is kept. */
export function eventDataText(data: unknown): string {
  try {
    return JSON.stringify(data) ?? '{}'
  } catch {
    return exactDataText(data)
  }
}

/** 64-bit integers as in every payload: beyond 2^53 as text. */
function exactDataText(data: unknown): string {
  try {
    return JSON.stringify(data, (_key, item: unknown) => (typeof item === 'bigint' ? jsonValue(item) : item))
  } catch (error) {
    return JSON.stringify({ unkept: error instanceof Error ? error.message : 'not JSON' })
  }
}
