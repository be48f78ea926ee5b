import type { Scalar, TagValue, ValueType } from './tag.ts'

/** The other way of payload.ts: values as JSON brings them. */
type JsonScalar = boolean | number | bigint | string

/** JSON text, with whole numbers beyond 2^53 as bigint: as numbers they would silently be other ones. Throws a SyntaxError. */
export function parseExactJson(text: string): unknown {
  if (!manyDigits.test(text)) return JSON.parse(text) // a look at each value takes four times as long
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => exactNumber(value, context?.source))
}

/** 2^53 has sixteen. */
const manyDigits = /\d{16}/

/** What a message holds: JSON, or text where it is none. */
export function payloadValue(text: string): unknown {
  try {
    return parseExactJson(text)
  } catch {
    return text
  }
}

function exactNumber(value: unknown, source: string | undefined): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined || !/^-?\d{1,40}$/.test(source)) return value
  return BigInt(source)
}

/** The other way: whole numbers beyond 2^53 with all their digits, where JSON.stringify takes none. */
export function exactJsonText(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? rawJson(String(item)) : item))
}

/** ECMAScript 2026, which V8 has and TypeScript's library does not name yet. */
const { rawJSON: rawJson } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }

/** JSON has fewer types than PLCs: what our own payloads write as text or number is read back the same way. */
export function tagValueOf(value: JsonScalar | readonly JsonScalar[] | TagValue, type: ValueType | undefined): TagValue {
  return Array.isArray(value) ? value.map((item) => scalar(item as Scalar, type)) : scalar(value as Scalar, type)
}

function scalar(value: Scalar, type: ValueType | undefined): Scalar {
  if (type === 'bool' && (value === 0 || value === 1)) return value === 1
  if (type === 'bytes' && typeof value === 'string') return new Uint8Array(Buffer.from(value, 'base64'))
  if ((type === 'i64' || type === 'u64') && typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value)
  return value
}
