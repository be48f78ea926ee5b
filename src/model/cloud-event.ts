import { isoTime } from '../base/clock.ts'
import type { SiteEvent } from './event.ts'

/**
 * An event as CloudEvents 1.0 in JSON (structured mode), whole before it is made text. Its `source` is the path of the site as a relative
 * reference; `type` has no prefix of a domain, for it is the last part of its topic too.
 */
export function cloudEvent(event: SiteEvent & { readonly uid: string }, by: { readonly site: string }): Readonly<Record<string, unknown>> {
  return {
    specversion: '1.0',
    id: event.uid,
    source: encodeURI(by.site),
    type: event.type,
    subject: event.subject,
    time: isoTime(event.timeMs),
    datacontenttype: 'application/json',
    data: event.data,
  }
}
