import { randomUUID } from 'node:crypto'
import { Fault } from '../base/fault.ts'
import { type AnyEvent, eventDataText } from '../model/event.ts'
import type { InboxItem, JournalEvent } from '../model/journal.ts'
import type { OutgoingMessage, RunRecord } from './contract.ts'

/** What a call may bring, so that neither one row nor one call can fill the memory or hold up the commit of the others. */
export const callRowsMax = 20_000
const callBytesMax = 16 * 1024 ** 2
const rowBytesMax = 1024 ** 2
const nameBytesMax = 4_096
/** What a row costs beside its texts: ids, times, an index entry. */
const rowOverheadBytes = 64

/** An event as its row holds it. */
export interface EventRow {
  readonly uid: string
  readonly type: string
  readonly subject: string
  readonly timeMs: number
  readonly data: string
  readonly bytes: number
}

/** An item with its data as text. */
export type InboxRowText = Omit<InboxItem, 'event'> & {
  readonly event: Omit<JournalEvent, 'id' | 'data'> & { readonly data: string }
}

/** The same as it is read. */
export interface EventColumns {
  readonly id: number
  readonly uid: string | null
  readonly type: string
  readonly subject: string
  readonly time_ms: number
  readonly data: string
}

export interface Sized<Row> {
  readonly rows: readonly Row[]
  readonly bytes: number
}

export interface SizedRow<Row> {
  readonly row: Row
  readonly bytes: number
}

/**
 * An event that cannot be kept as it is, is kept without its data, which says why: that something happened must not be lost because of how it was told.
 */
export function eventRows(events: readonly AnyEvent[]): Sized<EventRow> {
  refuseTooMany(events.length)
  return withinCall(events.map(eventRow), (row) => row.bytes)
}

export function inboxRows(items: readonly InboxItem[]): Sized<InboxRowText & { readonly bytes: number }> {
  refuseTooMany(items.length)
  const rows = items.map(({ consumer, event }, place) => {
    const row = eventRow(event, place)
    return { consumer, event: { ...row, timeMs: event.timeMs }, bytes: row.bytes + nameBytes('consumer', consumer, place) }
  })
  return withinCall(rows, (row) => row.bytes)
}

function eventRow(event: AnyEvent, place: number): EventRow {
  const data = eventData(event)
  const uid = event.uid ?? randomUUID()
  const names = nameBytes('id', uid, place) + nameBytes('type', event.type, place) + nameBytes('subject', event.subject, place)
  const bytes = names + Buffer.byteLength(data) + rowOverheadBytes
  return { uid, type: event.type, subject: event.subject, timeMs: moment(event.timeMs, place), data, bytes }
}

function eventData({ data }: AnyEvent): string {
  const text = typeof data === 'string' ? data : eventDataText(data)
  return text.length > rowBytesMax ? JSON.stringify({ unkept: `${text.length} characters of data` }) : text
}

export function messageRows(messages: readonly OutgoingMessage[]): Sized<SizedRow<OutgoingMessage>> {
  refuseTooMany(messages.length)
  const rows = messages.map((row, place) => {
    if (row.kind !== 'sample' && row.kind !== 'message') throw invalid(place, `its kind is "${String(row.kind)}"`)
    if (row.stream !== undefined) oneOf(row.stream, ['events', 'state', 'trends'], place)
    const keyBytes = row.key === undefined ? 0 : nameBytes('key', row.key, place)
    const bytes =
      nameBytes('upstream', row.upstream, place) + nameBytes('subject', row.subject, place) + textBytes('body', row.body, place) + keyBytes
    return { row: { ...row, timeMs: moment(row.timeMs, place) } as OutgoingMessage, bytes: bytes + rowOverheadBytes }
  })
  return withinCall(rows, (row) => row.bytes)
}

export function runRows(records: readonly RunRecord[]): Sized<SizedRow<RunRecord>> {
  refuseTooMany(records.length)
  const rows = records.map((record, place) => {
    const row = { ...record, timeMs: moment(record.timeMs, place) } as RunRecord
    return { row, bytes: nameBytes('run', record.run, place) + runTextBytes(record, place) + rowOverheadBytes }
  })
  return withinCall(rows, (row) => row.bytes)
}

function runTextBytes(record: RunRecord, place: number): number {
  switch (record.kind) {
    case 'begun':
      return (
        nameBytes('flow', record.flow, place) + textBytes('definition', record.definition, place) + textBytes('input', record.input, place)
      )
    case 'intent':
    case 'decision':
      return nameBytes('step', record.step, place) + textBytes('data', record.data, place)
    case 'outcome':
      oneOf(record.status, ['done', 'failed', 'unknown', 'skipped', 'retrying'], place)
      return nameBytes('step', record.step, place) + textBytes('data', record.data, place)
    case 'ended':
      oneOf(record.state, ['completed', 'failed', 'cancelled', 'unsettled'], place)
      return textBytes('data', record.data, place)
    case 'settled':
    case 'reopened':
      return 0
    default:
      record satisfies never
      throw invalid(place, 'its kind is unknown')
  }
}

function nameBytes(field: string, text: unknown, place: number): number {
  const bytes = textBytes(field, text, place)
  if (bytes > nameBytesMax || bytes === 0) throw invalid(place, `its ${field} has ${bytes} bytes (1 to ${nameBytesMax} are allowed)`)
  return bytes
}

function textBytes(field: string, text: unknown, place: number): number {
  if (typeof text !== 'string') throw invalid(place, `its ${field} is no text`)
  const bytes = Buffer.byteLength(text)
  if (bytes > rowBytesMax) throw invalid(place, `its ${field} has ${bytes} bytes (at most ${rowBytesMax} are allowed)`)
  return bytes
}

function moment(ms: unknown, place: number): number {
  if (typeof ms !== 'number' || !Number.isFinite(ms) || Math.abs(ms) > Number.MAX_SAFE_INTEGER)
    throw invalid(place, `its time is ${String(ms)}`)
  return Math.round(ms)
}

function oneOf(value: string, allowed: readonly string[], place: number): void {
  if (!allowed.includes(value)) throw invalid(place, `"${value}" is none of ${allowed.join(', ')}`)
}

function withinCall<Row>(rows: readonly Row[], sizeOf: (row: Row) => number): Sized<Row> {
  const bytes = rows.reduce((sum, row) => sum + sizeOf(row), 0)
  if (bytes > callBytesMax) throw tooLarge(`${bytes} bytes`, `${callBytesMax} bytes`)
  return { rows, bytes }
}

function refuseTooMany(count: number): void {
  if (count > callRowsMax) throw tooLarge(`${count} rows`, `${callRowsMax} rows`)
}

function tooLarge(what: string, allowed: string): Fault {
  return new Fault('store.call-too-large', `One call brings ${what}; at most ${allowed} are taken at once.`, {
    remedy: 'Send it in smaller parts.',
  })
}

function invalid(place: number, why: string): Fault {
  return new Fault('store.row-invalid', `Row ${place + 1} of the call cannot be kept: ${why}.`, {
    remedy: 'Leave that row out: nothing of the call was kept.',
  })
}
