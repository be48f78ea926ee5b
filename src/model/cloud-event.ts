import { isoTime } from '../base/clock.ts'
import type { SiteEvent } from './event.ts'

/** An event as CloudEvents 1.0 in JSON (structured mode), whole before it is made text. `id` is unique together with the node. */
export function cloudEvent(event: SiteEvent, by: { readonly node: string; readonly id: string }): Readonly<Record<string, unknown>> {
  return {
    specversion: '1.0',
    id: by.id,
    source: `urn:lineside:${by.node}`,
    type: event.type,
    subject: event.subject,
    time: isoTime(event.timeMs),
    datacontenttype: 'application/json',
    data: event.data,
  }
}
