import type { LinearScale, Tag } from '../model/tag.ts'
import { integerSpans } from './check-values.ts'
import type { Finding } from './source.ts'

/** What the device can hold, by the type that the device file gives it: also those types that are no types of values. */
const rawSpans: Readonly<Record<string, readonly [number, number]>> = {
  ...integerSpans,
  bcd16: [0, 9_999],
  bcd32: [0, 99_999_999],
  f32: [-3.402_823_466_385_288_6e38, 3.402_823_466_385_288_6e38],
}

/** What no double says exactly. */
const wideEnds: Readonly<Record<string, string>> = {
  i64: '-9223372036854775808 to 9223372036854775807',
  u64: '0 to 18446744073709551615',
}

/** Why a limit of `write` can never be reached: what it allows does not fit what the device holds. */
export function writeSpanFinding({ path, write, scale, address }: Tag<unknown>, key: 'min' | 'max'): Finding | undefined {
  const limit = write?.[key]
  const { type } = (address ?? {}) as { readonly type?: unknown }
  const raw = typeof type === 'string' ? rawSpans[type] : undefined
  if (limit === undefined || raw === undefined) return undefined
  const [least, largest] = scale === undefined ? raw : scaled(raw, scale)
  if (limit >= least && limit <= largest) return undefined
  const ends = `${shown(least)} to ${shown(largest)}`
  return {
    code: 'tag.write-span',
    message: `\`${key}: ${limit}\` allows what ${path} cannot hold: ${String(type)}${scale === undefined ? '' : ', scaled,'} goes from ${scale === undefined ? (wideEnds[String(type)] ?? ends) : ends}.`,
    remedy: `Write a \`${key}\` within that, or correct the type${scale === undefined ? '' : ' or the scale'}.`,
  }
}

function scaled(raw: readonly [number, number], { raw: [from, to], to: [first, last] }: LinearScale): readonly [number, number] {
  const ends = raw.map((value) => first + ((value - from) * (last - first)) / (to - from))
  return [Math.min(...ends), Math.max(...ends)]
}

function shown(value: number): string {
  return String(Number(value.toPrecision(10)))
}
