import { z } from 'zod'

/** What is to become of dead letters: those with these numbers, or all, of one route or of every one. */
export const orderSchema = z.strictObject({
  action: z.enum(['retry', 'discard']),
  ids: z.array(z.int().min(1)).min(1).max(1_000).optional(),
  route: z.string().min(1).max(64).optional(),
})
