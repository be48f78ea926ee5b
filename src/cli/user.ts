import { Fault } from '../base/fault.ts'
import type { Role } from '../model/tag.ts'
import { newPassword } from '../runtime/first-user.ts'
import { addUser, listUsers, removeUser, setPassword, type UserRow } from '../runtime/users.ts'
import { stateFolderOf } from '../site/state.ts'
import { passwordFrom } from './password.ts'
import type { Terminal } from './terminal.ts'

export interface UserPlace {
  readonly site: string
}

export interface PasswordChoice {
  readonly stdin?: boolean
  readonly random?: boolean
}

export interface AddUserOptions extends UserPlace, PasswordChoice {
  readonly role: Role
  /** False with --no-password. */
  readonly password: boolean
  readonly certificate?: readonly string[]
  readonly read?: readonly string[]
  readonly write?: readonly string[]
}

export async function userAdd(name: string, options: AddUserOptions, terminal: Terminal): Promise<number> {
  const { role, certificate: certificates, read, write } = options
  const folder = await stateFolderOf(options.site, terminal.environment)
  if (!options.password && certificates === undefined) {
    throw new Fault('usage.password', `Nothing would let ${name} in.`, { remedy: 'Leave --no-password out, or add --certificate NAME.' })
  }
  const password = options.password ? await chosenPassword(options, terminal) : undefined
  await addUser(folder, {
    name,
    role,
    ...(password === undefined ? {} : { password }),
    ...(certificates === undefined ? {} : { certificates }),
    ...(read === undefined ? {} : { read }),
    ...(write === undefined ? {} : { write }),
  })
  tell(terminal, { sentence: `${name} may come in as ${role}.`, password, options })
  return 0
}

export async function userPasswd(name: string, options: UserPlace & PasswordChoice, terminal: Terminal): Promise<number> {
  const folder = await stateFolderOf(options.site, terminal.environment)
  const password = await chosenPassword(options, terminal)
  await setPassword(folder, name, password)
  tell(terminal, { sentence: `${name} has a new password; connections with the old one are closed.`, password, options })
  return 0
}

export async function userRemove(name: string, options: UserPlace, terminal: Terminal): Promise<number> {
  await removeUser(await stateFolderOf(options.site, terminal.environment), name)
  terminal.out(`${name} may not come in any more; connections are closed.\n`)
  return 0
}

export async function userList(options: UserPlace & { readonly json?: boolean }, terminal: Terminal): Promise<number> {
  const users = await listUsers(await stateFolderOf(options.site, terminal.environment))
  if (options.json === true) terminal.out(`${JSON.stringify({ users }, undefined, 2)}\n`)
  else
    terminal.out(users.length === 0 ? 'There are no users yet: the first start of the gateway makes one.\n' : users.map(userText).join(''))
  return 0
}

function userText({ name, role, hasPassword, certificates, read, write }: UserRow): string {
  const parts = [
    name.padEnd(20),
    role.padEnd(8),
    hasPassword ? 'password' : '',
    ...certificates.map((certificate) => `certificate ${certificate}`),
    read === undefined ? '' : `reads ${read.join(' ')}`,
    write === undefined ? '' : `writes ${write.join(' ')}`,
  ]
  return `${parts.filter((part) => part !== '').join('  ')}\n`
}

async function chosenPassword({ stdin, random }: PasswordChoice, terminal: Terminal): Promise<string> {
  return random === true ? await newPassword() : await passwordFrom(stdin === true ? 'stdin' : 'terminal', terminal)
}

interface Told {
  readonly sentence: string
  readonly password: string | undefined
  readonly options: PasswordChoice
}

function tell(terminal: Terminal, { sentence, password, options }: Told): void {
  terminal.out(options.random === true && password !== undefined ? `${sentence} The password is ${password}\n` : `${sentence}\n`)
}
