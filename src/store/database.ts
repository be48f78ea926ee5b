import { statSync } from 'node:fs'
import { basename } from 'node:path'
import Database from 'better-sqlite3'
import { Fault } from '../base/fault.ts'
import { makePrivate } from './folder.ts'

export type Db = Database.Database

/** One database file's shape: forward-only, so a step that was ever released never changes. */
export interface Schema {
  /** Marks the file as ours (`PRAGMA application_id`). */
  readonly applicationId: number
  /** Step n brings a file of version n to n + 1 (`PRAGMA user_version`). */
  readonly migrations: readonly string[]
  /** Tables whose ids must never be used again, not even by a fresh file after a damaged one. */
  readonly sequences: readonly string[]
}

/** How long a foreign process (a database browser) may hold a file before a call fails. The watchdog is more patient than this. */
const busyTimeoutMs = 2_000
/** A file up to this size is read through at each start (some 0.2 s); damage in a larger one shows when it is met. */
const checkedBytesMax = 64 * 1024 ** 2
/** Kept allocated between checkpoints; a longer log is cut back to this. */
const logBytesMax = 16 * 1024 ** 2
/** 4 MiB: each commit past it pays for a checkpoint, and this is small enough to stay within some ms. */
const checkpointPages = 1_000
/** Memory is scarce on a gateway: the store reads its own recent past, which the system's page cache has anyway. */
const cacheKiB = 4_096

/** Opens, checks and migrates. Throws SQLite's own errors, for the caller to judge, or the Faults `store.file-newer`, `store.file-foreign`, `store.not-durable`. */
export function openDatabase(path: string, schema: Schema, options: { readonly isSuspect: boolean }): Db {
  makePrivate(path)
  const db = new Database(path, { timeout: busyTimeoutMs })
  try {
    refuseForeign(db, path, schema)
    configure(db, path)
    if (options.isSuspect || statSync(path).size <= checkedBytesMax) check(db)
    migrate(db, schema)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Ids go on above any that a lost file can have given: it would take a million rows a second since 1970 to reach this. */
export function skipUsedIds(db: Db, schema: Schema, nowMs: number): void {
  for (const table of schema.sequences)
    db.prepare('INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)').run(table, Math.floor(nowMs) * 1_000)
}

function refuseForeign(db: Db, path: string, schema: Schema): void {
  const applicationId = numberPragma(db, 'application_id')
  const version = numberPragma(db, 'user_version')
  if (applicationId !== schema.applicationId && (applicationId !== 0 || version !== 0)) {
    throw new Fault('store.file-foreign', `${path} is a database, but not Lineside's ${basename(path)}.`, {
      remedy: 'Move the file away, or choose another state folder (storage.path in lineside.yaml).',
    })
  }
  if (version <= schema.migrations.length) return
  throw new Fault('store.file-newer', `${path} has version ${version}; this Lineside knows versions up to ${schema.migrations.length}.`, {
    remedy: 'Run the newer Lineside that wrote it, or restore a backup from before the upgrade.',
  })
}

function configure(db: Db, path: string): void {
  // Takes hold in an empty file only; said to any other it would rewrite the header, also of a damaged file that must be kept as it is.
  if (numberPragma(db, 'page_count') === 0) db.pragma('auto_vacuum = INCREMENTAL')
  const mode = db.pragma('journal_mode = WAL', { simple: true })
  // After journal_mode: this build of SQLite lowers synchronous to NORMAL for WAL files, and a commit would not survive a power cut.
  db.pragma('synchronous = FULL')
  if (mode !== 'wal' || numberPragma(db, 'synchronous') !== 2) {
    throw new Fault(
      'store.not-durable',
      `${path} cannot keep what it is told: journal mode ${mode}, synchronous ${numberPragma(db, 'synchronous')}.`,
      {
        remedy: 'Keep the state folder on a local disk: network file systems cannot hold a write-ahead log.',
      },
    )
  }
  db.pragma(`journal_size_limit = ${logBytesMax}`)
  db.pragma(`wal_autocheckpoint = ${checkpointPages}`)
  db.pragma(`cache_size = -${cacheKiB}`)
  db.pragma('temp_store = MEMORY') // no temporary files: they fail on a full disk and may outlive a crash
  db.pragma('foreign_keys = ON')
  db.pragma('trusted_schema = OFF')
  db.pragma('cell_size_check = ON')
}

function check(db: Db): void {
  const verdict = db.pragma('quick_check(1)', { simple: true })
  if (verdict !== 'ok') throw new Database.SqliteError(String(verdict), 'SQLITE_CORRUPT')
}

function migrate(db: Db, schema: Schema): void {
  const from = numberPragma(db, 'user_version')
  schema.migrations.forEach((step, version) => {
    if (version < from) return
    db.transaction(() => {
      db.exec(step)
      db.pragma(`application_id = ${schema.applicationId}`)
      db.pragma(`user_version = ${version + 1}`)
    }).immediate()
  })
}

export function numberPragma(db: Db, name: string): number {
  return Number(db.pragma(name, { simple: true }))
}
