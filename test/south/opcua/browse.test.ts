import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { loadFiles, siteFolder, siteYaml } from '../../site/site-folder.ts'
import { lineside } from '../../support/lineside-program.ts'
import { startTree, type Tree } from '../../support/opcua-tree-process.ts'
import { makeStateFolder } from '../../support/state-folder.ts'

const main = fileURLToPath(new URL('../../../bin/lineside.js', import.meta.url))

interface Found {
  readonly tag: string
  readonly node: string
  readonly [key: string]: unknown
}

async function browsed(url: string, ...args: readonly string[]): Promise<readonly Found[]> {
  using state = makeStateFolder()
  const ran = await lineside(['browse', url, '--security', 'None', '--json', ...args], { environment: { XDG_STATE_HOME: state.path } })
  if (ran.code !== 0) throw new Error(ran.error)
  return JSON.parse(ran.out) as readonly Found[]
}

vi.setConfig({ testTimeout: 90_000 }) // servers and programs of their own, on a machine that may be busy

/** The plain tests share one: a server takes seconds to start. */
let tree: Tree
beforeAll(async () => {
  tree = await startTree()
}, 120_000)
afterAll(() => tree[Symbol.asyncDispose]())

describe('lineside browse', () => {
  it('shows type, access, unit and range of each variable once, in spite of loops', async () => {
    const found = await browsed(tree.url, '--include', 'Plant/Odd/**')
    const base = 'nsu=urn:test:tree%3Bv=1;s=Odd.'
    expect(found).toEqual([
      {
        tag: 'Plant/Odd/Pressure',
        node: `${base}Pressure`,
        type: 'f64',
        range: [0, 250],
        unit: 'bar',
        description: 'Of the press',
        dataType: 'Double',
        access: 'read, write',
      },
      { tag: 'Plant/Odd/Read_only', node: `${base}ro`, type: 'i16', dataType: 'Int16', access: 'read' },
      { tag: 'Plant/Odd/Secret', node: `${base}secret`, type: 'i16', dataType: 'Int16', access: 'write', refusal: 'may not be read' },
      { tag: 'Plant/Odd/Array', node: `${base}array`, dataType: 'Float', access: 'read, write' },
      { tag: 'Plant/Odd/Any', node: `${base}any`, dataType: 'ns=0;i=26', access: 'read, write' },
      {
        tag: 'Plant/Odd/Enum',
        node: `${base}enum`,
        type: 'i32',
        description: '0 Running, 1 Failed, 2 NoConfiguration, 3 Suspended, 4 Shutdown, 5 Test, 6 CommunicationFault, 7 Unknown',
        dataType: 'ns=0;i=852',
        access: 'read, write',
      },
      { tag: 'Plant/Odd/Structure/Low', node: `${base}structure`, field: 'Low', type: 'f64', dataType: 'Double', access: 'read' },
      { tag: 'Plant/Odd/Structure/High', node: `${base}structure`, field: 'High', type: 'f64', dataType: 'Double', access: 'read' },
      { tag: 'Plant/Odd/set_', node: `${base}set`, type: 'bool', dataType: 'Boolean', access: 'read, write' },
      { tag: 'Plant/Odd/a_b_c', node: `${base}a;b`, type: 'string', dataType: 'String', access: 'read, write' },
      { tag: 'Plant/Odd/a_b_c_2', node: `${base}abc`, type: 'u64', dataType: 'UInt64', access: 'read, write' },
      expect.objectContaining({ tag: 'Plant/Odd/_1_1_-_x_y_2J', dataType: 'Byte', description: '=HYPERLINK("http://x") evil: true' }),
    ])
  })

  it('follows a folder over many answers, where the server keeps one place open at a time and takes ten nodes a request', async () => {
    await using other = await startTree({ wide: 1_100, folders: 4, browseMax: 10, pointsMax: 1 })
    const found = await browsed(other.url, '--include', 'Plant/Wide/*', '--include', 'Plant/Area_*/*')
    expect(new Set(found.map(({ node }) => node)).size).toBe(1_100 + 4 * 5)
    expect(found.length).toBe(1_120)
  })

  it('begins where it is told, goes as deep as it is told, and leaves out what is excluded', async () => {
    expect((await browsed(tree.url, '--root', '/Objects/3:Plant/3:Area 0')).map(({ tag }) => tag)).toEqual(['V0', 'V1', 'V2', 'V3', 'V4'])
    expect((await browsed(tree.url, '--root', 'nsu=urn:test:tree%3Bv=1;s=Plant.1', '--exclude', 'V[0]', 'V?')).length).toBe(0)
    expect(await browsed(tree.url, '--depth', '2')).toEqual([])
    expect((await browsed(tree.url, '--exclude', '**/Odd', '**/Area_1')).every(({ tag }) => tag.startsWith('Plant/Area_0/'))).toBe(true)
  })

  it('writes a device file that passes the check, in which nothing is writable unless it is asked for', async () => {
    using folder = makeStateFolder()
    const out = join(folder.path, 'tree.yaml')
    const run = async (...more: readonly string[]): Promise<string> => {
      const args = ['browse', tree.url, '--security', 'None', '--as-device', 'tree', '--out', out, ...more]
      expect((await lineside(args, { environment: { XDG_STATE_HOME: folder.path } })).code).toBe(0)
      expect(existsSync(`${out}.part`)).toBe(false)
      return await readFile(out, 'utf8')
    }
    const { site, problems } = await loadFiles({ 'lineside.yaml': siteYaml, 'devices/tree.yaml': await run() })
    expect(problems.map(({ code }) => code)).toEqual(['opcua.unencrypted'])
    expect(site?.tags.length).toBe(21)
    expect(site?.tags.filter(({ write }) => write !== undefined)).toEqual([])
    const again = await lineside(['browse', tree.url, '--as-device', 'tree', '--out', out])
    expect(again).toMatchObject({ code: 1, error: expect.stringContaining('device.exists') })
    const writable = await loadFiles({ 'lineside.yaml': siteYaml, 'devices/tree.yaml': await run('--writable', '--force') })
    expect(writable.site?.tags.find(({ path }) => path.endsWith('Pressure'))?.write).toMatchObject({ min: 0, max: 250 })
    expect(writable.site?.tags.find(({ path }) => path.endsWith('Read_only'))?.write).toBeUndefined()
  })

  it('writes no device where nothing can be a tag, and says so', async () => {
    using folder = makeStateFolder()
    const out = join(folder.path, 'tree.yaml')
    const args = ['browse', tree.url, '--security', 'None', '--as-device', 'tree', '--include', 'Nowhere/**']
    for (const to of [[], ['--out', out]]) {
      const ran = await lineside([...args, ...to], { environment: { XDG_STATE_HOME: folder.path } })
      expect(ran).toMatchObject({ code: 1, out: '', error: expect.stringContaining('(browse.nothing)\n    Look at --root') })
    }
    expect([existsSync(out), existsSync(`${out}.part`)]).toEqual([false, false])
  })

  it('writes a table that can be imported', async () => {
    const device = `device: tree\ndriver: opcua\nconnection: { url: "${tree.url}", security: None }\ntags: {}\n`
    await using folder = await siteFolder({ 'lineside.yaml': siteYaml, 'devices/tree.yaml': device })
    const csv = join(folder.path, 'tree.csv')
    const environment = { XDG_STATE_HOME: folder.path }
    const browse = (...more: readonly string[]) =>
      lineside(['browse', tree.url, '--security', 'None', '--csv', '--out', csv, ...more], { environment })
    expect((await browse()).code).toBe(0)
    expect(await browse()).toMatchObject({ code: 1, error: expect.stringContaining('table.exists') })
    expect((await browse('--force')).code).toBe(0)
    expect(await lineside(['import', 'tree', '--csv', csv, '--site', folder.path])).toMatchObject({ code: 0, error: '' })
    expect((await lineside(['check', folder.path])).out).toContain('1 device, 21 tags')
  })

  it('says what is wrong, and ends with 3 where the server cannot be reached', async () => {
    await using other = await startTree({ user: 'joe', password: 'right' })
    using state = makeStateFolder()
    const run = (url: string, ...args: readonly string[]): ReturnType<typeof lineside> =>
      lineside(['browse', url, ...args], { environment: { XDG_STATE_HOME: state.path } })
    expect(await run('opc.tcp://127.0.0.1:1', '--security', 'None')).toMatchObject({
      code: 3,
      error: expect.stringContaining('opcua.refused'),
    })
    expect(await run('opc.tcp://no-such-host.invalid:4840')).toMatchObject({
      code: 3,
      error: expect.stringContaining('opcua.unknown-host'),
    })
    expect(await run(other.url, '--security', 'None')).toMatchObject({ code: 3, error: expect.stringContaining('opcua.') })
    expect(await run(other.url, '--security', 'Basic256/Sign')).toMatchObject({ code: 2 })
    expect(await run(other.url, '--security', 'None', '--user', 'joe', '--secret', 'nowhere')).toMatchObject({
      code: 1, // as with import: nothing was asked of the server
      error: expect.stringContaining('secret.unknown'),
    })
    expect(await run('http://x')).toMatchObject({ code: 2, out: '' })
    expect(await run(other.url, '--depth', '0')).toMatchObject({ code: 2 })
  })

  it('says that there is no such node, and that a file belongs to another browse', async () => {
    using state = makeStateFolder()
    const file = join(state.path, 'state')
    const run = (...args: readonly string[]): ReturnType<typeof lineside> =>
      lineside(['browse', tree.url, '--security', 'None', ...args], { environment: { XDG_STATE_HOME: state.path } })
    expect(await run('--root', 'ns=3;s=nowhere')).toMatchObject({ code: 1, error: expect.stringContaining('opcua.no-such-node') })
    expect(await run('--root', '/Objects/3:Nowhere')).toMatchObject({ code: 1, error: expect.stringContaining('opcua.no-such-node') })
    for (const mine of ['something of mine\n', 'something of mine', '{"browse":1', 'x'.repeat(3_000_000)]) {
      await writeFile(file, mine)
      const isOurs = mine.startsWith('{')
      expect(await run('--resume', file, '--depth', '1')).toMatchObject(
        isOurs ? { code: 0 } : { code: 1, error: expect.stringContaining('browse.other-question') },
      )
      if (!isOurs) expect(await readFile(file, 'utf8')).toBe(mine)
    }
  })

  it('logs in with a secret that no command line shows', async () => {
    await using other = await startTree({ user: 'joe', password: 'right' })
    using state = makeStateFolder()
    const child = spawn(
      process.execPath,
      [main, 'browse', other.url, '--user', 'joe', '--secret', 'tree', '--csv', '--root', '/Objects/3:Plant/3:Area 0'],
      {
        env: { ...process.env, XDG_STATE_HOME: state.path, LINESIDE_SECRET_TREE: 'right' },
      },
    )
    const said: string[] = []
    child.stdout.on('data', (data) => said.push(String(data)))
    const [code] = await once(child, 'close')
    expect({ code, rows: said.join('').trim().split('\r\n').length }).toEqual({ code: 0, rows: 6 })
  })
})

