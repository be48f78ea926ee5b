import { Fault } from '../base/fault.ts'
import { parseExactJson } from '../model/json-value.ts'

type Json = boolean | number | bigint | string | readonly Json[]

const wholeTypes: ReadonlySet<string> = new Set(['i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64'])
const flags: Readonly<Record<string, boolean>> = { true: true, on: true, '1': true, false: false, off: false, '0': false }

/** A value as it is typed, as the API takes it. Throws `usage.value`; whether it fits the tag is for the gateway to say. */
export function valueFromText(text: string, tag: { readonly type?: string; readonly length?: number }): Json {
  if (tag.length === undefined) return scalar(text, tag.type)
  const items = parsedJson(text)
  if (!Array.isArray(items))
    throw noValue(text, `${tag.type ?? ''}[${tag.length}]`, "Write an array as JSON, quoted for the shell: '[1, 2, 3]'.")
  return items.map((item) => (typeof item === 'string' ? scalar(item, tag.type) : (item as Json)))
}

function scalar(text: string, type: string | undefined): Json {
  if (type === 'string' || type === 'time') return text
  if (type === 'bool') return flag(text)
  if (type === 'bytes') return bytes(text)
  if (type !== undefined && wholeTypes.has(type)) return whole(text, type)
  if (type === 'f32' || type === 'f64') return fraction(text, type)
  return untyped(text)
}

function flag(text: string): boolean {
  const value = flags[text.toLowerCase()]
  if (value === undefined) throw noValue(text, 'bool', 'Write true or false.')
  return value
}

/** Base64, or 0x and two digits for each byte. */
function bytes(text: string): string {
  const [, digits] = /^0x((?:[\da-f]{2})*)$/i.exec(text) ?? []
  if (digits !== undefined) return Buffer.from(digits, 'hex').toString('base64')
  if (/^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/.test(text)) return text
  throw noValue(text, 'byte string', 'Write 0x and two digits for each byte, or base64.')
}

/** 64-bit numbers travel as text: JSON's numbers end at 2^53. */
function whole(text: string, type: string): number | string {
  if (!/^[+-]?\d+$|^0x[\da-f]+$/i.test(text))
    throw noValue(text, `whole number (${type})`, 'Write a number without a fraction, or 0x and its digits.')
  const value = BigInt(text.replace(/^\+/, ''))
  return type === 'i64' || type === 'u64' ? value.toString() : Number(value)
}

function fraction(text: string, type: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value)) return value
  const remedy = /^-?\d+,\d+$/.test(text) ? `Write a point: ${text.replace(',', '.')}.` : 'Write a number, like 21.5 or 1e3.'
  throw noValue(text, `number (${type})`, remedy)
}

/** The device alone knows the type: what reads as JSON is meant as such, everything else is text. */
function untyped(text: string): Json {
  const value = parsedJson(text)
  const isPlain = ['boolean', 'number', 'bigint', 'string'].includes(typeof value)
  return isPlain || Array.isArray(value) ? (value as Json) : text
}

function parsedJson(text: string): unknown {
  try {
    return parseExactJson(text)
  } catch {
    return undefined
  }
}

function noValue(text: string, wanted: string, remedy: string): Fault {
  return new Fault('usage.value', `"${text.slice(0, 80)}" is no ${wanted}.`, { remedy })
}
