import { chown, lstat, open, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { User } from './user.ts'

const usersVersion = 1

/** An editor of this list that was killed leaves its draft; after so long nobody is still at it. */
const abandonedMs = 10_000

function usersPathOf(stateFolder: string): string {
  return join(stateFolder, 'users.json')
}

/** Where the password of the first user waits for whoever sets the gateway up. */
function firstPasswordPathOf(stateFolder: string): string {
  return join(stateFolder, 'first-password')
}

/** Changes whenever the file does; undefined while there is none. */
export async function usersFileStamp(stateFolder: string): Promise<string | undefined> {
  const path = usersPathOf(stateFolder)
  try {
    const { ino, mtimeMs, size } = await stat(path)
    return `${ino} ${mtimeMs} ${size}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw unreadable(path, error)
  }
}

/** The users of a gateway, none where there is no list. Throws `access.users-unreadable`. */
export async function readUsers(stateFolder: string): Promise<readonly User[]> {
  const path = usersPathOf(stateFolder)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw unreadable(path, error)
  })
  if (text === undefined) return []
  const { parseUsers } = await import('./users-schema.ts') // brings zod along, which a gateway that nobody shows a password to does not need
  try {
    return parseUsers(text)
  } catch (error) {
    throw unreadable(path, error)
  }
}

/**
 * Changes the list as a whole or not at all, one change at a time; a gateway that runs sees it within a second. The draft beside it is the lock.
 * The files keep the owner of the state folder, for root may edit what the gateway has to read.
 */
export async function changeUsers(stateFolder: string, change: (users: readonly User[]) => readonly User[]): Promise<void> {
  const path = usersPathOf(stateFolder)
  const draft = `${path}.new`
  await removeAbandoned(draft)
  const file = await open(draft, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' ? busy(draft) : notWritable(path, error)
  })
  try {
    const users = change(await readUsers(stateFolder))
    await file.writeFile(`${JSON.stringify({ version: usersVersion, users }, undefined, 2)}\n`)
    await file.sync()
    await ownAsFolder(draft)
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error instanceof Fault ? error : notWritable(path, error)
  } finally {
    await file.close()
  }
}

/** Readable by its owner alone, and never through a link that somebody has put there. Either the whole of it is on the disk, or there is none. */
export async function writeFirstPassword(stateFolder: string, text: string): Promise<string> {
  const path = firstPasswordPathOf(stateFolder)
  try {
    await rm(path, { force: true })
    await writeFile(path, text, { mode: 0o600, flag: 'wx', flush: true })
    await ownAsFolder(path)
    return path
  } catch (error) {
    await removeFirstPassword(stateFolder)
    throw firstPasswordNotWritable(path, error)
  }
}

export async function removeFirstPassword(stateFolder: string): Promise<void> {
  await unlink(firstPasswordPathOf(stateFolder)).catch(() => {}) // most often it is gone long ago
}

async function removeAbandoned(draft: string): Promise<void> {
  const found = await lstat(draft).catch(() => undefined)
  if (found === undefined) return
  if (systemClock.now() - found.mtimeMs > abandonedMs) await rm(draft, { force: true })
}

async function ownAsFolder(path: string): Promise<void> {
  const { uid, gid } = await stat(dirname(path))
  if (process.getuid?.() === 0 && uid !== 0) await chown(path, uid, gid)
}

function unreadable(path: string, cause: unknown): Fault {
  const why = cause instanceof Error ? cause.message.slice(0, 300) : String(cause)
  return new Fault('access.users-unreadable', `The list of users ${path} cannot be read: ${why}.`, {
    remedy:
      'Run this as the user that the gateway runs as; mend the file, or move it away and start the gateway anew for a new first user.',
    cause,
  })
}

function notWritable(path: string, cause: unknown): Fault {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new Fault('access.users-unwritable', `The list of users ${path} cannot be written: ${why}.`, {
    remedy:
      'Run this as the user that the gateway runs as (`sudo -u lineside …`), after its first start, which makes the folder; look at the disk.',
    cause,
  })
}

function firstPasswordNotWritable(path: string, cause: unknown): Fault {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new Fault('access.first-password-unwritable', `The password of the first user cannot be written to ${path}: ${why}.`, {
    remedy: 'Free space on the disk of the state folder, and let the folder belong to the user that the gateway runs as.',
    isRetryable: true,
    cause,
  })
}

function busy(draft: string): Fault {
  return new Fault('access.users-busy', `Somebody else is changing the users just now: ${draft} is there.`, {
    remedy: 'Try again in a few seconds.',
    isRetryable: true,
  })
}
