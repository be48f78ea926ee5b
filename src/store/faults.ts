import { accessSync, constants, statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { Fault } from '../base/fault.ts'

/**
 * What a failure says about the file: `full` and `busy` pass, `disk` asks for a fresh handle, `corrupt` for a fresh file,
 * `unwritable` for a person. Anything else (undefined) is a bug, or a Fault of our own.
 */
export type FileFailure = 'full' | 'busy' | 'disk' | 'corrupt' | 'unwritable'

/** Below this much free space a vague I/O error means a full disk: SQLite cannot always tell (a WAL or wal-index that cannot grow). */
const freeBytesFull = 256 * 1024

export function fileFailure(error: unknown, path: string): FileFailure | undefined {
  const code = codeOf(error)
  if (code === undefined) return undefined
  if (/^(SQLITE_FULL|ENOSPC|EDQUOT)$/.test(code)) return 'full'
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return 'corrupt'
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return 'busy'
  if (/^(SQLITE_(READONLY|CANTOPEN|PERM|AUTH)|EACCES|EPERM|EROFS|ENOTDIR|EEXIST|EISDIR|ENOENT|ELOOP|ENAMETOOLONG)/.test(code)) {
    return isNearlyFull(path) ? 'full' : 'unwritable'
  }
  if (/^(SQLITE_(IOERR|NOLFS|PROTOCOL|NOMEM)|EIO|EMFILE|ENFILE)/.test(code)) return isNearlyFull(path) ? 'full' : 'disk'
  return undefined
}

/** The outside face of a failure. Every one is retryable: what was asked is still wanted once a person or the disk has mended it. */
export function storeFault(failure: FileFailure, path: string, cause: unknown): Fault {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const { what, remedy } = faces[failure]
  return new Fault(`store.${failure}`, `${what} ${path}: ${reason}.`, { remedy, isRetryable: true, cause })
}

const faces: Readonly<Record<FileFailure, { readonly what: string; readonly remedy: string }>> = {
  full: { what: 'There is no space left for', remedy: 'Free space on the disk of the state folder; the store then goes on by itself.' },
  busy: { what: 'Another process holds', remedy: 'Close whatever else has this file open (a database browser, a backup tool).' },
  disk: { what: 'The disk failed under', remedy: "Look for I/O errors in the kernel's log and replace the disk if there are any." },
  corrupt: { what: 'There is damage in', remedy: 'Nothing to do now: the file is set aside and a fresh one begun. Check the disk.' },
  unwritable: {
    what: 'Lineside may not write',
    remedy: 'Make the state folder a folder that belongs to the user Lineside runs as, on a file system that is not read-only.',
  },
}

/** Why no file in the folder could be written just now, as far as that can be told without writing. */
export function folderFault(folder: string): Fault | undefined {
  const path = join(folder, 'journal.db')
  if (isNearlyFull(path)) return storeFault('full', folder, 'less than 256 KiB are free')
  try {
    accessSync(folder, constants.W_OK)
    return undefined
  } catch (error) {
    return storeFault('unwritable', folder, error)
  }
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof Database.SqliteError) return error.code
  return error instanceof Error && 'code' in error && 'syscall' in error && typeof error.code === 'string' ? error.code : undefined
}

function isNearlyFull(path: string): boolean {
  try {
    const disk = statfsSync(dirname(path))
    // Some file systems count no inodes and say 0 of 0.
    return disk.bavail * disk.bsize < freeBytesFull || (disk.files > 0 && disk.ffree === 0)
  } catch {
    return false // the folder itself is gone: not a matter of space
  }
}
