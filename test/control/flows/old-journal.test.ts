import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { compileFlow } from '../../../src/control/flows/compiled.ts'
import { definitionOf, startOf } from '../../../src/control/flows/kept.ts'
import { journalSchema } from '../../../src/store/journal.ts'
import { makeStateFolder } from '../../support/state-folder.ts'
import { openTestStore } from '../../support/store-samples.ts'
import { Life, World } from './life.ts'
import { goesOn, writeOldJournal } from './old-flows.ts'

/** Files that released versions have written; one more with each version of the schema, and none is ever changed. */
const kept = (version: number): URL => new URL(`../../store/journals/version-${version}.db.gz`, import.meta.url)
const journal = kept(1)

describe('a journal of version 1', () => {
  it('is read, and each of its runs goes on as it would have', async () => {
    using folder = makeStateFolder()
    await writeFile(join(folder.path, 'journal.db'), gunzipSync(await readFile(journal)))
    await using store = await openTestStore(folder.path)
    const { runs, definitions } = await store.openRuns({ afterId: 0 })
    const ends: Record<string, unknown> = {}
    for (const one of runs) {
      const flow = definitionOf(definitions[one.version] ?? '')
      expect(compileFlow(flow).steps.isChain).toBe(true)
      const { trigger, input } = startOf(one)
      const world = new World({ 'filler/gate': true, 'filler/count': 7 })
      const life = new Life({ flow, world, trigger, input, past: one.records })
      const end = await life.end()
      ends[one.run] = [typeof end === 'object' ? end.state : end, ...world.effects]
    }
    const [report, close] = ['publish rejects {"weight":489.5}', 'write filler/gate false']
    expect(ends).toEqual({
      blank: ['completed', 'write filler/gate true', 'write filler/count 7', report, close],
      'write-in-doubt': ['completed', 'write filler/count 7', report, close],
      'message-in-doubt': ['completed', 'publish rejects {"weight":480}', close],
      'failed-step': ['failed'],
    })
  })

  it('shows the runs that have ended', async () => {
    using folder = makeStateFolder()
    await writeFile(join(folder.path, 'journal.db'), gunzipSync(await readFile(journal)))
    await using store = await openTestStore(folder.path)
    expect(await store.runs({ rowsMax: 10, state: 'unsettled' })).toMatchObject([{ run: 'unsettled', flow: 'reject', state: 'unsettled' }])
    const one = await store.run({ run: 'completed' })
    expect(one?.records).toHaveLength(8)
    expect(definitionOf(one?.definition ?? '')).toMatchObject({ flow: 'reject', title: 'Reject a bottle', priority: 'normal' })
  })
})

/** What there is of each kind in a journal: records by their status, decisions by what was decided, runs by their state. */
function kindsIn(file: string): readonly string[] {
  const db = new Database(file, { readonly: true })
  try {
    const kinds = `SELECT DISTINCT coalesce(status, 'intent') || CASE WHEN status = 'decision' THEN ' ' || json_extract(data, '$.order') ELSE '' END AS kind
      FROM run_records UNION SELECT DISTINCT 'run ' || coalesce(state, 'open') FROM runs ORDER BY kind`
    return db
      .prepare<[], { readonly kind: string }>(kinds)
      .all()
      .map(({ kind }) => kind)
  } finally {
    db.close()
  }
}

const records = ['done', 'failed', 'intent', 'retrying', 'skipped', 'unknown']
const orders = ['answer', 'cancel', 'pause', 'resume', 'retry', 'settle', 'skip', 'unwind', 'way']
const states = ['cancelled', 'completed', 'open', 'settled', 'unsettled']
const allKinds = [...orders.map((order) => `decision ${order}`), ...records, ...states.map((state) => `run ${state}`)].toSorted()

const wentOn = {
  states: [
    'lost settled',
    'lost unsettled',
    'lost completed',
    'kinds completed',
    'child completed',
    'paused completed',
    'asked completed',
    'asked completed',
    'skipping completed',
    'unwinding failed',
    'cancelled cancelled',
    'cancelled completed',
  ],
  writes: ['plc/after true', 'plc/asked true', 'plc/paused true', 'plc/pump false', 'plc/speed 17'],
  published: ['a/b/kinds/done {"child":{"from":"child"},"called":true}', 'a/b/lost 3'],
}

describe.each([3, 4])('a journal of version %i', (version) => {
  it('holds a record of each kind, and each of its runs goes on as it would have', async () => {
    using folder = makeStateFolder()
    const file = join(folder.path, 'journal.db')
    await writeFile(file, gunzipSync(await readFile(kept(version))))
    expect(kindsIn(file)).toEqual(allKinds)
    expect(await goesOn(folder.path)).toEqual(wentOn)
  })
})

describe('a journal of today', () => {
  it('holds no kind of record that those kept do not, and its runs go on the same', async () => {
    using folder = makeStateFolder()
    await writeOldJournal(folder.path)
    // Where this fails: keep what today writes, by test/support/keep-journal-process.ts, and try it above.
    expect(kindsIn(join(folder.path, 'journal.db'))).toEqual(allKinds)
    expect(await goesOn(folder.path)).toEqual(wentOn)
  })

  it('has a schema of which a journal is kept', async () => {
    await expect(readFile(kept(journalSchema.migrations.length))).resolves.toBeDefined()
  })
})
