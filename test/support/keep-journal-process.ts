/**
 * Writes `test/store/journals/version-N.db.gz` with what runs of today leave behind, and `shipped-N.json.gz` with what those of the shipped flows
 * do wherever the power fails: to be run once before a version is released whose journal has
 * another schema or other records. A file that is there already is never written again.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { journalSchema } from '../../src/store/journal.ts'
import { writeOldJournal } from '../control/flows/old-flows.ts'
import { livesOfToday } from '../control/flows/shipped-lives.ts'
import { makeStateFolder } from './state-folder.ts'

function keep(name: string, bytes: Uint8Array): void {
  const file = new URL(`../store/journals/${name}`, import.meta.url)
  if (existsSync(file)) {
    process.stdout.write(`${file.pathname} is there, and is not changed any more\n`)
    return
  }
  writeFileSync(file, gzipSync(bytes, { level: 9 }))
  process.stdout.write(`${file.pathname}\n`)
}

const version = journalSchema.migrations.length
using folder = makeStateFolder()
await writeOldJournal(folder.path)
keep(`version-${version}.db.gz`, readFileSync(join(folder.path, 'journal.db')))
keep(`shipped-${version}.json.gz`, Buffer.from(JSON.stringify(await livesOfToday())))
