import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposableSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
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

describe('cures that are interrupted', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('leave neither their copy nor a worker behind at %s, and end as a shell expects', async (signal, code) => {
    using folder = mkdtempDisposableSync(join(tmpdir(), 'interrupted-'))
    const environment = { ...process.env, TMPDIR: folder.path }
    const cures = spawn(process.execPath, [join(repository, 'bench', 'cures.ts')], { env: environment, stdio: 'ignore' })
    const ended = once(cures, 'exit')
    await vi.waitFor(() => expect(inside(folder.path).length).toBeGreaterThan(1)).finally(() => cures.kill(signal)) // vitest and its worker
    expect(await ended).toEqual([code, null])
    expect(inside(folder.path)).toEqual([])
    expect(readdirSync(folder.path)).toEqual([])
  })
})

/** The processes that work in a folder of `folder`. */
function inside(folder: string): readonly string[] {
  return readdirSync('/proc').filter((entry) => {
    try {
      return readlinkSync(`/proc/${entry}/cwd`).startsWith(`${folder}/`)
    } catch {
      return false // no process, or it ended while we looked
    }
  })
}
