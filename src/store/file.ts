import { statSync } from 'node:fs'
import { basename } from 'node:path'
import type { Statement } from 'better-sqlite3'
import type { Clock, MonotonicMs } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { type Db, numberPragma, openDatabase, type Schema, skipUsedIds } from './database.ts'
import { type FileFailure, fileFailure, storeFault } from './faults.ts'
import { type SetAside, setAsideDatabase, setAsideGarbageLog } from './set-aside.ts'

export interface StoreFileOptions<Tables> {
  readonly path: string
  readonly schema: Schema
  /** Prepares the statements; may write (it runs in a transaction). */
  prepare(db: Db): Tables
  readonly clock: Clock
  onSetAside(what: SetAside): void
  /** How long the log may get before it is folded into the file. */
  readonly logPagesMax?: number
}

interface Opened<Tables> {
  readonly db: Db
  readonly tables: Tables
  /** Tells this file from another one of the same name. */
  readonly inode: number | undefined
  readonly marks: Readonly<Record<'begin' | 'commit' | 'save' | 'release' | 'undo', Statement>>
}

/** A file that failed is tried again at most this often: opening reads it through. */
const reopenAfterMs = 1_000
/** Free pages worth giving back to the disk, and how many at once: a step must stay short. */
const freePagesKept = 4_096
const vacuumPages = 2_000
/** On a full disk. */
const shrinkPages = 16
const shrinkStepsMax = 500

/**
 * A database that outlives its troubles. On an I/O error the handle is given up and the file is opened anew by the next call (after a failed fsync
 * nobody knows what the old handle's cache is worth); on damage the file is set aside first. In between calls are refused with a Fault.
 */
export class StoreFile<Tables> {
  readonly #options: StoreFileOptions<Tables>
  #opened: Opened<Tables> | undefined
  #refusal: { readonly fault: unknown; readonly at: MonotonicMs } | undefined
  #damage: string | undefined
  /** The file that is to be opened follows one that gave ids. */
  #isRemoved = false
  #isClosed = false

  constructor(options: StoreFileOptions<Tables>) {
    this.#options = options
  }

