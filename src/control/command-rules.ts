import type { Command } from '../model/command.ts'
import { roleAllows, type Scalar, type TagMeta, type TagValue, type ValueType, type WriteRules } from '../model/tag.ts'
import { beyondDevice, outOfRange, readOnly, typeRange, wrongRole, wrongType } from './command-faults.ts'
import { scaledValue } from './tag-table.ts'
import { checkSize } from './value-size.ts'

/** The rules of the tag, if the asker may write it at all. */
export function checkAsker(command: Command, meta: TagMeta): WriteRules {
  const rules = meta.write
  if (rules === undefined) throw readOnly(meta)
  if (!roleAllows(command.by.role, rules.role)) throw wrongRole(command, meta, rules)
  return rules
}

/** The value as the tag's type has it; throws where it does not fit, for a value is never wrapped or cut. */
export function checkValue(value: TagValue, meta: TagMeta, rules: WriteRules): TagValue {
  const fitting = fitted(value, meta)
  for (const item of Array.isArray(fitting) ? fitting : [fitting]) {
    checkSize(item, meta)
    checkLimits(item, meta, rules)
  }
  return fitting
}

/** The value as the device is to be told it; throws where its place cannot hold that. The driver has the last word, see `Sending`. */
export function checkRaw(raw: TagValue, value: TagValue, meta: TagMeta): TagValue {
  for (const item of Array.isArray(raw) ? raw : [raw]) {
    if (typeof item !== 'number' || isWithinSpan(item, meta.rawSpan)) continue
    if (meta.rawSpan === undefined) throw typeRange(meta, value, 'a number')
    const [one, other] = meta.rawSpan.map((end) => Number(scaledValue(end, meta.scale)))
    throw beyondDevice(meta, value, { least: Math.min(one ?? 0, other ?? 0), largest: Math.max(one ?? 0, other ?? 0) })
  }
  return raw
}

function isWithinSpan(raw: number, [least, largest]: readonly [number, number] = [-Number.MAX_VALUE, Number.MAX_VALUE]): boolean {
  return raw >= least && raw <= largest
}

function fitted(value: TagValue, meta: TagMeta): TagValue {
  const { type, length } = meta
  if (type === undefined) return ofUnknownType(value, meta)
  if (length === undefined) {
    if (Array.isArray(value)) throw wrongType(meta, value)
    return fitScalar(value as Scalar, type, meta)
  }
  if (!Array.isArray(value) || value.length !== length) throw wrongType(meta, value)
  return value.map((item) => fitScalar(item, type, meta))
}

/** The device alone knows its type, and its driver refuses what does not fit; that a number is one can be said here. */
function ofUnknownType(value: TagValue, meta: TagMeta): TagValue {
  if (meta.length !== undefined && (!Array.isArray(value) || value.length !== meta.length)) throw wrongType(meta, value)
  return Array.isArray(value) ? value.map((item) => finiteOrOther(item, meta)) : finiteOrOther(value as Scalar, meta)
}

function finiteOrOther(value: Scalar, meta: TagMeta): Scalar {
  return typeof value === 'number' ? finite(value, 'a number', meta) : value
}

function fitScalar(value: Scalar, type: ValueType, meta: TagMeta): Scalar {
  const isScaled = meta.scale !== undefined
  if (type === 'bool' && typeof value === 'boolean') return value
  if ((type === 'string' || type === 'time') && typeof value === 'string') return value
  if (type === 'bytes' && value instanceof Uint8Array) return value
  if ((type === 'f32' || type === 'f64' || isScaled) && (typeof value === 'number' || typeof value === 'bigint')) {
    return finite(Number(value), type, meta)
  }
  const span = integerSpans[type]
  if (span !== undefined) return integer(value, { span, type, meta })
  throw wrongType(meta, value)
}

const integerSpans: Partial<Record<ValueType, readonly [bigint, bigint]>> = {
  i8: [-128n, 127n],
  u8: [0n, 255n],
  i16: [-32768n, 32767n],
  u16: [0n, 65535n],
  i32: [-(2n ** 31n), 2n ** 31n - 1n],
  u32: [0n, 2n ** 32n - 1n],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
  u64: [0n, 2n ** 64n - 1n],
}

function integer(
  value: Scalar,
  context: { readonly span: readonly [bigint, bigint]; readonly type: ValueType; readonly meta: TagMeta },
): Scalar {
  const { span, type, meta } = context
  const isWhole = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))
  if (!isWhole) throw wrongType(meta, value)
  const whole = BigInt(value)
  if (whole < span[0] || whole > span[1]) throw typeRange(meta, value, `${type} (${span[0]} to ${span[1]})`)
  return type === 'i64' || type === 'u64' ? whole : Number(whole)
}

/** An f32 beyond its largest would arrive as infinity. */
function finite(value: number, type: string, meta: TagMeta): number {
  if (Number.isFinite(type === 'f32' ? Math.fround(value) : value)) return value
  throw typeRange(meta, value, type)
}

function checkLimits(value: Scalar, meta: TagMeta, rules: WriteRules): void {
  const { min, max } = rules
  if (min === undefined && max === undefined) return
  if (typeof value !== 'number' && typeof value !== 'bigint') throw wrongType(meta, value) // a tag whose type the device alone knows, and whose limits are numbers
  if ((min === undefined || value >= min) && (max === undefined || value <= max)) return
  throw outOfRange(meta, value, rules)
}
