import { isoTime } from '../base/clock.ts'
import type { SiteEvent, WrittenEvent } from './event.ts'

/**
 * An event as CloudEvents 1.0 in JSON (structured mode), whole before it is made text. Its `source` is the path of the site as a relative
 * reference; `type` has no prefix of a domain, for it is the last part of its topic too.
 */
export function cloudEvent(event: SiteEvent & { readonly uid: string }, by: { readonly site: string }): Readonly<Record<string, unknown>> {
  return { ...envelope(event, by), data: event.data }
}

/** The same as text, of an event whose data is text already. */
export function cloudEventText(event: WrittenEvent, by: { readonly site: string }): string {
  const { uid, type, subject, timeMs, data } = event
  const names = `"id":${JSON.stringify(uid)},"source":${sourceText(by.site)},"type":${JSON.stringify(type)},"subject":${JSON.stringify(subject)}`
  return `{"specversion":"1.0",${names},"time":"${isoTime(timeMs)}","datacontenttype":"application/json","data":${data}}`
}

function envelope({ uid, type, subject, timeMs }: Omit<WrittenEvent, 'data'>, { site }: { readonly site: string }) {
  return { specversion: '1.0', id: uid, source: encodeURI(site), type, subject, time: isoTime(timeMs), datacontenttype: 'application/json' }
}

// A gateway has one site, and an event is told of hundreds of times a second.
let lastSite: string | undefined
let lastSource = ''

function sourceText(site: string): string {
  if (site !== lastSite) {
    lastSource = JSON.stringify(encodeURI(site))
    lastSite = site
  }
  return lastSource
}
