import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { fileFailure, storeFault } from './faults.ts'

/** A restarted store may meet the lock of its former life for a moment; a second daemon meets it for good. */
const lockWaitMs = 2_000
const lockPollMs = 50

/**
 * Makes the state folder where it is missing and takes it for this process alone; disposing gives it back. The lock is SQLite's own lock on an
 * empty file: the kernel drops it with the process, so that a killed daemon leaves nothing to clean up.
 */
export async function takeFolder(folder: string, clock: Clock): Promise<Disposable> {
  const path = join(folder, 'lineside.lock')
  try {
    // Only a folder of our own making is made private: one that was there is its owner's business.
    makeFolder(folder)
    makePrivate(path)
    return await takeLock(path, folder, clock)
  } catch (error) {
    const failure = fileFailure(error, path)
    throw failure === undefined ? error : storeFault(failure, path, error)
  }
}

/** One level at a time: Node's own recursive mkdir never returns below /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  mkdirSync(folder, { mode: 0o700 })
}

/** Creates the file where it is missing; in any case only its owner may read it. SQLite gives its side files the same mode. */
export function makePrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
}

async function takeLock(path: string, folder: string, clock: Clock): Promise<Disposable> {
  const giveUpAt = clock.elapsed() + lockWaitMs
  for (;;) {
    const lock = tryLock(path)
    if (lock !== undefined) return lock
    if (clock.elapsed() >= giveUpAt) throw taken(folder)
    await clock.sleep(lockPollMs)
  }
}

function tryLock(path: string): Disposable | undefined {
  const db = new Database(path, { timeout: 0 })
  try {
    db.pragma('journal_mode = MEMORY') // no journal file: a full disk must not keep the daemon from starting
    db.exec('BEGIN EXCLUSIVE')
    return { [Symbol.dispose]: () => db.close() }
  } catch (error) {
    db.close()
    if (fileFailure(error, path) === 'busy') return undefined
    throw error
  }
}

function taken(folder: string): Fault {
  return new Fault('store.folder-taken', `Another Lineside already uses the state folder ${folder}.`, {
    remedy: 'Stop the other one, or give this one a state folder of its own (storage.path in lineside.yaml).',
  })
}
