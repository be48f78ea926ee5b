import { randomUUID } from 'node:crypto'
import { isoTime } from '../../base/clock.ts'
import type { ExpressionScope } from '../../model/expression.ts'
import type { JournalEvent } from '../../model/journal.ts'
import { payloadValue, tagValueOf } from '../../model/json-value.ts'
import { jsonValue } from '../../model/payload.ts'
import type { Quality } from '../../model/quality.ts'
import type { Sample } from '../../model/sample.ts'
import { asTagId, type TagMeta, type TagValue } from '../../model/tag.ts'
import type { TagTable } from '../tag-table.ts'

/** What is routed: an event of the journal, or a change or a message in the form of one. */
export type RoutedEvent = Omit<JournalEvent, 'id'>

/** The type of a change of a tag, and of a message; neither is ever in the journal. */
export const tagChanged = 'tag.changed'
export const messageReceived = 'mqtt.message'

export function changeEvent(meta: TagMeta, sample: Sample): RoutedEvent {
  const { sourceMs: timeMs, quality } = sample
  const unit = meta.unit === undefined ? {} : { unit: meta.unit }
  const status = sample.status === undefined ? {} : { status: sample.status }
  const data = { value: jsonValue(sample.value), quality, ...status, ...unit, receivedMs: sample.receivedMs }
  return { uid: randomUUID(), type: tagChanged, subject: meta.id, timeMs, data }
}

/** A message as it came; a payload that is no text is kept as base64. */
export interface MessageData {
  readonly payload?: string
  readonly base64?: string
  /** Routes that it has passed already. */
  readonly hops?: number
}

export function payloadOf({ payload, base64 = '' }: MessageData): string | Uint8Array {
  return payload ?? new Uint8Array(Buffer.from(base64, 'base64'))
}

/** What its expressions see of an item. */
export function scopeOf(event: RoutedEvent, table: TagTable): ExpressionScope {
  const { type, subject } = event
  const tag = (name: string) => table.sampleOf(asTagId(name))
  const common = { id: event.uid, type, subject, time: isoTime(event.timeMs) }
  if (type === tagChanged) {
    const { value, quality } = event.data as { readonly value: never; readonly quality: Quality }
    const [device] = subject.split('/')
    const trigger = { ...common, tag: subject, device, ...event.data }
    return { tag, value: value === null ? null : tagValueOf(value, typeOf(subject, table)), quality, trigger }
  }
  if (type === messageReceived) {
    const payload = parsed(event.data)
    return { tag, ...valueIn(payload), trigger: { ...common, topic: subject, payload } }
  }
  return { tag, ...valueIn(event.data), trigger: { ...common, data: event.data } }
}

function typeOf(id: string, table: TagTable): TagMeta['type'] {
  const tag = table.find(asTagId(id))
  return tag === undefined ? undefined : table.metas[tag]?.type
}

function parsed(data: MessageData): unknown {
  const { payload } = data
  if (payload === undefined) return data.base64
  return payloadValue(payload)
}

/** A bare value, or that of `{"value":…}`. */
function valueIn(payload: unknown): Pick<ExpressionScope, 'value'> {
  const found = typeof payload === 'object' && payload !== null && 'value' in payload ? payload.value : payload
  return isValue(found) ? { value: found } : {}
}

function isValue(value: unknown): value is TagValue {
  return (
    ['boolean', 'number', 'bigint', 'string'].includes(typeof value) ||
    (Array.isArray(value) && value.every((item) => isValue(item) && !Array.isArray(item)))
  )
}

/** The payload of a change, as the embedded broker shows the tag. */
export function changePayload(event: RoutedEvent): string {
  const {
    value,
    quality,
    receivedMs: _,
    ...rest
  } = event.data as { readonly value: unknown; readonly quality: Quality; readonly receivedMs?: number }
  return JSON.stringify({ value, quality, time: isoTime(event.timeMs), ...rest })
}
