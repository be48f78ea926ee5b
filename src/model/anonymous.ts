import { z } from 'zod'
import type { Role } from './tag.ts'

/** Who comes without credentials. */
export interface AnonymousVisitors {
  readonly role: Role
  /** Also from other machines; else over the loopback interface only. */
  readonly isFromAnywhere: boolean
}

/** As it stands in a site file; absent where nobody may come like this. */
export const anonymousSchema = z
  .union([
    z.boolean(),
    z.strictObject({
      role: z.enum(['viewer', 'operator', 'engineer', 'admin']).default('viewer').describe('What they may do.'),
      anywhere: z.boolean().default(false).describe('Also from other machines, not only from this one.'),
    }),
  ])
  .transform((anonymous): AnonymousVisitors | false => {
    if (anonymous === false) return false
    const { role, anywhere } = anonymous === true ? { role: 'viewer' as const, anywhere: false } : anonymous
    return { role, isFromAnywhere: anywhere }
  })
