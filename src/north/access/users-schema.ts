import { z } from 'zod'
import type { User } from './user.ts'

/** Loaded only where there are users to be read. */

const usersMax = 1_000
const filters = z.array(z.string().min(1).max(1_024).refine(isFilter, 'is no topic filter')).max(100)

const userSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9._@-]{1,64}$/, 'a user name has letters, digits and . _ @ -, at most 64'),
  role: z.enum(['viewer', 'operator', 'engineer', 'admin']),
  password: z.string().max(400).startsWith('$argon2id$').optional(),
  certificates: z.array(z.string().min(1).max(256)).max(20).optional(),
  read: filters.optional(),
  write: filters.optional(),
})

const fileSchema = z.strictObject({
  version: z.literal(1),
  users: z
    .array(userSchema)
    .max(usersMax)
    .refine((users) => new Set(users.map(({ name }) => name)).size === users.length, 'a name stands there twice'),
})

/** Throws where the text is no list of users. */
export function parseUsers(text: string): readonly User[] {
  const result = fileSchema.safeParse(JSON.parse(text))
  if (!result.success) throw new Error(z.prettifyError(result.error))
  return result.data.users
}

/** One user as it is to be kept; throws with what is wrong. */
export function parseUser(user: User): User {
  const result = userSchema.safeParse(user)
  if (!result.success) throw new Error(z.prettifyError(result.error))
  return result.data
}

/** MQTT 4.7.1: `#` only as the last level, wildcards only as whole levels. */
function isFilter(text: string): boolean {
  const levels = text.split('/')
  return levels.every((level, place) => !/[+#]/.test(level) || level === '+' || (level === '#' && place === levels.length - 1))
}