  get name(): string {
    return basename(this.#options.path)
  }

  /** Opens the file now rather than at the first call. Throws the Fault that a call would get. */
  open(): void {
    this.#use()
  }

  /** Sees what is committed, and nothing else: it never runs inside a transaction. */
  read<Result>(work: (tables: Tables) => Result): Result {
    const { tables } = this.#use()
    try {
      return work(tables)
    } catch (error) {
      throw this.#judge(error)
    }
  }

  /** All of `work` or nothing of it. When this returns, the rows are on the disk. */
  transact<Result>(work: (tables: Tables) => Result): Result {
    const opened = this.#use()
    try {
      return committed(opened, work)
    } catch (error) {
      throw this.#judge(error)
    }
  }

  /** A part of a transaction that may fail on its own: then it is undone and the rest stands. A failure of the file fails the whole. */
  attempt<Result>(work: (tables: Tables) => Result): { readonly result: Result } | { readonly error: unknown } {
    const { tables, marks } = this.#use()
    marks.save.run()
    try {
      const result = work(tables)
      marks.release.run()
      return { result }
    } catch (error) {
      if (fileFailure(error, this.#options.path) !== undefined) throw error
      marks.undo.run()
      marks.release.run()
      return { error }
    }
  }

  /** Within a transaction: makes it write a page, and what the page holds is as it was. */
  touch(): void {
    const { db } = this.#use()
    db.pragma(`user_version = ${numberPragma(db, 'user_version')}`)
  }

  /** Bytes on the disk, log included. */
  sizeBytes(): number {
    return fileBytes(this.#options.path) + fileBytes(`${this.#options.path}-wal`)
  }

  /** In a quiet moment: gives free pages back to the disk, a step at a time, and folds the log into the file. */
  tidy(): void {
    this.#forgetIfRemoved()
    const { db } = this.#use()
    try {
      if (numberPragma(db, 'freelist_count') > freePagesKept) db.pragma(`incremental_vacuum(${vacuumPages})`)
      db.pragma('wal_checkpoint(PASSIVE)')
    } catch (error) {
      throw this.#judge(error)
    }
  }

  /** Gives all free pages back to a disk that has no other room, in steps that themselves take little. Throws where there is none for the next step. */
  shrink(): void {
    const { db } = this.#use()
    try {
      for (let step = 0; step < shrinkStepsMax && numberPragma(db, 'freelist_count') > 0; step += 1) {
        db.pragma(`incremental_vacuum(${shrinkPages})`)
        db.pragma('wal_checkpoint(TRUNCATE)')
      }
    } catch (error) {
      throw this.#judge(error)
    }
  }

  /** Folds the log into the file, so that its room is free; where that cannot be, nothing is worse than before. */
  foldLog(): void {
    try {
      this.#opened?.db.pragma('wal_checkpoint(TRUNCATE)')
    } catch {
      // whoever writes next is told that the disk is full
    }
  }

  close(): void {
    this.#isClosed = true
    this.#giveUp()
  }

  #use(): Opened<Tables> {
    if (this.#opened !== undefined) return this.#opened
    if (this.#isClosed) throw closed(this.name)
    const { clock } = this.#options
    if (this.#refusal !== undefined && clock.elapsed() - this.#refusal.at < reopenAfterMs) throw this.#refusal.fault
    try {
      this.#opened = this.#reopen()
      this.#refusal = undefined
      return this.#opened
    } catch (error) {
      const failure = fileFailure(error, this.#options.path)
      const fault = failure === undefined ? error : storeFault(failure, this.#options.path, error)
      this.#refusal = { fault, at: clock.elapsed() }
      throw fault
    }
  }

  #reopen(): Opened<Tables> {
    const { path, clock, onSetAside } = this.#options
    if (this.#damage !== undefined) return this.#beginFresh(this.#damage)
    if (this.#isRemoved) return this.#beginAgain()
    const log = setAsideGarbageLog(path, clock)
    if (log !== undefined) onSetAside(log)
    try {
      // A log that is gone may have been needed to make the file whole again.
      return this.#prepare(openDatabase(path, this.#options.schema, { isSuspect: log !== undefined }))
    } catch (error) {
      if (fileFailure(error, path) !== 'corrupt') throw error
      return this.#beginFresh(error instanceof Error ? error.message : String(error))
    }
  }

  #beginFresh(damage: string): Opened<Tables> {
    const { path, clock, onSetAside } = this.#options
    this.#damage = damage // until it is out of the way: setting aside may fail too
    onSetAside(setAsideDatabase(path, damage, clock))
    this.#damage = undefined
    this.#isRemoved = true // from here on the name is free: also a second try must not give used ids again
    return this.#beginAgain()
  }

  #beginAgain(): Opened<Tables> {
    const { path, schema, clock } = this.#options
    const db = openDatabase(path, schema, { isSuspect: false })
    skipUsedIds(db, schema, clock.now())
    const opened = this.#prepare(db)
    this.#isRemoved = false
    return opened
  }

  /** What is written to a removed file is lost, and SQLite does not notice. */
  #forgetIfRemoved(): void {
    const { path, onSetAside } = this.#options
    const inode = this.#opened?.inode
    if (inode === undefined || inode === inodeOf(path)) return
    this.#giveUp()
    this.#isRemoved = inodeOf(path) === undefined
    onSetAside({ file: this.name, reason: 'the file was removed or replaced while it was in use' })
  }

  #prepare(db: Db): Opened<Tables> {
    try {
      const { prepare, logPagesMax } = this.#options
      if (logPagesMax !== undefined && logPagesMax < numberPragma(db, 'wal_autocheckpoint'))
        db.pragma(`wal_autocheckpoint = ${logPagesMax}`)
      const tables = db.transaction(() => prepare(db)).immediate()
      const [begin, commit, save, release, undo] = [
        db.prepare('BEGIN IMMEDIATE'),
        db.prepare('COMMIT'),
        db.prepare('SAVEPOINT attempt'),
        db.prepare('RELEASE attempt'),
        db.prepare('ROLLBACK TO attempt'),
      ]
      return { db, tables, inode: inodeOf(this.#options.path), marks: { begin, commit, save, release, undo } }
    } catch (error) {
      db.close()
      throw error
    }
  }

  /** Decides what a failure means for the handle, and gives the error its outside face. */
  #judge(error: unknown): unknown {
    const { path } = this.#options
    const failure = fileFailure(error, path)
    if (failure === undefined) return error
    if (failure === 'full') this.foldLog() // its pages may fit where the file has free ones: its space then serves the next commit
    if (failure === 'corrupt') this.#damage = error instanceof Error ? error.message : String(error)
    if (isHandleSpent[failure]) this.#giveUp()
    return storeFault(failure, path, error)
  }

  #giveUp(): void {
    const opened = this.#opened
    this.#opened = undefined
    try {
      opened?.db.close()
    } catch {
      // a handle that cannot even be closed is left to the end of the process
    }
  }
}

const isHandleSpent: Readonly<Record<FileFailure, boolean>> = { full: false, busy: false, disk: true, corrupt: true, unwritable: true }

function committed<Tables, Result>({ db, tables, marks }: Opened<Tables>, work: (tables: Tables) => Result): Result {
  marks.begin.run()
  try {
    const result = work(tables)
    marks.commit.run()
    return result
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK') // SQLite rolls back by itself on a full disk
    throw error
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino
}

function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function closed(name: string): Fault {
  return new Fault('store.closed', `The store has closed ${name}.`, {
    remedy: 'Wait: Lineside is stopping or restarting its store.',
    isRetryable: true,
  })
}
