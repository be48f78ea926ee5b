import { execFile } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { runProgram } from '../../src/cli/program.ts'
import { goodSite, siteFolder } from '../site/site-folder.ts'

interface Ran {
  readonly code: number
  readonly out: string
  readonly error: string
}

async function lineside(...args: readonly string[]): Promise<Ran> {
  let out = ''
  let error = ''
  const terminal = {
    out: (text: string) => {
      out += text
    },
    error: (text: string) => {
      error += text
    },
    environment: {},
  }
  const code = await runProgram(args, terminal)
  return { code, out, error }
}

describe('lineside check', () => {
  it('says that a good site can run', async () => {
    await using folder = await siteFolder(goodSite)
    const { code, out } = await lineside('check', folder.path)
    expect({ code, out }).toEqual({
      code: 0,
      out: expect.stringMatching(
        /^acme\/munich\/line-1 can run: 1 device, 3 tags, 1 flow; 0 errors, 0 warnings\.\nOnly users may come in\..* admin, .*\/first-password until the first login\.\n$/,
      ),
    })
  })

  it('names each problem with place, code and remedy, and answers no', async () => {
    await using folder = await siteFolder({ ...goodSite, 'lineside.yaml': 'site: acme/line-1\nmqtt: { prot: 1 }\n' })
    const { code, out } = await lineside('check', folder.path)
    expect(code).toBe(1)
    expect(out).toBe(
      `${folder.path}/lineside.yaml:2:9  site.unknown-key  There is no key \`prot\` in \`mqtt\`.\n    Did you mean \`port\`?\nThe site cannot run: 1 error, 0 warnings.\n`,
    )
  })

  it('tells the same as JSON', async () => {
    await using folder = await siteFolder({ ...goodSite, 'lineside.yaml': 'site: acme/line-1\nmqtt: { anonymous: true }\n' })
    const { code, out } = await lineside('check', folder.path, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      isValid: true,
      problems: [{ file: 'lineside.yaml', line: 2, column: 20, code: 'mqtt.anonymous', severity: 'warning' }],
    })
  })

  it('lets no site file write to the terminal what it likes', async () => {
    await using folder = await siteFolder({ ...goodSite, 'lineside.yaml': 'site: acme/line-1\n"\\e[2Jx": 1\n' })
    expect((await lineside('check', folder.path)).out).not.toContain('\u001b')
  })
})

describe('lineside init', () => {
  it('writes a site that passes the check without a warning', async () => {
    await using folder = await siteFolder({})
    expect(await lineside('init', join(folder.path, 'line-1'))).toMatchObject({ code: 0, error: '' })
    expect(await lineside('check', join(folder.path, 'line-1'))).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^my-company\/my-plant\/line-1 can run: 1 device, 4 tags, 1 flow; 0 errors, 0 warnings\.\nOnly users/),
    })
  })

  it('touches no folder that is in use', async () => {
    await using folder = await siteFolder({ 'notes.txt': 'mine' })
    const { code, error } = await lineside('init', folder.path)
    expect(code).toBe(1)
    expect(error).toContain('is not empty')
    expect(await readdir(folder.path)).toEqual(['notes.txt'])
  })

  it('says what is wrong with a place that is no folder', async () => {
    await using folder = await siteFolder({})
    await writeFile(join(folder.path, 'file'), '')
    expect(await lineside('init', join(folder.path, 'file'))).toMatchObject({ code: 1, error: expect.stringContaining('cannot be used') })
  })
})

describe('lineside schema', () => {
  it('prints the schema of its name, or the names', async () => {
    expect(JSON.parse((await lineside('schema', 'flow')).out)).toMatchObject({ title: 'Lineside: flows/*.yaml', anyOf: expect.any(Array) })
    expect((await lineside('schema')).out).toBe('site\ndevice\nflow\nflow-test\n')
  })

  it('asks whether another name was meant: there are four, and this is a wrong use', async () => {
    expect(await lineside('schema', 'flows')).toEqual({
      code: 2,
      out: '',
      error: 'There is no schema "flows".  (usage.schema)\n    Did you mean `flow`?\n',
    })
  })
})

describe('a command line', () => {
  it.each([[['chek']], [['check', '--jsn']], [['init']], [['check', 'a', 'b']], [[]]])(
    'that is used wrongly ends with 2: %j',
    async (args) => {
      const { code, error } = await lineside(...args)
      expect(code).toBe(2)
      expect(error).not.toMatch(/^\s+at /m)
    },
  )

  it.each(['run', 'demo', 'init', 'check', 'schema', 'trust', 'user', 'mqtt'])('has help with an example: %s', async (command) => {
    const { code, out } = await lineside(command, '--help')
    expect(code).toBe(0)
    expect(out).toContain(`$ lineside ${command}`)
  })

  it('tells its version', async () => {
    expect(await lineside('--version')).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  })

  it.each(['20.20.2', '24.6.0'])('says which Node it needs under %s', async (version) => {
    const main = fileURLToPath(new URL('../../bin/lineside.js', import.meta.url))
    const older = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'${version}'}})`
    const failed = await promisify(execFile)(process.execPath, ['--import', older, main, 'check']).catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Lineside needs Node 24.7 or later') })
  })

  it('as a process answers by its exit code', async () => {
    const main = fileURLToPath(new URL('../../bin/lineside.js', import.meta.url))
    const failed = await promisify(execFile)(process.execPath, [main, 'check', '/nowhere']).catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 1, stdout: expect.stringContaining('site.no-folder'), stderr: '' })
  })
})
