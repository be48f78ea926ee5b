import { z } from 'zod'
import { durationSchema } from '../base/units.ts'
import type { Ramp, WriteRules } from '../model/tag.ts'

const number = z.number().describe('A finite number.')

const rampPattern = /^(\d+(?:\.\d+)?)\/(s|m|h)$/
const msPerRampUnit: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 }

/** `10/s`, `60/m`, `5/h` in engineering units. */
const rampSchema: z.ZodType<Ramp, string> = z
  .string()
  .regex(rampPattern, 'a ramp is an amount in engineering units for each second, minute or hour: 10/s, 60/m or 5/h')
  .transform((text) => {
    const [, amount = '', unit = 's'] = rampPattern.exec(text) ?? []
    return { amount: Number(amount), perMs: msPerRampUnit[unit] ?? 1_000 }
  })
  .refine(({ amount }) => amount > 0, 'must be above 0, or nothing could ever be written')

/** What may be written to a tag, by whom, and how it is confirmed. */
const writeSchema = z
  .strictObject({
    min: number.optional().describe('Smallest value that may be written, in engineering units.'),
    max: number.optional().describe('Largest value that may be written, in engineering units.'),
    confirm: durationSchema({ max: '60s' })
      .prefault('1s')
      .describe('How long the read-back may take to show the value; 0ms asks for no read-back.'),
    tolerance: z.number().min(0).default(0).describe('How far the read-back may be off, in engineering units.'),
    role: z.enum(['viewer', 'operator', 'engineer', 'admin']).default('operator').describe('The least role that may write.'),
    interlock: z.string().min(1).optional().describe('CEL over the tags of this device; the write is refused unless it is true.'),
    rate: z.number().positive().max(1_000).default(10).describe('Writes a second, by all askers together; 0.1 is one in ten seconds.'),
    step: number
      .positive()
      .optional()
      .describe('The largest change against what the device holds, in engineering units; a write beyond it is refused.'),
    ramp: rampSchema
      .optional()
      .describe(
        'How much all writes together may change the value: 10/s is at most 10 at once and 10 a second on average. Also 60/m, 5/h.',
      ),
  })
  .refine((rules) => rules.min === undefined || rules.max === undefined || rules.min <= rules.max, {
    message: 'min is above max, so nothing could ever be written',
    path: ['min'],
  })
  .transform(
    ({ confirm, rate, min, max, interlock, step, ramp, ...rules }): WriteRules => ({
      ...rules,
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
      ...(interlock === undefined ? {} : { interlock }),
      ...(step === undefined ? {} : { stepMax: step }),
      ...(ramp === undefined ? {} : { ramp }),
      confirmMs: confirm,
      ratePerSecondMax: rate,
    }),
  )

const span = z.tuple([number, number]).refine(([from, to]) => from !== to, 'the two ends must differ')

/** The keys that a tag has whatever its driver. Each driver adds its own (`at` and `type`, or `node`). */
export const commonTagShape = {
  unit: z.string().min(1).max(32).optional().describe('Engineering unit, as people write it: bar, °C, 1/min.'),
  range: span
    .refine(([least, largest]) => least < largest, 'the least comes first, then the largest')
    .optional()
    .describe('The least and the largest value in normal operation (EURange).'),
  scale: z
    .strictObject({ raw: span, to: span })
    .optional()
    .describe('Linear: raw values between the first pair mean engineering units between the second.'),
  scan: z.string().min(1).default('normal').describe('The scan class: one of those under `scan:`.'),
  deadband: z.number().min(0).optional().describe('In engineering units: a smaller change is not passed on.'),
  refresh: durationSchema({ min: '100ms' }).optional().describe('An unchanged value is passed on again after this long.'),
  description: z.string().max(500).optional().describe('For people; shown by SCADA and the dashboard.'),
  write: writeSchema.optional().describe('Without it the tag is read-only.'),
} as const

/** Scan classes by name. */
export const scanSchema = z
  .record(
    z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'a scan class is named in small letters, digits and -'),
    durationSchema({ min: '10ms', max: '1d' }),
  )
  .default({ normal: 1_000 })
  .describe('Scan classes and their periods. A tag without `scan` is of the class `normal`.')
