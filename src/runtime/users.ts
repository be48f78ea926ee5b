import { Fault } from '../base/fault.ts'
import type { Role } from '../model/tag.ts'
import type { User } from '../north/access/user.ts'
import { changeUsers, readUsers, removeFirstPassword } from '../north/access/users-file.ts'

/** A user as he may be shown. */
export interface UserRow {
  readonly name: string
  readonly role: Role
  readonly hasPassword: boolean
  readonly certificates: readonly string[]
  /** Absent: what the role may. */
  readonly read?: readonly string[] | undefined
  readonly write?: readonly string[] | undefined
}

export interface NewUser {
  readonly name: string
  readonly role: Role
  /** Absent: only a certificate lets him in. */
  readonly password?: string
  readonly certificates?: readonly string[]
  readonly read?: readonly string[]
  readonly write?: readonly string[]
}

const passwordCharsMin = 8
const passwordBytesMax = 256

/** All work on the list itself; a gateway that runs sees a change within a second. */
export async function listUsers(stateFolder: string): Promise<readonly UserRow[]> {
  const users = await readUsers(stateFolder)
  return users.map(({ name, role, password, certificates = [], read, write }) => ({
    name,
    role,
    hasPassword: password !== undefined,
    certificates,
    ...(read === undefined ? {} : { read }),
    ...(write === undefined ? {} : { write }),
  }))
}

export async function addUser(stateFolder: string, { password, ...rest }: NewUser): Promise<void> {
  const user: User = { ...rest, ...(password === undefined ? {} : { password: await hashed(password) }) }
  const { parseUser } = await import('../north/access/users-schema.ts')
  try {
    parseUser(user)
  } catch (cause) {
    throw new Fault('usage.user', `That is no user: ${cause instanceof Error ? cause.message : String(cause)}`, {
      remedy: 'See `lineside user add --help`.',
      cause,
    })
  }
  await changeUsers(stateFolder, (users) => {
    if (users.some(({ name }) => name === user.name)) throw known(user.name)
    return [...users, user]
  })
}

export async function setPassword(stateFolder: string, name: string, password: string): Promise<void> {
  const hash = await hashed(password)
  await changeUsers(stateFolder, (users) => {
    if (!users.some((user) => user.name === name)) throw unknown(name, users)
    return users.map((user) => (user.name === name ? { ...user, password: hash } : user))
  })
  if (name === 'admin') await removeFirstPassword(stateFolder)
}

export async function removeUser(stateFolder: string, name: string): Promise<void> {
  await changeUsers(stateFolder, (users) => {
    const gone = users.find((user) => user.name === name)
    if (gone === undefined) throw unknown(name, users)
    const left = users.filter((user) => user.name !== name)
    if (gone.role === 'admin' && !left.some(({ role }) => role === 'admin')) throw lastAdmin(name)
    return left
  })
  if (name === 'admin') await removeFirstPassword(stateFolder)
}

async function hashed(password: string): Promise<string> {
  if (password.length < passwordCharsMin || Buffer.byteLength(password) > passwordBytesMax) {
    throw new Fault('usage.password', `A password has at least ${passwordCharsMin} characters, and at most ${passwordBytesMax} bytes.`, {
      remedy: 'Choose a longer one, or let --random make one.',
    })
  }
  const { hashPassword } = await import('../north/access/password.ts')
  return await hashPassword(password)
}

function known(name: string): Fault {
  return new Fault('user.known', `There is a user ${name} already.`, { remedy: `Run: lineside user passwd ${name}, or remove him first.` })
}

function unknown(name: string, users: readonly User[]): Fault {
  const names = users.map((user) => user.name).slice(0, 20)
  return new Fault('user.unknown', `There is no user ${name}.`, {
    remedy: names.length === 0 ? 'There are none yet: run `lineside user add`.' : `There are: ${names.join(', ')}.`,
  })
}

function lastAdmin(name: string): Fault {
  return new Fault('user.last-admin', `${name} is the last admin.`, { remedy: 'Add another admin first.' })
}
