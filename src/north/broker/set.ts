import { z } from 'zod'
import { type EpochMs, parseIsoTime } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { issueText } from '../../base/issue-text.ts'
import { parseExactJson, tagValueOf } from '../../model/json-value.ts'
import type { TagMeta, TagValue } from '../../model/tag.ts'

/** What `…/set` carries, once understood. Whether the value fits the tag is for the command road to say. */
export interface Wish {
  readonly value: TagValue
  readonly id?: string
  readonly expiresMs?: EpochMs
}

const payloadBytesMax = 64 * 1024
const elementsMax = 10_000

const scalarSchema = z.union([z.boolean(), z.number(), z.bigint(), z.string()])
const valueSchema = z.union([scalarSchema, z.array(scalarSchema).max(elementsMax)], {
  error: ({ input }) => (input === undefined ? 'is missing' : 'is no number, text, true or false, nor a list of these'),
})
const idSchema = z.string().min(1).max(128)
const wishSchema = z.strictObject({
  value: valueSchema,
  id: idSchema.optional(),
  expires: z
    .string()
    .max(40)
    .refine((text) => parseIsoTime(text) !== undefined, { error: 'is no moment like 2026-11-21T02:30:00Z' })
    .optional(),
})

/** Reads a bare value, or `{"value":…,"id":…,"expires":…}`; throws the Fault `mqtt.set-malformed`. */
export function parseWish(payload: Uint8Array, meta: Pick<TagMeta, 'type'>): Wish {
  if (payload.length > payloadBytesMax) throw malformed(`it has ${payload.length} bytes, and ${payloadBytesMax} are allowed`)
  const text = textOf(payload)
  const json = parseJson(text)
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return parseObject(json, meta)
  if (meta.type === 'string' && typeof json !== 'string') return { value: text } // 0042 is text for a tag that holds text
  const bare = valueSchema.safeParse(json)
  if (text.trim() === '' || !bare.success) throw malformed('it holds no value')
  return { value: tagValueOf(bare.data, meta.type) }
}

/** The id of a wish that is refused, where that much of it can be read: whoever asked knows his answer by it. */
export function wishIdOf(payload: Uint8Array): string | undefined {
  if (payload.length > payloadBytesMax) return undefined
  const json = parseJson(textOf(payload))
  const id = typeof json === 'object' && json !== null && 'id' in json ? idSchema.safeParse(json.id) : undefined
  return id?.data
}

function textOf(payload: Uint8Array): string {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8')
}

function parseObject(json: object, meta: Pick<TagMeta, 'type'>): Wish {
  const parsed = wishSchema.safeParse(json)
  if (!parsed.success) throw malformed(issueText(parsed.error, 'the message').slice(0, 300))
  const { value, id, expires } = parsed.data
  const expiresMs = expires === undefined ? undefined : parseIsoTime(expires)
  return { value: tagValueOf(value, meta.type), ...(id === undefined ? {} : { id }), ...(expiresMs === undefined ? {} : { expiresMs }) }
}

/** Text that is no JSON is a bare string. */
function parseJson(text: string): unknown {
  try {
    return parseExactJson(text)
  } catch {
    return text
  }
}

function malformed(why: string): Fault {
  return new Fault('mqtt.set-malformed', `The message cannot be read: ${why}.`, {
    remedy: 'Publish a bare value, as 21.5 or true, or {"value":21.5,"id":"…","expires":"2026-11-21T02:30:00Z"}.',
  })
}
