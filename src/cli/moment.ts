import { type EpochMs, epochMs, parseIsoTime, systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { durationSchema } from '../base/units.ts'

const span = durationSchema()

/** `1h` is an hour ago. */
export function moment(text: string): EpochMs {
  const ago = span.safeParse(text)
  if (ago.success) return epochMs(systemClock.now() - ago.data)
  const at = parseIsoTime(text)
  if (at !== undefined) return at
  throw new Fault('usage.moment', `"${text.slice(0, 60)}" is no moment.`, { remedy: 'Write 1h for an hour ago, or 2026-11-21T02:30:00Z.' })
}
