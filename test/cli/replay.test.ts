import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { runProgram } from '../../src/cli/program.ts'
import { startTestApi } from '../north/api/api-on-socket.ts'
import { goodSite, siteFolder } from '../site/site-folder.ts'

const flow = (version: number, limit: number, more = ''): string => `flow: watch
version: ${version}
on:
  - { tag: press-07/hydraulics/pressure, when: value > ${limit} }
  - { event: order.came }
  - { topic: orders/+ }
steps:
  - id: lower
    write: { press-07/recipe/setpoint: 100 }
    undo: []
${more}`

const second = (number: number): string => new Date(Date.UTC(2026, 0, 5) + number * 1_000).toISOString()
const change = (at: number, tag: string, value: unknown, quality = 'good'): string =>
  JSON.stringify({ time: second(at), tag, value, quality })
const pressure = (at: number, value: number): string => change(at, 'press-07/hydraulics/pressure', value)
const begin = [pressure(0, 100), change(0, 'press-07/motor/running', false), change(0, 'press-07/recipe/setpoint', 0)]

async function replay(
  lines: readonly string[],
  {
    now,
    was,
    args = [],
    services = '{}',
  }: { readonly now: string; readonly was?: string; readonly args?: readonly string[]; readonly services?: string },
) {
  const siteFile = `${goodSite['lineside.yaml']}services: ${services}\n`
  await using site = await siteFolder({ ...goodSite, 'lineside.yaml': siteFile, 'flows/watch.yaml': now })
  await using before = await siteFolder({ ...goodSite, 'flows/watch.yaml': was ?? now })
  const file = join(site.path, 'recording.jsonl')
  await writeFile(file, `${lines.join('\n')}\n`)
  let out = ''
  const take = (text: string): void => {
    out += text
  }
  const compare = was === undefined ? [] : ['--was', before.path]
  const code = await runProgram(['replay', file, '--site', site.path, '--flow', 'watch', ...compare, ...args], {
    out: take,
    error: take,
    environment: {},
  })
  return { code, out: out.replaceAll(`${site.path}/`, '') }
}

