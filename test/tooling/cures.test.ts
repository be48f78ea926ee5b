import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cures } from '../../bench/cures/all.ts'
import { type Cure, sick } from '../../bench/cures/cure.ts'
import { copyTree, verdictOf } from '../../bench/cures/ward.ts'

const repository = join(import.meta.dirname, '..', '..')
const frame = 'src/south/modbus/frame.ts'
const test = { file: 'test/south/modbus/frame.test.ts', title: 'is refused from its header, before the rest has come' }

function textOf(file: string): string {
  return readFileSync(join(repository, file), 'utf8')
}

/** `npm run cures` takes minutes, and is a command of its own; here stands what keeps its list true from day to day. */
describe('the list of cures', () => {
  it.each(cures.map((cure) => [cure.trap, cure] as const))(
    '%s: its text stands once, and its test is there',
    (_, { edits, test: guard }) => {
      for (const edit of edits) expect(sick(textOf(edit.file), edit)).not.toBe(textOf(edit.file))
      expect(edits).not.toEqual([])
      expect(textOf(guard.file)).toContain(guard.title)
    },
  )

  it('names no trap twice', () => {
    expect(new Set(cures.map(({ trap }) => trap)).size).toBe(cures.length)
  })
})

describe('a cure that is taken away', () => {
  const cured = 'if (length < lengthMin || length > lengthMax)'
  const cases: readonly (readonly [string, Cure, string])[] = [
    ['is guarded by a test that fails then', cureOf({ file: frame, cure: cured, without: 'if (length < 0)' }), 'to throw'],
    [
      'is not guarded by one that passes',
      cureOf({ file: frame, cure: cured, without: 'if (length > lengthMax || length < lengthMin)' }),
      'passed',
    ],
    ['is not guarded by one that cannot run', cureOf({ file: frame, cure: cured, without: 'if (((' }), 'did not run'],
    [
      'is not guarded by one that is not there',
      { ...cureOf({ file: frame, cure: cured, without: '' }), test: { ...test, title: 'no such title' } },
      'did not run',
    ],
  ]

  it.each(cases)('%s', async (title, cure, why) => {
    await using tree = await copyTree()
    const verdict = await verdictOf(tree, cure)
    expect(verdict).toEqual({ isGuarded: title.startsWith('is guarded'), why: expect.stringContaining(why) })
    expect(readFileSync(join(tree.folder, frame), 'utf8')).toBe(textOf(frame))
  })

  function cureOf(edit: Cure['edits'][number]): Cure {
    return { trap: 'a length that cannot be', edits: [edit], test }
  }
})