describe('what a server says', () => {
  it('changes neither the terminal nor the file it is written to', async () => {
    using state = makeStateFolder()
    const run = (...args: readonly string[]): ReturnType<typeof lineside> =>
      lineside(['browse', tree.url, '--security', 'None', '--include', 'Plant/Odd/_*', ...args], {
        environment: { XDG_STATE_HOME: state.path },
      })
    expect((await run()).out).toMatch(/^Plant\/Odd\/_1_1_-_x_y_2J .*\n$/)
    expect((await run()).out.slice(0, -1)).not.toMatch(/\p{Cc}/u)
    expect((await run('--csv')).out).toContain(`"'=HYPERLINK(""http://x"") evil: true"`)
    const { site } = await loadFiles({ 'lineside.yaml': siteYaml, 'devices/x.yaml': (await run('--as-device', 'x')).out })
    expect(site?.devices[0]?.tags).toMatchObject([
      { path: 'Plant/Odd/_1_1_-_x_y_2J', address: { node: 'nsu=urn:test:tree%3Bv=1;s=Odd."hostile" # {' } },
    ])
  })

  it('may be a single variable', async () => {
    expect(await browsed(tree.url, '--root', 'nsu=urn:test:tree%3Bv=1;s=Odd.ro')).toMatchObject([{ tag: 'value', type: 'i16' }])
  })
})

