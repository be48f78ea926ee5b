import { z } from 'zod'

const msPerUnit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const bytesPerUnit = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const

const durationPattern = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/
const sizePattern = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB|TiB)$/

/** `250ms`, `5s`, `2h`, `7d` as milliseconds; undefined when the text is no duration. */
function parseDuration(text: string): number | undefined {
  const [, amount, unit] = durationPattern.exec(text) ?? []
  return amount === undefined ? undefined : Number(amount) * msPerUnit[unit as keyof typeof msPerUnit]
}

/** `64KiB`, `2GiB` as bytes; undefined when the text is no size. */
function parseSize(text: string): number | undefined {
  const [, amount, unit] = sizePattern.exec(text) ?? []
  return amount === undefined ? undefined : Math.round(Number(amount) * bytesPerUnit[unit as keyof typeof bytesPerUnit])
}

/** A duration in a site file; in the program it is milliseconds. */
export function durationSchema(limits: { readonly min?: string; readonly max?: string } = {}): z.ZodType<number, string> {
  const min = parseDuration(limits.min ?? '0ms') ?? 0
  const max = parseDuration(limits.max ?? '36500d') ?? Number.MAX_SAFE_INTEGER
  return z
    .string()
    .regex(durationPattern, 'a duration is a number with its unit: 250ms, 5s, 10m, 2h or 7d')
    .transform((text) => parseDuration(text) ?? 0)
    .refine((ms) => ms >= min && ms <= max, `must lie between ${limits.min ?? '0ms'} and ${limits.max ?? '100 years'}`)
}

/** A size in a site file; in the program it is bytes. */
export function sizeSchema(limits: { readonly min?: string } = {}): z.ZodType<number, string> {
  const min = parseSize(limits.min ?? '0B') ?? 0
  return z
    .string()
    .regex(sizePattern, 'a size is a number with its unit: 512B, 64KiB, 20MiB or 2GiB')
    .transform((text) => parseSize(text) ?? 0)
    .refine((bytes) => bytes >= min, `must be at least ${limits.min ?? '0B'}`)
}
