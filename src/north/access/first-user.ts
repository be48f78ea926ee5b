import type { User } from './user.ts'
import { changeUsers, usersFileStamp, writeFirstPassword } from './users-file.ts'

export interface FirstUser {
  readonly name: string
  readonly password: string
  /** Where the password stands until the first login. */
  readonly file: string
}

/** Without letters and digits that look alike: it will be typed from a screen. */
const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789'

/** Makes the user `admin` where a gateway starts for the first time; undefined where there is a list of users already. */
export async function makeFirstUser(stateFolder: string): Promise<FirstUser | undefined> {
  if ((await usersFileStamp(stateFolder)) !== undefined) return undefined
  const { hashPassword } = await import('./password.ts')
  const password = await randomPassword()
  const admin: User = { name: 'admin', role: 'admin', password: await hashPassword(password) }
  await changeUsers(stateFolder, () => [admin])
  const file = await writeFirstPassword(stateFolder, `${password}\n`)
  return { name: admin.name, password, file }
}

/** Twenty letters and digits, 99 bits, in groups. */
export async function randomPassword(): Promise<string> {
  const { randomInt } = await import('node:crypto')
  const group = (): string => Array.from({ length: 5 }, () => alphabet[randomInt(alphabet.length)]).join('')
  return Array.from({ length: 4 }, group).join('-')
}
