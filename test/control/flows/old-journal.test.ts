import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { compileFlow } from '../../../src/control/flows/compiled.ts'
import { definitionOf, startOf } from '../../../src/control/flows/kept.ts'
import { makeStateFolder } from '../../support/state-folder.ts'
import { openTestStore } from '../../support/store-samples.ts'
import { Life, World } from './life.ts'

/** Files that released versions have written; one more with each version of the schema, and none is ever changed. */
const journal = new URL('../../store/journals/version-1.db.gz', import.meta.url)

describe('a journal of version 1', () => {
  it('is read, and each of its runs goes on as it would have', async () => {
    using folder = makeStateFolder()
    await writeFile(join(folder.path, 'journal.db'), gunzipSync(await readFile(journal)))
    await using store = await openTestStore(folder.path)
    const { runs, definitions } = await store.openRuns({ afterId: 0 })
    const ends: Record<string, unknown> = {}
    for (const kept of runs) {
      const flow = definitionOf(definitions[kept.version] ?? '')
      expect(compileFlow(flow).steps.isChain).toBe(true)
      const { trigger, input } = startOf(kept)
      const world = new World({ 'filler/gate': true, 'filler/count': 7 })
      const life = new Life({ flow, world, trigger, input, past: kept.records })
      const end = await life.end()
      ends[kept.run] = [typeof end === 'object' ? end.state : end, ...world.effects]
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
