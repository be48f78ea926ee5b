import { readdir, readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { shipped } from './shipped-line.ts'
import { goOn, type KeptLife } from './shipped-lives.ts'

/** What released versions have kept; one more with each version whose records are others, and none is ever changed. */
const folder = new URL('../../store/journals/', import.meta.url)
const files = (await readdir(folder)).filter((file) => file.startsWith('shipped-'))

describe.each(files)('the journals of the shipped flows in %s', (file) => {
  it('are taken up wherever the power failed, and end as they did then, with nothing done twice', async () => {
    const lives = JSON.parse(gunzipSync(await readFile(new URL(file, folder))).toString()) as readonly KeptLife[]
    expect(lives.length).toBeGreaterThan(50)
    for (const life of lives) {
      const { flow, cut } = life
      const became = await goOn(life)
      expect({ flow, cut, ...became }).toEqual({ flow, cut, ...life.became })
      const forward = became.done.filter((key) => !key.includes('~'))
      expect(forward).toEqual([...new Set(forward)])
    }
  })
})

it('journals are kept of each shipped flow', async () => {
  const kept = await Promise.all(files.map(async (file) => gunzipSync(await readFile(new URL(file, folder))).toString()))
  const flows = new Set(kept.flatMap((text) => (JSON.parse(text) as readonly KeptLife[]).map(({ flow }) => flow)))
  // Where this fails: a shipped flow is new. Keep its lives, by test/support/keep-journal-process.ts.
  expect([...flows].toSorted()).toEqual(Object.keys(shipped).toSorted())
})
