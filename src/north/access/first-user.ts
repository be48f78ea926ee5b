import type { User } from './user.ts'
import { changeUsers, removeFirstPassword, usersFileStamp, writeFirstPassword } from './users-file.ts'

export interface FirstUser {
  readonly name: string
  readonly password: string
  /** Where the password stands until the first login. */
  readonly file: string
}

/** Without letters and digits that look alike: it will be typed from a screen. */
const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789'

/**
 * Makes the user `admin` where a gateway starts for the first time; undefined where there is a list of users already. His password is on the disk before he is
 * in the list: wherever this ends, nobody is left with a list that nobody can come in by.
 */
export async function makeFirstUser(stateFolder: string): Promise<FirstUser | undefined> {
  if ((await usersFileStamp(stateFolder)) !== undefined) return undefined
  const { hashPassword } = await import('./password.ts')
  const password = await randomPassword()
  const admin: User = { name: 'admin', role: 'admin', password: await hashPassword(password) }
  const file = await writeFirstPassword(stateFolder, `${password}\n`)
  let isListed = false
  try {
    isListed = await list(stateFolder, admin)
  } finally {
    if (!isListed) await removeFirstPassword(stateFolder)
  }
  return isListed ? { name: admin.name, password, file } : undefined
}

/** Whether he is in the list now: somebody else may have been put into it meanwhile. */
async function list(stateFolder: string, admin: User): Promise<boolean> {
  let isFirst = false
  await changeUsers(stateFolder, (users) => {
    isFirst = users.length === 0
    return isFirst ? [admin] : users
  })
  return isFirst
}

/** Twenty letters and digits, 99 bits, in groups. */
export async function randomPassword(): Promise<string> {
  const { randomInt } = await import('node:crypto')
  const group = (): string => Array.from({ length: 5 }, () => alphabet[randomInt(alphabet.length)]).join('')
  return Array.from({ length: 4 }, group).join('-')
}
