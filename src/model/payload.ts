import { isoTime } from '../base/clock.ts'
import type { Sample } from './sample.ts'
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

const safeMax = BigInt(Number.MAX_SAFE_INTEGER)

/** The live value of a tag, as MQTT, server-sent events and upstreams in the `uns` format carry it. */
export function samplePayload(tag: Pick<TagMeta, 'unit'>, sample: Sample): Readonly<Record<string, unknown>> {
  return {
    value: jsonValue(sample.value),
    quality: sample.quality,
    ...(sample.status === undefined ? {} : { status: sample.status }),
    time: isoTime(sample.sourceMs),
    ...(tag.unit === undefined ? {} : { unit: tag.unit }),
  }
}
