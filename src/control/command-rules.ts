import type { MonotonicMs } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { Command } from '../model/command.ts'
import { roleAllows, type Scalar, type TagMeta, type TagValue, type ValueType, type WriteRules } from '../model/tag.ts'
import { checkSize } from './value-size.ts'

/** The rules of the tag, if the asker may write it at all. */
export function checkAsker(command: Command, meta: TagMeta): WriteRules {
  if (meta.write === undefined) {
    throw new Fault('command.read-only', `${meta.id} is read-only.`, {
      remedy: 'Give the tag a `write:` block in its device file if it may be written.',
    })
  }
  if (!roleAllows(command.by.role, meta.write.role)) {
    throw new Fault('command.role', `${command.by.name} is ${command.by.role}, and ${meta.id} may be written from ${meta.write.role} on.`, {
      remedy: 'Ask somebody with that role, or change `write: { role }` of the tag.',
    })
  }
  return meta.write
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

function fitted(value: TagValue, meta: TagMeta): TagValue {
  const { type, length } = meta
  if (length === undefined) {
    if (Array.isArray(value)) throw wrongType(meta, value)
    return type === undefined ? value : fitScalar(value as Scalar, type, meta)
  }
  if (!Array.isArray(value) || value.length !== length) throw wrongType(meta, value)
  return type === undefined ? value : value.map((item) => fitScalar(item, type, meta))
}

function fitScalar(value: Scalar, type: ValueType, meta: TagMeta): Scalar {
  const isScaled = meta.scale !== undefined
  if (type === 'bool' && typeof value === 'boolean') return value
  if ((type === 'string' || type === 'time') && typeof value === 'string') return value
  if (type === 'bytes' && value instanceof Uint8Array) return value
  if ((type === 'f32' || type === 'f64' || isScaled) && (typeof value === 'number' || typeof value === 'bigint'))
    return finite(Number(value), meta)
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
  if (whole < span[0] || whole > span[1]) {
    throw new Fault('command.type-range', `${value} does not fit ${type} (${span[0]} to ${span[1]}) of ${meta.id}.`, {
      remedy: 'Write a value that fits.',
    })
  }
  return type === 'i64' || type === 'u64' ? whole : Number(whole)
}

function finite(value: number, meta: TagMeta): number {
  if (Number.isFinite(value)) return value
  throw new Fault('command.type-range', `${value} is no number that ${meta.id} could take.`, { remedy: 'Write a finite number.' })
}

function checkLimits(value: Scalar, meta: TagMeta, rules: WriteRules): void {
  if (typeof value !== 'number' && typeof value !== 'bigint') return
  const { min, max } = rules
  if ((min === undefined || value >= min) && (max === undefined || value <= max)) return
  throw new Fault('command.range', `${value} lies outside ${min ?? '-∞'} to ${max ?? '∞'} of ${meta.id}.`, {
    remedy: 'Write a value within the limits of the tag, or change `write: { min, max }` in its device file.',
  })
}

function wrongType(meta: TagMeta, value: TagValue): Fault {
  const shown = String(value).slice(0, 80)
  const wanted = `${meta.type ?? 'another type'}${meta.length === undefined ? '' : `[${meta.length}]`}`
  return new Fault('command.type', `"${shown}" is no ${wanted}, which ${meta.id} takes.`, { remedy: `Write a value of type ${wanted}.` })
}

/** When a tag was written within the last second. */
export class RateWindow {
  #moments: MonotonicMs[] = []

  /** Counts this write if there is room for it within the second. */
  isOpen(now: MonotonicMs, perSecondMax: number): boolean {
    this.#moments = this.#moments.filter((moment) => now - moment < 1_000)
    if (this.#moments.length >= Math.max(1, perSecondMax)) return false
    this.#moments.push(now)
    return true
  }
}

export function checkRate(
  window: RateWindow,
  asked: { readonly id: string; readonly perSecondMax: number; readonly now: MonotonicMs },
): void {
  if (window.isOpen(asked.now, asked.perSecondMax)) return
  throw new Fault('command.rate', `${asked.id} takes ${asked.perSecondMax} writes a second, and more were asked for.`, {
    remedy: 'Write less often, or raise `write: { rate }` of the tag.',
    isRetryable: true,
  })
}
