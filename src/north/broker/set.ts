import { z } from 'zod'
import { type EpochMs, parseIsoTime } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { Scalar, TagMeta, TagValue, ValueType } from '../../model/tag.ts'

/** What `…/set` carries, once understood. Whether the value fits the tag is for the command road to say. */
export interface Wish {
  readonly value: TagValue
  readonly id?: string
  readonly expiresMs?: EpochMs
}

const payloadBytesMax = 64 * 1024
const elementsMax = 10_000

const scalarSchema = z.union([z.boolean(), z.number(), z.bigint(), z.string()])
const valueSchema = z.union([scalarSchema, z.array(scalarSchema).max(elementsMax)])
const wishSchema = z.strictObject({
  value: valueSchema,
  id: z.string().min(1).max(128).optional(),
  expires: z
    .string()
    .max(40)
    .refine((text) => parseIsoTime(text) !== undefined)
    .optional(),
})

type JsonValue = z.infer<typeof valueSchema>

/** Reads a bare value, or `{"value":…,"id":…,"expires":…}`; throws the Fault `mqtt.set-malformed`. */
export function parseWish(payload: Uint8Array, meta: Pick<TagMeta, 'type'>): Wish {
  if (payload.length > payloadBytesMax) throw malformed(`it has ${payload.length} bytes, and ${payloadBytesMax} are allowed`)
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8')
  const json = parseJson(text)
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return parseObject(json, meta)
  if (meta.type === 'string' && typeof json !== 'string') return { value: text } // 0042 is text for a tag that holds text
  const bare = valueSchema.safeParse(json)
  if (text.trim() === '' || !bare.success) throw malformed('it holds no value')
  return { value: tagValue(bare.data, meta.type) }
}

function parseObject(json: object, meta: Pick<TagMeta, 'type'>): Wish {
  const parsed = wishSchema.safeParse(json)
  if (!parsed.success) throw malformed(z.prettifyError(parsed.error).slice(0, 300))
  const { value, id, expires } = parsed.data
  const expiresMs = expires === undefined ? undefined : parseIsoTime(expires)
  return { value: tagValue(value, meta.type), ...(id === undefined ? {} : { id }), ...(expiresMs === undefined ? {} : { expiresMs }) }
}

/** Text that is no JSON is a bare string. Whole numbers beyond 2^53 become bigint: as numbers they would silently be other ones. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => exactNumber(value, context?.source))
  } catch {
    return text
  }
}

function exactNumber(value: unknown, source: string | undefined): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined || !/^-?\d{1,40}$/.test(source)) return value
  return BigInt(source)
}

function tagValue(value: JsonValue, type: ValueType | undefined): TagValue {
  return Array.isArray(value) ? value.map((item) => scalar(item, type)) : scalar(value, type)
}

/** JSON has fewer types than PLCs: what our own payloads write as text or number is read back the same way. */
function scalar(value: Exclude<JsonValue, readonly unknown[]>, type: ValueType | undefined): Scalar {
  if (type === 'bool' && (value === 0 || value === 1)) return value === 1
  if (type === 'bytes' && typeof value === 'string') return new Uint8Array(Buffer.from(value, 'base64'))
  if ((type === 'i64' || type === 'u64') && typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value)
  return value
}

function malformed(why: string): Fault {
  return new Fault('mqtt.set-malformed', `The message cannot be read: ${why}.`, {
    remedy: 'Publish a bare value, as 21.5 or true, or {"value":21.5,"id":"…","expires":"2026-11-21T02:30:00Z"}.',
  })
}
