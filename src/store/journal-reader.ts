import { existsSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Fault } from '../base/fault.ts'
import type { DeadLetter, DeadLetterAsk, EventsAsk, EventsPage } from '../model/journal.ts'
import { openConsumers } from './consumers.ts'
import { numberPragma } from './database.ts'
import { openEventTable } from './events.ts'
import { journalSchema } from './journal.ts'
import { type PastRun, type PastRunsAsk, pastRuns } from './run-history.ts'

/** The journal beside the gateway, whether it runs or not. */
export interface JournalReader extends Disposable {
  page(ask: EventsAsk): EventsPage
  dead(ask: DeadLetterAsk): readonly DeadLetter[]
  /** One after the other. */
  runs(ask: PastRunsAsk): Iterable<PastRun>
}

/** Reads only, and changes nothing of the file. Throws `store.no-journal`, `store.file-newer` or `store.unreadable`. */
export function openJournalReader(stateFolder: string): JournalReader {
  const path = join(stateFolder, 'journal.db')
  if (!existsSync(path)) throw noJournal(path)
  let db: Database.Database | undefined
  try {
    db = new Database(path, { readonly: true })
    const version = numberPragma(db, 'user_version')
    if (version > journalSchema.migrations.length) throw newer(path, version)
    if (version < journalSchema.migrations.length) throw older(path)
    const events = openEventTable(db)
    const consumers = openConsumers(db)
    const opened = db
    return { page: events.page, dead: consumers.dead, runs: (ask) => pastRuns(opened, ask), [Symbol.dispose]: () => void opened.close() }
  } catch (error) {
    db?.close()
    if (error instanceof Fault) throw error
    throw new Fault('store.unreadable', `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`, {
      remedy: 'Run this as the user that Lineside runs as, or start the gateway.',
      cause: error,
    })
  }
}

function noJournal(path: string): Fault {
  return new Fault('store.no-journal', `There is no journal ${path}.`, {
    remedy: 'Name the folder of the site with --site, or a gateway that runs with --url.',
  })
}

function newer(path: string, version: number): Fault {
  return new Fault(
    'store.file-newer',
    `${path} has version ${version}; this Lineside knows versions up to ${journalSchema.migrations.length}.`,
    {
      remedy: 'Use the newer Lineside that wrote it.',
    },
  )
}

function older(path: string): Fault {
  return new Fault('store.file-older', `${path} was written by an older Lineside.`, {
    remedy: 'Start the gateway once: it brings the file up to date.',
  })
}
