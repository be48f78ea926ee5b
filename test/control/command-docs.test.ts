import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const repository = join(import.meta.dirname, '../..')
const document = readFileSync(join(repository, 'docs/commands.md'), 'utf8')
const rows = [...document.matchAll(/^\| `(command\.[a-z-]+)` \| (refused|failed|unknown) \|/gm)].map((match) => match[1] ?? '')

/** Every code that the control room can make a fault of. */
function codesInSource(): readonly string[] {
  const texts = globSync('src/control/*.ts', { cwd: repository }).map((file) => readFileSync(join(repository, file), 'utf8'))
  return texts.flatMap((text) => [...text.matchAll(/new Fault\(\s*'(command\.[a-z-]+)'/g)].map((match) => match[1] ?? ''))
}

describe('docs/commands.md', () => {
  it('lists every code of the command road, and no other', () => {
    expect(rows.toSorted()).toEqual([...new Set(codesInSource())].toSorted())
  })

  it('is compared with codes that are really found', () => {
    expect(codesInSource()).toContain('command.interlock')
    expect(rows.length).toBeGreaterThan(20)
  })

  it('has each of its refusals tested', () => {
    const tests = globSync('test/{control,system}/*.test.ts', { cwd: repository }).map((file) =>
      readFileSync(join(repository, file), 'utf8'),
    )
    expect(rows.filter((code) => !tests.some((text) => text.includes(`'${code}'`)))).toEqual([])
  })
})
