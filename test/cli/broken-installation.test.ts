import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { goodSite, siteFolder } from '../site/site-folder.ts'

const program = new URL('../../bin/lineside.js', import.meta.url).pathname
const cronFlow = 'flow: early\non: [{ cron: "0 6 * * *" }]\nsteps: [{ id: tell, publish: { topic: early, payload: 1 } }]\n'
const site = { ...goodSite, 'flows/early.yaml': cronFlow }

/** Runs a command line whose installation lacks a library. */
async function lineside(args: readonly string[], missing?: string): Promise<{ code: number; out: string; error: string }> {
  const hooks = `import { registerHooks } from 'node:module'
    registerHooks({ resolve: (name, context, next) => next(name === ${JSON.stringify(missing ?? '')} ? 'a-library-that-nobody-has' : name, context) })`
  const preload = `data:text/javascript,${encodeURIComponent(hooks)}`
  const child = spawn(process.execPath, ['--import', preload, program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const code = new Promise<number>((resolve) => child.once('close', (exit) => resolve(exit ?? -1)))
  const [out, error] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await code, out, error }
}

describe('an installation that lacks a library', () => {
  it('is what the preload of this test makes of a whole one', async () => {
    await using folder = await siteFolder(site)
    const { code, out } = await lineside(['check', folder.path])
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining('2 flows; 0 errors') })
  })

  it.each([
    [
      '@marcbachmann/cel-js',
      /^A part of Lineside, the library cel-js, cannot be loaded: .*\(install\.library\)\n {4}Install Lineside again: .*\n$/,
    ],
    ['croner', /^A part of Lineside, the library croner, cannot be loaded: .*\(install\.library\)\n {4}Install Lineside again: .*\n$/],
    ['yaml', /^Cannot find package .*\n {4}A part of Lineside is missing\. Install it again: .*\n$/],
  ])('is told by `check` as that, once, and blames no line of a file (%s)', async (missing, words) => {
    await using folder = await siteFolder(site)
    const { code, out, error } = await lineside(['check', folder.path], missing)
    expect(out).toBe('')
    expect(error).toMatch(words)
    expect(code).toBe(1)
  })

  it('ends the daemon before it begins, and says why', async () => {
    await using folder = await siteFolder(site)
    const { code, error } = await lineside(['run', folder.path], 'croner')
    expect(error).toContain('install.library')
    expect(error).not.toMatch(/^ {4}at /m)
    expect(code).toBe(1)
  })
})
