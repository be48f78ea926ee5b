import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { init } from '../../src/cli/init.ts'
import { makeFolder } from '../../src/cli/make-folder.ts'

const terminal = { out: () => {}, error: () => {}, environment: {} }

let root = ''
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lineside-folder-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

describe('a folder that a command makes', () => {
  it('is made with all above it, by however many at once', async () => {
    const folder = join(root, 'a/b/c')
    await Promise.all([makeFolder(folder), makeFolder(folder), makeFolder(join(root, 'a/b/d'))])
    expect((await stat(folder)).isDirectory()).toBe(true)
  })

  it('cannot be below a file', async () => {
    await writeFile(join(root, 'file'), '')
    await expect(makeFolder(join(root, 'file/a'))).rejects.toThrow('EEXIST')
    await expect(makeFolder(join(root, 'file'))).rejects.toThrow('EEXIST')
  })

  it('is told of where the system has none of that name, and nobody waits for ever', { timeout: 10_000 }, async () => {
    await expect(makeFolder('/proc/lineside/site')).rejects.toThrow('ENOENT')
    await expect(init('/proc/lineside', terminal)).rejects.toMatchObject({ code: 'init.unusable' })
  })
})

describe('what init says comes next', () => {
  it.each([
    [{}, 'lineside'],
    [{ npm_lifecycle_event: 'lineside' }, 'npm run lineside --'],
  ])('can be typed as it stands', async (environment, program) => {
    const said: string[] = []
    const folder = join(root, 'line 1')
    await init(folder, { ...terminal, environment, out: (text) => said.push(text) })
    expect(said.join('')).toContain(`  ${program} check '${folder}'\n  ${program} run '${folder}'\n`)
  })
})
