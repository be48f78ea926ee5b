import { parseIsoTime } from '../base/clock.ts'
import { badReason } from '../model/bad-reason.ts'
import { shortest32 } from '../model/shortest.ts'

/** A tag as the API shows it, as far as the command line looks at it. */
export interface TagRow {
  readonly tag: string
  readonly value: unknown
  readonly quality: string
  readonly status?: number
  readonly time?: string
  readonly unit?: string
  readonly type?: string
  readonly length?: number
}

/** A device as the API shows it. */
export interface DeviceRow {
  readonly device: string
  readonly state: string
  readonly lastFault?: { readonly code: string; readonly message: string }
  readonly learnt?: readonly string[]
}

export function tagRowsIn(data: unknown): readonly TagRow[] {
  return rowsIn(data).filter((row): row is TagRow & object => 'tag' in row && 'quality' in row)
}

export function deviceRowsIn(data: unknown): readonly DeviceRow[] {
  return rowsIn(data).filter((row): row is DeviceRow & object => 'device' in row && 'state' in row)
}

function rowsIn(data: unknown): readonly object[] {
  const items = typeof data === 'object' && data !== null && 'items' in data ? data.items : data
  return Array.isArray(items) ? items.filter((item) => typeof item === 'object' && item !== null) : []
}

const shownMax = 60

/** A value for people: all its digits, none that an f32 never had, and nothing that could steer the terminal. */
export function shownValue(value: unknown, type?: string): string {
  if (value === null || value === undefined) return '–'
  if (typeof value === 'number') return String(shownNumber(value, type))
  const items = (values: readonly unknown[]) => values.slice(0, shownMax).map((item) => shownValue(item, type))
  const text = Array.isArray(value) ? `[${items(value).join(', ')}]` : String(value)
  const plain = text.replaceAll(/\p{Cc}/gu, '�')
  return plain.length > shownMax ? `${plain.slice(0, shownMax - 1)}…` : plain
}

/** 15 digits are what a double has of any number that was written down; what it shows beyond them is noise, as of 0.1 + 0.2. */
const digitsMax = 15
/** An f32 of a tag whose type only its device knows: a number of more digits that is one to the last bit is hardly anything else. */
const digitsOfChanceMax = 12

function shownNumber(value: number, type: string | undefined): number {
  if (Number.isInteger(value)) return value
  const isUntyped32 = type === undefined && Math.fround(value) === value && Number(value.toPrecision(digitsOfChanceMax)) !== value
  return type === 'f32' || isUntyped32 ? shortest32(Math.fround(value)) : Number(value.toPrecision(digitsMax))
}

/** Why the value is not good; empty where it is. */
export function whyNotGood({ tag, quality, status }: TagRow, devices: ReadonlyMap<string, DeviceRow>): string {
  if (quality === 'good') return ''
  const device = devices.get(tag.split('/')[0] ?? '')
  const fault = device === undefined || device.state === 'online' ? undefined : device.lastFault
  const said = status === undefined ? undefined : (badReason(status) ?? `status 0x${status.toString(16).padStart(8, '0')}`)
  // What is stale is so for its device; what is bad or uncertain, because of what the device says of this very tag.
  if (quality !== 'stale' && said !== undefined && status !== notReadYet) return said
  return fault === undefined ? (said ?? 'its device was not heard for longer than it should be') : `${fault.message} (${fault.code})`
}

/** A tag that was never read says only that; its device says why. */
const notReadYet = 0x8032_0000

/** `12 s`, `3 min`, `5 h`: since when the value stands as it is. */
export function shownAge(time: string | undefined, nowMs: number): string {
  const from = time === undefined ? Number.NaN : (parseIsoTime(time) ?? Number.NaN)
  if (Number.isNaN(from)) return '–'
  const seconds = Math.max(0, (nowMs - from) / 1_000)
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 120) return `${Math.floor(seconds)} s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`
}

/** Columns side by side, two spaces between; a last column that is empty leaves nothing behind. */
export function tableText(rows: readonly (readonly string[])[], widthMax?: number): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows
    .map((row) => {
      const line = row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ')
      return `${line.trimEnd().slice(0, widthMax)}\n`
    })
    .join('')
}
