/**
 * Writes `test/store/journals/version-N.db.gz` with what runs of today leave behind: to be run once before a version is released whose journal has
 * another schema or other records. A file that is there already is never written again.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { journalSchema } from '../../src/store/journal.ts'
import { writeOldJournal } from '../control/flows/old-flows.ts'
import { makeStateFolder } from './state-folder.ts'

const file = new URL(`../store/journals/version-${journalSchema.migrations.length}.db.gz`, import.meta.url)
if (existsSync(file)) throw new Error(`${file.pathname} is there, and is not changed any more`)
using folder = makeStateFolder()
await writeOldJournal(folder.path)
writeFileSync(file, gzipSync(readFileSync(join(folder.path, 'journal.db')), { level: 9 }))
process.stdout.write(`${file.pathname}\n`)