describe('lineside record', () => {
  it('writes every tag as it is, then each change, in lines that can be replayed, and writes over nothing', async () => {
    await using server = await startTestApi()
    await using site = await siteFolder({ 'lineside.yaml': `site: acme/line-1\nstorage: { path: ${server.folder} }\n` })
    const file = join(site.path, 'shift.jsonl')
    const stop = new AbortController()
    const quiet = { out: () => {}, error: () => {}, environment: {}, stop: stop.signal }
    const recording = runProgram(['record', '--to', file, '--site', site.path, '--for', '1m'], quiet)
    const lines = async () =>
      (await readFile(file, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    await vi.waitFor(async () => expect((await lines()).length).toBeGreaterThan(5), 10_000)
    stop.abort()
    expect(await recording).toBe(0)
    expect((await lines()).find(({ tag }) => tag === 'press/setpoint')).toEqual({
      time: expect.stringMatching(/Z$/),
      tag: 'press/setpoint',
      value: 42.5,
      quality: 'good',
    })
    expect(await runProgram(['record', '--to', file, '--site', site.path, '--for', '1m'], { ...quiet, stop: AbortSignal.abort() })).toBe(1)
    expect(await runProgram(['record', '--to', `${file}2`, '--site', site.path, '--for', '10'], quiet)).toBe(2)
  })

  it('ends in time where no tag has anything to tell, and leaves no file behind', async () => {
    await using server = await startTestApi()
    await using site = await siteFolder({ 'lineside.yaml': `site: acme/line-1\nstorage: { path: ${server.folder} }\n` })
    const file = join(site.path, 'shift.jsonl')
    const said: string[] = []
    const terminal = { out: () => {}, error: (text: string) => void said.push(text), environment: {} }
    const recording = runProgram(['record', '--to', file, '--site', site.path, '--for', '1s', '--filter', 'nothing/#'], terminal)
    expect([await recording, said.join('')]).toEqual([1, expect.stringContaining('Nothing was recorded')])
    await expect(readFile(file)).rejects.toThrow('ENOENT')
  })

  it('ends where it is told to before the gateway answers', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    await using folder = await siteFolder({})
    const { port } = silent.address() as AddressInfo
    const stop = new AbortController()
    silent.once('connection', () => stop.abort())
    const quiet = { out: () => {}, error: () => {}, environment: {}, stop: stop.signal }
    const args = ['record', '--to', join(folder.path, 'shift.jsonl'), '--url', `http://127.0.0.1:${port}`]
    expect(await runProgram(args, quiet)).toBe(1)
    silent.close()
  })
})

describe('lineside replay', () => {
  const peaks = [...begin, pressure(10, 205), pressure(20, 150), pressure(30, 215), pressure(40, 150), pressure(50, 206), pressure(60, 100)]

  it('tells when a flow would have started, why, and what it would have done', async () => {
    const { code, out } = await replay(peaks, { now: flow(1, 210) })
    expect(code).toBe(0)
    expect(out).toBe(
      'watch version 1 would have started once; 9 changes were played.\n' +
        '  2026-01-05T00:00:30.000Z  press-07/hydraulics/pressure = 215  completed  lower/0: 100\n',
    )
  })

  it('takes a service for one that says yes, whatever the flow takes for a yes', async () => {
    const ask = '  - id: ask\n    request: { service: mes, path: /x, expect: [204] }\n'
    const { out } = await replay(peaks, { now: flow(1, 210, ask), services: '{ mes: { url: "http://127.0.0.1:9" } }' })
    expect(out).toMatch(/= 215 {2}completed/)
  })

  it('finds runs alike that tell their own ids', async () => {
    const tell = "  - id: tell\n    publish: { topic: told, payload: { run: '${run.id}' }, key: id }\n"
    const { code, out } = await replay(peaks, { now: flow(2, 210, tell), was: flow(1, 210, tell) })
    expect([code, out]).toEqual([0, expect.stringContaining('watch version 2 once; 1 run alike.')])
  })

  it('shows where another version would have started, and the old one did not', async () => {
    const { code, out } = await replay(peaks, { now: flow(5, 200), was: flow(4, 210) })
    expect(code).toBe(1)
    expect(out).toContain('watch version 4 would have started once, watch version 5 3 times; 1 run alike.')
    expect(out).toContain('watch version 5 would have started 2 times where watch version 4 did not:\n  2026-01-05T00:00:10.000Z')
    expect(await replay(peaks, { now: flow(5, 210), was: flow(4, 200) })).toMatchObject({
      out: expect.stringContaining('watch version 4 would have started 2 times where watch version 5 does not'),
    })
  })

  it('shows runs that began alike and went otherwise', async () => {
    const more = '  - id: more\n    write: { press-07/recipe/setpoint: 90 }\n    undo: []\n'
    const { code, out } = await replay(peaks, { now: flow(5, 210, more), was: flow(4, 210) })
    expect(code).toBe(1)
    expect(out).toMatch(/1 run goes otherwise:\n {2}before .*lower\/0: 100\n {2}now {4}.*lower\/0: 100, more\/0: 90\n/)
  })

  it('shows beside each other what the same reading began sooner and later', async () => {
    const patient = (version: number, forTime: string) => flow(version, 210).replace('210 }', `210, for: ${forTime} }`)
    const { code, out } = await replay(peaks, { now: patient(5, '3s'), was: patient(4, '2s') })
    expect(code).toBe(1)
    expect(out).toMatch(
      /once; 0 runs alike\.\n\n1 run goes otherwise:\n {2}before 2026-01-05T00:00:32.* = 215 .*\n {2}now {4}2026-01-05T00:00:33/,
    )
  })

  it('says 0 where two versions go alike, and gives all of it as JSON', async () => {
    expect(await replay(peaks, { now: flow(5, 210), was: flow(4, 211) })).toMatchObject({ code: 0 })
    const { out } = await replay(peaks, { now: flow(5, 200), was: flow(4, 210), args: ['--json'] })
    expect(JSON.parse(out)).toMatchObject({ onlyNow: [{ state: 'completed' }, {}], onlyBefore: [], otherwise: [], alike: 1 })
  })

  it('asks the rules of the command road: what was running then refuses', async () => {
    const { out } = await replay([...begin, change(5, 'press-07/motor/running', true), pressure(10, 215)], { now: flow(1, 210) })
    expect(out).toContain('failed at lower (command.interlock)')
  })

  it('plays events and messages as well, and waits for what runs go on with', async () => {
    const event = JSON.stringify({ specversion: '1.0', id: 'x', time: second(10), type: 'order.came', subject: 'line-1', data: {} })
    const message = JSON.stringify({ time: second(20), topic: 'orders/7', payload: { press: 7 } })
    const wait = '  - id: wait\n    wait: { for: 1h }\n'
    const { out } = await replay([...begin, event, message], { now: flow(1, 210, wait) })
    expect(out).toContain('would have started 2 times')
    expect(out.match(/ {2}completed {2}/g)?.length).toBe(2)
  })

  it('takes a topic as the broker shows it, or as flows write it', async () => {
    const topics = ['orders/7', 'acme/munich/line-1/orders/7', '/acme/munich/line-1/orders/7', 'acme/munich/line-2/orders/7']
    const messages = topics.map((topic, place) => JSON.stringify({ time: second(20 + place), topic, payload: 'x' }))
    expect((await replay([...begin, ...messages], { now: flow(1, 210) })).out).toContain('would have started 3 times')
  })

  it('tells of tags that the site does not have, and of a line that is nothing', async () => {
    expect((await replay([...begin, change(5, 'oven/heat', 1)], { now: flow(1, 210) })).out).toContain(
      '1 were of tags that the site does not have',
    )
    const marked = begin.map((line, place) => (place === 0 ? `\uFEFF${line}` : line))
    expect(await replay(marked, { now: flow(1, 210) })).toMatchObject({ code: 0 })
    const { code, out } = await replay([...begin, '{"no":1}'], { now: flow(1, 210) })
    expect(code).toBe(1)
    expect(out).toContain('recording.jsonl:4 is nothing that was recorded.  (replay.line)')
    expect(await replay(begin, { now: flow(1, 210), args: ['--flow', 'wach'] })).toMatchObject({
      code: 2,
      out: expect.stringContaining('Did you mean `watch`?'),
    })
  })
})