describe('a server that goes away under a browse', () => {
  const args = (url: string, state: string): readonly string[] => [
    'browse',
    url,
    '--security',
    'None',
    '--timeout',
    '1s',
    '--csv',
    '--resume',
    state,
  ]

  it.each(['SIGKILL', 'SIGSTOP'] as const)(
    'by %s ends it with 3, and another one there lets it go on',
    async (signal) => {
      using folder = makeStateFolder()
      const state = join(folder.path, 'state')
      const environment = { XDG_STATE_HOME: folder.path }
      const size = { folders: 12, variables: 1_000 }
      let port = 0
      {
        await using first = await startTree(size)
        port = first.port
        const ran = lineside(args(first.url, state), { environment })
        await expect.poll(() => (existsSync(state) ? statSync(state).size : 0), { timeout: 100_000, interval: 5 }).toBeGreaterThan(500_000)
        first.signal(signal)
        expect(await ran).toMatchObject({ code: 3, out: '', error: expect.stringContaining(`--resume ${state} goes on from there`) })
      }
      await using second = await startTree({ ...size, port })
      const { code, out } = await lineside(args(second.url, state), { environment })
      const rows = out.trim().split('\r\n').slice(1)
      expect({ code, rows: rows.length, nodes: new Set(rows).size }).toEqual({ code: 0, rows: 12_011, nodes: 12_011 })
    },
    120_000,
  )
})

