import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { test as carryOut, type TestOptions } from '../../src/cli/test.ts'
import { type Files, flowYaml, goodSite, siteFolder } from '../site/site-folder.ts'
import { lineside } from '../support/lineside-program.ts'

const testYaml = `flow: watch
tags: { press-07/hydraulics/pressure: 100, press-07/motor/running: false, press-07/recipe/setpoint: 150 }
cases:
`
const rising = '{ after: 1s, set: { press-07/motor/running: true, press-07/hydraulics/pressure: 220 } }'

async function run(cases: string, { files = {}, ...options }: TestOptions & { readonly files?: Files } = {}) {
  await using folder = await siteFolder({ ...goodSite, 'flows/watch.test.yaml': testYaml + cases, ...files })
  let out = ''
  const take = (text: string): void => {
    out += text
  }
  const terminal = { out: take, error: take, environment: {} }
  const junit = options.junit === undefined ? {} : { junit: join(folder.path, options.junit) }
  const code = await carryOut(folder.path, { ...options, ...junit }, terminal)
  return {
    code,
    out: out.replaceAll(`${folder.path}/`, ''),
    report: options.junit === undefined ? '' : await readFile(join(folder.path, options.junit), 'utf8'),
  }
}

describe('lineside test', () => {
  it('that names no flow of the site is wrong usage, as with replay, and asks whether another one was meant', async () => {
    await using folder = await siteFolder({ ...goodSite, 'flows/watch.test.yaml': `${testYaml}  - { name: a, expect: { runs: 0 } }\n` })
    const { code, error } = await lineside(['test', folder.path, '--flow', 'wach'])
    expect([code, error]).toEqual([2, `There is no flow "wach" in ${folder.path}.  (usage.flow)\n    Did you mean \`watch\`?\n`])
    expect(await lineside(['test', folder.path, '--flow', 'watch', '--case', 'zzz'])).toMatchObject({ code: 1 })
  })

  it('says 0 where all cases pass, and how much of the plant’s time that was', async () => {
    const { code, out } = await run(`  - { name: stays quiet, do: [{ after: 2h }], expect: { runs: 0 } }\n`)
    expect(code).toBe(0)
    expect(out).toMatch(/^ok {4}watch {2}stays quiet\n1 case: 1 passed, 0 failed; 2\.0 h of the plant in 0\.\d+ s\.\n$/)
  })

  it('takes the rules of the command road as they are: the interlock refuses', async () => {
    const { code, out } = await run(
      `  - { name: lowers, do: [${rising}], expect: { state: failed, fault: { step: lower, code: command.interlock }, writes: [] } }\n`,
    )
    expect(out).toContain('1 passed')
    expect(code).toBe(0)
  })

  it('shows what was expected beside what happened, and the story, and says 1', async () => {
    const { code, out } = await run(`  - name: lowers the setpoint\n    do: [${rising}]\n    expect: { state: completed, runs: 2 }\n`)
    expect(code).toBe(1)
    expect(out).toContain('FAIL  watch  lowers the setpoint  flows/watch.test.yaml:4')
    expect(out).toMatch(/runs\n {8}expected {2}2\n {8}was {7}1\n/)
    expect(out).toMatch(/state\n {8}expected {2}"completed"\n {8}was {7}"failed"\n/)
    expect(out).toMatch(/\+1\.000 s {2}set press-07\/motor\/running = true, press-07\/hydraulics\/pressure = 220\n/)
    expect(out).toMatch(/\+1\.000 s {4}step\.failed lower: .*\(command\.interlock\)/)
  })

  it('tells what is wrong with a file at its place, with what was meant', async () => {
    const { code, out } = await run(
      `  - name: one\n    do:\n      - { afer: 1s, set: { press-07/motor/running: true } }\n    expect: { runs: 0 }\n`,
    )
    expect(code).toBe(1)
    expect(out).toContain('flows/watch.test.yaml:6:11  site.unknown-key  There is no key `afer`')
    expect(out).toContain('Did you mean `after`?')
  })

  it.each([
    ['flow', 'flow: wach\ncases: [{ name: a, expect: { runs: 0 } }]\n', '1:7  test.flow-unknown', 'watch'],
    [
      'tag',
      `${testYaml}  - { name: a, do: [{ set: { press-07/motor/runing: true } }], expect: { runs: 0 } }\n`,
      'test.tag-unknown',
      'press-07/motor/running',
    ],
    ['step', `${testYaml}  - { name: a, expect: { steps: { lowr: done } } }\n`, 'test.step-unknown', 'lower'],
    ['device', `${testYaml}  - { name: a, devices: { press-7: away }, expect: { runs: 0 } }\n`, 'test.device-unknown', 'press-07'],
  ])('knows no %s that is not there', async (_, text, code, meant) => {
    const { out } = await run('', { files: { 'flows/watch.test.yaml': text } })
    expect(out).toContain(code)
    expect(out).toContain(`Did you mean \`${meant}\`?`)
  })

  it('carries out only what was asked for, and takes nothing at all for a failure', async () => {
    const cases = `  - { name: first, expect: { runs: 0 } }\n  - { name: second, expect: { runs: 1 } }\n`
    expect(await run(cases, { case: 'first' })).toMatchObject({ code: 0 })
    expect(await run(cases, { case: 'third' })).toMatchObject({ code: 1, out: expect.stringContaining('No case was found') })
    const files = { 'flows/other.yaml': flowYaml.replace('flow: watch', 'flow: other') }
    expect(await run(cases, { flow: 'other', files })).toMatchObject({ code: 1, out: expect.stringContaining('No case was found') })
  })

  it('gives JSON, and a report for build servers', async () => {
    const { out, report } = await run(`  - { name: "a <b>", expect: { runs: 1 } }\n`, { json: true, junit: 'report.xml' })
    expect(JSON.parse(out)).toMatchObject({
      isPassed: false,
      results: [{ flow: 'watch', line: 4, differences: [{ what: 'runs', expected: 1, was: 0 }] }],
    })
    expect(report).toContain('<testsuites tests="1" failures="1"')
    expect(report).toContain('name="a &lt;b&gt;" file="flows/watch.test.yaml" line="4"')
  })

  it('names the flows that have no test', async () => {
    const { out } = await run(`  - { name: a, expect: { runs: 0 } }\n`, {
      files: { 'flows/idle.yaml': 'flow: idle\nsteps: [{ id: a, wait: { for: 1s } }]\n' },
    })
    expect(out).toContain('Without a test: idle.')
  })

  it('gives a case up that never comes to rest', async () => {
    const again = `flow: again\non: [{ event: flow.completed, subject: again }, { start: operator }]\nconcurrency: { limit: 10 }\nsteps: [{ id: a, log: { level: info, text: a } }]\n`
    const { code, out } = await run('', {
      files: {
        'flows/again.yaml': again,
        'flows/watch.test.yaml': 'flow: again\ncases: [{ name: a, do: [{ start: {} }], expect: { runs: 1 } }]\n',
      },
    })
    expect(code).toBe(1)
    expect(out).toMatch(/go on and on|runs\n/)
  })

  it('lets a step fail, lets the power fail at it, and rebuilds the run from its journal', async () => {
    const cases = `
  - name: cut
    fail: { tell: 1 }
    do:
      - { after: 1s, set: { press-07/motor/running: true, press-07/hydraulics/pressure: 220 } }
      - { on: { step: lower }, set: { press-07/motor/running: false } }
      - { on: { write: press-07/recipe/setpoint }, kill: 1m }
    expect: { runs: 1, state: failed, fault: { step: tell, code: test.failed }, steps: { lower: done }, at-least: 1m, writes: [{ press-07/recipe/setpoint: 100 }] }
`
    const { code, out } = await run(cases)
    expect(out).toContain('1 passed')
    expect(code).toBe(0)
  })
})
