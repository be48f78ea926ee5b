import { type FirstUser, makeFirstUser, randomPassword } from '../north/access/first-user.ts'

/** The user that the first start of a gateway makes; undefined where there is a list of users already. */
export async function firstUserOf(stateFolder: string): Promise<FirstUser | undefined> {
  return await makeFirstUser(stateFolder)
}

export async function newPassword(): Promise<string> {
  return await randomPassword()
}