describe('lineside import of branches', () => {
  it('writes beside the device file what the server has, and tells what changed', async () => {
    const device = `device: tree
driver: opcua
connection: { url: "${tree.url}", security: None }
import:
  - { from: "/Objects/3:Plant/3:Odd", into: odd, exclude: [Loop, "a_*"], scan: slow }
  - { from: "nsu=urn:test:tree%3Bv=1;s=Plant.1", into: area, include: [V1, V2] }
scan: { slow: 5s }
tags: {}
`
    await using folder = await siteFolder({ 'lineside.yaml': siteYaml, 'devices/tree.yaml': device })
    const run = (...args: readonly string[]): ReturnType<typeof lineside> =>
      lineside(['import', 'tree', '--site', folder.path, ...args], { environment: { XDG_STATE_HOME: folder.path } })
    expect(await run()).toMatchObject({ code: 0, out: expect.stringContaining('11 added, 0 changed, 0 gone, 0 the same.') })
    const lock = join(folder.path, 'devices/tree.import.csv')
    expect(readFileSync(lock, 'utf8').split('\r\n').slice(0, 3)).toEqual([
      'tag,node,field,type,unit,range.min,range.max,scan,description',
      'area/V1,nsu=urn:test:tree%3Bv=1;s=Plant.1.V1,,f64,,,,,',
      'area/V2,nsu=urn:test:tree%3Bv=1;s=Plant.1.V2,,f64,,,,,',
    ])
    expect((await lineside(['check', folder.path])).out).toContain('1 device, 11 tags')
    expect(await run()).toMatchObject({ code: 0, out: '0 added, 0 changed, 0 gone, 11 the same.\n' })
    const older = readFileSync(lock, 'utf8').replace('area/V2', 'area/Gone').replace(',bar,', ',mbar,')
    await writeFile(lock, older)
    expect(await run('--conflicts', 'fail')).toMatchObject({
      code: 1,
      out: expect.stringContaining('~ odd/Pressure  unit: "mbar" -> "bar"'),
    })
    expect(readFileSync(lock, 'utf8')).toBe(older)
    expect(await run('--conflicts', 'keep')).toMatchObject({
      code: 0,
      out: expect.stringContaining('1 added, 1 kept as they were, 1 gone and kept'),
    })
    expect(await run()).toMatchObject({ code: 0, out: expect.stringContaining('0 added, 1 changed, 1 gone, 10 the same.') })
  })

  it('answers no where the branch is not there, as the server could be reached', async () => {
    const device = `device: tree\ndriver: opcua\nconnection: { url: "${tree.url}" }\nimport: [{ from: /Objects/3:Nowhere }]\ntags: {}\n`
    await using folder = await siteFolder({ 'lineside.yaml': siteYaml, 'devices/tree.yaml': device })
    const ran = await lineside(['import', 'tree', '--site', folder.path], { environment: { XDG_STATE_HOME: folder.path } })
    expect(ran).toMatchObject({ code: 1, error: expect.stringContaining('opcua.no-such-node') })
  })

  it('leaves the last table alone where the server cannot be reached', async () => {
    const device = 'device: tree\ndriver: opcua\nconnection: { url: "opc.tcp://127.0.0.1:1" }\nimport: [{ from: i=85 }]\ntags: {}\n'
    await using folder = await siteFolder({
      'lineside.yaml': siteYaml,
      'devices/tree.yaml': device,
      'devices/tree.import.csv': 'tag,node\na,i=2258\n',
    })
    const ran = await lineside(['import', 'tree', '--site', folder.path], { environment: { XDG_STATE_HOME: folder.path } })
    expect(ran).toMatchObject({ code: 3, error: expect.stringContaining('opcua.refused') })
    expect(readFileSync(join(folder.path, 'devices/tree.import.csv'), 'utf8')).toBe('tag,node\na,i=2258\n')
  })
})

