import { z } from 'zod'
import { durationSchema } from '../base/units.ts'
import type { WriteRules } from '../model/tag.ts'

const number = z.number().describe('A finite number.')

/** What may be written to a tag, by whom, and how it is confirmed. */
const writeSchema = z
  .strictObject({
    min: number.optional().describe('Smallest value that may be written, in engineering units.'),
    max: number.optional().describe('Largest value that may be written, in engineering units.'),
    confirm: durationSchema({ max: '60s' })
      .default(1_000)
      .describe('How long the read-back may take to show the value; 0ms asks for no read-back.'),
    tolerance: z.number().min(0).default(0).describe('How far the read-back may be off, in engineering units.'),
    role: z.enum(['viewer', 'operator', 'engineer', 'admin']).default('operator').describe('The least role that may write.'),
    interlock: z.string().min(1).optional().describe('CEL over the tags of this device; the write is refused unless it is true.'),
    rate: z.number().positive().max(1_000).default(10).describe('Writes a second, by all askers together.'),
  })
  .refine((rules) => rules.min === undefined || rules.max === undefined || rules.min <= rules.max, {
    message: 'min is above max, so nothing could ever be written',
    path: ['min'],
  })
  .transform(
    ({ confirm, rate, min, max, interlock, ...rules }): WriteRules => ({
      ...rules,
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
      ...(interlock === undefined ? {} : { interlock }),
      confirmMs: confirm,
      ratePerSecondMax: rate,
    }),
  )

const span = z.tuple([number, number]).refine(([from, to]) => from !== to, 'the two ends must differ')

/** The keys that a tag has whatever its driver. Each driver adds its own (`at` and `type`, or `node`). */
export const commonTagShape = {
  unit: z.string().min(1).max(32).optional().describe('Engineering unit, as people write it: bar, °C, 1/min.'),
  range: span.optional().describe('The least and the largest value in normal operation (EURange).'),
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
