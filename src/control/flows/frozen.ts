import type { TagValue } from '../../model/tag.ts'
import { tooLarge } from './faults.ts'

/** What of one intent or outcome is kept, and of what a run gives back. */
export const textCharsMax = 64 * 1024

/** Of the step of this key. Throws its failure where that is more than may be kept. */
export function boundedText(value: unknown, key: string): string {
  const text = freeze(value)
  if (text.length > textCharsMax) throw tooLarge(key, textCharsMax)
  return text
}

/** JSON has no 64-bit integers and no bytes; what was meant must come back from the journal as it was, also what a service sends that looks like our marks. */
export function freeze(value: unknown): string {
  return (
    JSON.stringify(value, (_key, item: unknown) => {
      if (typeof item === 'bigint') return { bigint: item.toString() }
      if (typeof item !== 'object' || item === null) return item
      if (item instanceof Uint8Array) return { bytes: Buffer.from(item).toString('base64') }
      return isLikeMark(item) ? { plain: Object.entries(item) } : item
    }) ?? 'null'
  )
}

function isLikeMark(item: object): boolean {
  return ('bigint' in item || 'bytes' in item || 'plain' in item) && Object.keys(item).length === 1
}

const mark = /"(bigint|bytes|plain)"/

export function revive(text: string): unknown {
  return mark.test(text) ? JSON.parse(text, (_key, item: unknown) => exact(item)) : JSON.parse(text)
}

function exact(item: unknown): unknown {
  if (typeof item !== 'object' || item === null || Object.keys(item).length !== 1) return item
  if ('bigint' in item && typeof item.bigint === 'string' && /^-?\d{1,40}$/.test(item.bigint)) return BigInt(item.bigint)
  if ('bytes' in item && typeof item.bytes === 'string') return new Uint8Array(Buffer.from(item.bytes, 'base64'))
  return 'plain' in item && isPair(item.plain) ? Object.fromEntries(item.plain) : item
}

/** Journals of before may hold anything under that name. */
function isPair(plain: unknown): plain is readonly [readonly [string, unknown]] {
  return Array.isArray(plain) && plain.length === 1 && Array.isArray(plain[0]) && plain[0].length === 2 && typeof plain[0][0] === 'string'
}

/** A value that a tag can hold, where a template gave one. */
export function isTagValue(value: unknown): value is TagValue {
  if (Array.isArray(value)) return value.every((item) => !Array.isArray(item) && isTagValue(item))
  return ['boolean', 'number', 'bigint', 'string'].includes(typeof value) || value instanceof Uint8Array
}
