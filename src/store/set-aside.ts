import { closeSync, existsSync, openSync, readdirSync, readSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Clock, isoTime } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'

/** A damaged file, out of the way and kept: `journal.db.corrupt-TIME`. */
export interface SetAside {
  readonly file: string
  /** Absent where there was nothing left to keep: somebody removed the file while it was in use. */
  readonly keptAs?: string
  readonly reason: string
}

/** A disk that damages this many files is dying; going on would fill it with copies. */
export const setAsideMax = 16

/** Moves a damaged database and its log out of the way, side by side, so that any SQLite tool can still open them. */
export function setAsideDatabase(path: string, reason: string, clock: Clock): SetAside {
  const keptAs = freeName(path, clock)
  if (existsSync(`${path}-wal`)) renameSync(`${path}-wal`, `${keptAs}-wal`)
  rmSync(`${path}-shm`, { force: true }) // an index of the log, rebuilt from it: no data
  renameSync(path, keptAs)
  return { file: basename(path), keptAs: basename(keptAs), reason }
}

/**
 * Moves a log out of the way that SQLite would pass over in silence, together with the commits in it: its header is not one.
 * undefined where the log is sound or absent.
 */
export function setAsideGarbageLog(path: string, clock: Clock): SetAside | undefined {
  const log = `${path}-wal`
  if (isSoundLog(log)) return undefined
  const keptAs = freeName(log, clock)
  rmSync(`${path}-shm`, { force: true })
  renameSync(log, keptAs)
  return { file: basename(log), keptAs: basename(keptAs), reason: 'the write-ahead log does not begin with a valid header' }
}

function freeName(path: string, clock: Clock): string {
  const kept = readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.corrupt-`) && !name.endsWith('-wal'))
  if (kept.length >= setAsideMax) throw tooMany(path)
  const name = join(dirname(path), `${basename(path)}.corrupt-${isoTime(clock.now()).replaceAll(':', '-')}`)
  return existsSync(name) ? `${name}-${kept.length}` : name
}

function tooMany(path: string): Fault {
  return new Fault('store.damaged-again', `${setAsideMax} damaged copies of ${basename(path)} are kept in ${dirname(path)} already.`, {
    remedy: 'Check and replace the disk, then move the files named *.corrupt-* elsewhere.',
    isRetryable: true,
  })
}

const headerBytes = 32

/** A log shorter than its header holds no commit: the machine stopped while it was begun. */
function isSoundLog(path: string): boolean {
  const header = Buffer.alloc(headerBytes)
  return !existsSync(path) || readHead(path, header) < headerBytes || isLogHeader(header)
}

function readHead(path: string, into: Buffer): number {
  const file = openSync(path, 'r')
  try {
    return readSync(file, into, 0, into.length, 0)
  } finally {
    closeSync(file)
  }
}

/** https://www.sqlite.org/fileformat2.html#the_write_ahead_log: magic, version and a checksum over the first 24 bytes. */
function isLogHeader(header: Buffer): boolean {
  const magic = header.readUInt32BE(0)
  if ((magic & ~1) >>> 0 !== 0x377f0682 || header.readUInt32BE(4) !== 3_007_000) return false
  const word = (at: number): number => ((magic & 1) === 1 ? header.readUInt32BE(at) : header.readUInt32LE(at))
  let first = 0
  let second = 0
  for (let at = 0; at < 24; at += 8) {
    first = (first + word(at) + second) >>> 0
    second = (second + word(at + 4) + first) >>> 0
  }
  return first === header.readUInt32BE(24) && second === header.readUInt32BE(28)
}
