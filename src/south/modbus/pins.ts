import { z } from 'zod'
import { durationSchema } from '../../base/units.ts'
import { type PlaceRange, parseRange } from './address.ts'

/** What a device file says of a device so that nobody needs to find it out by asking. */
export interface Pins {
  /** What the device does not have: never asked for, and never read along. */
  readonly holes: readonly PlaceRange[]
  /** Write functions that the device lacks. */
  readonly without: readonly number[]
  /** From the end of a request to the beginning of the answer, on a serial line. */
  readonly turnaroundMs?: number
}

/** Modbus Application Protocol 1.1b3, 5.1: the writes that have a second way. */
const writeFunctions = [5, 6, 15, 16, 22] as const
const holesMax = 200

const holeSchema = z
  .string()
  .max(40)
  .transform((text, context): PlaceRange => {
    const range = parseRange(text)
    if (range !== undefined) return range
    context.addIssue({ code: 'custom', message: 'a hole is written like hr:100-109, di:7 or 3/ir:0-9' })
    return z.NEVER
  })

/** Keys of `quirks`. */
export const pinShape = {
  holes: z
    .array(holeSchema)
    .max(holesMax)
    .default([])
    .describe(
      'What the device does not have, like hr:100-109 or 3/di:7: no request touches it. Holes that are not named here are found and remembered.',
    ),
  without: z
    .array(z.literal(writeFunctions))
    .default([])
    .describe(
      'Write functions that the device lacks: 5 and 15 stand in for each other, so do 6 and 16, and for 22 the register is read and written back.',
    ),
  turnaround: durationSchema({ max: '5s' })
    .optional()
    .describe('How long the device thinks before it answers on a serial line; the scan budget reckons with 20ms where it is not named.'),
} as const

/** As the parsed keys name them. */
export function pinsOf({ holes, without, turnaround }: z.output<z.ZodObject<typeof pinShape>>): Pins {
  return { holes, without, ...(turnaround === undefined ? {} : { turnaroundMs: turnaround }) }
}
