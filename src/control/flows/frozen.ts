import type { TagValue } from '../../model/tag.ts'

/** JSON has no 64-bit integers and no bytes; what was meant must come back from the journal as it was. */
export function freeze(value: unknown): string {
  return (
    JSON.stringify(value, (_key, item: unknown) => {
      if (typeof item === 'bigint') return { bigint: item.toString() }
      return item instanceof Uint8Array ? { bytes: Buffer.from(item).toString('base64') } : item
    }) ?? 'null'
  )
}

export function revive(text: string): unknown {
  return text.includes('"bigint"') || text.includes('"bytes"') ? JSON.parse(text, (_key, item: unknown) => exact(item)) : JSON.parse(text)
}

function exact(item: unknown): unknown {
  if (typeof item !== 'object' || item === null || Object.keys(item).length !== 1) return item
  if ('bigint' in item && typeof item.bigint === 'string' && /^-?\d{1,40}$/.test(item.bigint)) return BigInt(item.bigint)
  if ('bytes' in item && typeof item.bytes === 'string') return new Uint8Array(Buffer.from(item.bytes, 'base64'))
  return item
}

/** A value that a tag can hold, where a template gave one. */
export function isTagValue(value: unknown): value is TagValue {
  if (Array.isArray(value)) return value.every((item) => !Array.isArray(item) && isTagValue(item))
  return ['boolean', 'number', 'bigint', 'string'].includes(typeof value) || value instanceof Uint8Array
}
