import { isoTime } from '../base/clock.ts'
import type { Sample } from './sample.ts'
import { shortest32 } from './shortest.ts'
import type { Scalar, TagMeta, TagValue } from './tag.ts'

type JsonScalar = boolean | number | string

/**
 * A value as JSON carries it: 64-bit integers beyond 2^53 and non-finite numbers as strings (JSON has neither), bytes as base64.
 */
export function jsonValue(value: TagValue | null): JsonScalar | readonly JsonScalar[] | null {
  if (value === null) return null
  return Array.isArray(value) ? value.map(jsonScalar) : jsonScalar(value as Scalar)
}

function jsonScalar(value: Scalar): JsonScalar {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') return value >= -safeMax && value <= safeMax ? Number(value) : value.toString()
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') : value
}

/** A 32-bit float has some seven digits: what a double shows beyond them is noise. */
function json32(value: TagValue | null): ReturnType<typeof jsonValue> {
  if (typeof value === 'number') return jsonScalar(shortest32(value))
  if (!Array.isArray(value)) return jsonValue(value)
  return (value as readonly Scalar[]).map((item) => jsonScalar(typeof item === 'number' ? shortest32(item) : item))
}

const safeMax = BigInt(Number.MAX_SAFE_INTEGER)

/** The live value of a tag, as MQTT, server-sent events and upstreams in the `uns` format carry it. */
export function samplePayload(tag: Pick<TagMeta, 'unit' | 'type'>, sample: Sample): Readonly<Record<string, unknown>> {
  return {
    value: tag.type === 'f32' ? json32(sample.value) : jsonValue(sample.value),
    quality: sample.quality,
    ...(sample.status === undefined ? {} : { status: sample.status }),
    time: isoTime(sample.sourceMs),
    ...(tag.unit === undefined ? {} : { unit: tag.unit }),
  }
}
