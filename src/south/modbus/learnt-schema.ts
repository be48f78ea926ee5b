import { z } from 'zod'
import { areas } from './address.ts'
import { learntHolesMax } from './settings.ts'

const unitsMax = 256
const functionsMax = 1_000

const unit = z.int().min(0).max(255)
const since = z.number()
const hole = z.strictObject({
  kind: z.enum(['hole', 'gap', 'whole']),
  unit,
  area: z.enum(areas),
  start: z.int().min(0).max(65_535),
  count: z.int().min(0).max(65_536),
  code: z.int().min(1).max(255),
  /** What the tags there were when it was found: another tag deserves another look. Of a whole: the tags of that request. */
  tags: z.string().max(64),
  sinceMs: since,
})

export const learntSchema = z.strictObject({
  version: z.literal(1),
  /** Who was asked: another device may stand at another address. */
  peer: z.string().max(300),
  holes: z.array(hole).max(learntHolesMax),
  limits: z.array(z.strictObject({ unit, isBits: z.boolean(), countMax: z.int().min(1).max(2_000), sinceMs: since })).max(2 * unitsMax),
  without: z.array(z.strictObject({ unit, function: z.int().min(1).max(127), sinceMs: since })).max(functionsMax),
})

/** What was learnt about a device, as it outlives a restart. */
export type LearntFacts = z.output<typeof learntSchema>
export type LearntHole = LearntFacts['holes'][number]
