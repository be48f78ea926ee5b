import { StatusCodes } from 'node-opcua-client'
import type { Quality } from '../../model/quality.ts'

/** Only the code; the lower half holds flags (overflow, limits, semantics changed) that come and go without the value being better or worse. */
const codeMask = 0xffff_0000

export const badNoData = 0x809b_0000
export const badNodeIdUnknown = 0x8034_0000
export const badNotSupported = 0x803d_0000
export const badNoMatch = 0x806f_0000
export const badDecodingError = 0x8007_0000
export const badEncodingLimits = 0x8008_0000
export const badTooManyMonitoredItems = 0x80db_0000
export const badTimeout = 0x800a_0000

export function statusOf(value: number): number {
  return (value & codeMask) >>> 0
}

/** The two highest bits are the severity (OPC 10000-4, 7.39). */
export function qualityOf(status: number): Quality {
  const severity = status >>> 30
  if (severity === 0) return 'good'
  return severity === 1 ? 'uncertain' : 'bad'
}

let names: ReadonlyMap<number, string> | undefined

/** `BadNodeIdUnknown (0x80340000)`. */
export function statusName(status: number): string {
  names ??= new Map(Object.entries(StatusCodes).map(([name, code]) => [code.value, name]))
  const hex = `0x${status.toString(16).padStart(8, '0')}`
  const name = names.get(status)
  return name === undefined ? hex : `${name} (${hex})`
}