/** Resident memory that the kernel has ever seen, MB. */
function peakMb(pid: number): number {
  const [, kib = '0'] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) / 1_024
}

interface Browsing {
  readonly pid: number
  readonly ended: Promise<number | null>
  kill(signal: NodeJS.Signals): void
}

function startBrowse(url: string, folder: string, file: string): Browsing {
  const args = [main, 'browse', url, '--security', 'None', '--timeout', '30s', '--csv', '--resume', file, '--out', join(folder, 'tags.csv')]
  const child = spawn(process.execPath, args, { env: { ...process.env, XDG_STATE_HOME: folder }, stdio: 'ignore' })
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  return { pid: child.pid ?? 0, ended, kill: (signal) => child.kill(signal) }
}

describe('a browse of 100,000 nodes', () => {
  it('goes on where it was killed or interrupted, finds each node once, and stays small', async () => {
    await using large = await startTree({ folders: 95, variables: 1_000, wide: 5_000 })
    using folder = makeStateFolder()
    const file = join(folder.path, 'state')
    const peaks: number[] = []
    for (const [at, signal] of [
      [4_000_000, 'SIGKILL'],
      [14_000_000, 'SIGINT'],
    ] as const) {
      const browse = startBrowse(large.url, folder.path, file)
      await expect.poll(() => (existsSync(file) ? statSync(file).size : 0), { timeout: 200_000, interval: 20 }).toBeGreaterThan(at)
      peaks.push(peakMb(browse.pid))
      browse.kill(signal)
      expect(await browse.ended).toBe(signal === 'SIGINT' ? 1 : null)
    }
    const last = startBrowse(large.url, folder.path, file)
    await expect
      .poll(() => statSync(file, { throwIfNoEntry: false })?.size ?? 26e6, { timeout: 200_000, interval: 20 })
      .toBeGreaterThan(25_500_000)
    peaks.push(peakMb(last.pid))
    expect(await last.ended).toBe(0)
    const rows = readFileSync(join(folder.path, 'tags.csv'), 'utf8').trim().split('\r\n').slice(1)
    const nodes = new Set(rows.map((row) => row.split(',')[1]))
    expect({ rows: rows.length, nodes: nodes.size }).toEqual({ rows: 100_011, nodes: 100_010 })
    expect(Math.max(...peaks)).toBeLessThan(265) // 220 here, and 227 for twice as many nodes; 328 before V8 was told to collect
  }, 600_000)
})
