import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { initialFiles } from '../../src/cli/initial-site.ts'
import { loadSite } from '../../src/site/load.ts'
import { type Files, goodSite, siteFolder, siteYaml } from './site-folder.ts'

/** More by FUZZ_RUNS=10000, for an hour of looking. */
const runs = Number(process.env['FUZZ_RUNS'] ?? 250)

const opcuaYaml = `device: labeller
driver: opcua
connection: { url: opc.tcp://127.0.0.1:4840, security: None, user: u, password: "\${secret:labeller}" }
opcua: { publishing: 100ms, queue: 1 }
tags:
  speed: { node: "nsu=http://example.com/labeller;s=Speed", type: f64, unit: 1/min, deadband: 0.5 }
  label/stock: { path: /Objects/2:Labeller/2:Stock, write: { min: 0, max: 500, interlock: "tags['speed'] < 1" } }
`

const strange = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  '.nan',
  '.inf',
  '-.inf',
  '~',
  'null',
  '!!binary',
  '&a',
  '*a',
  '<<: *a',
  '? ',
  '- ',
  ': ',
  '[',
  ']',
  '{',
  '}',
  '|',
  '>',
  '%',
  '@',
  '`',
  '"',
  "'",
  '#',
  '\t',
  '\r',
  '\u0000',
  '\u2028',
  '\uFEFF',
  '🚰',
  '1e999',
  '0x',
  '9007199254740993',
  '---\n',
  '...\n',
  '${',
  '${secret:x}',
  'tags[',
  '\\u',
]

const keys = fc.oneof(
  fc.constantFrom(
    'site',
    'node',
    'mqtt',
    'opcua',
    'api',
    'upstreams',
    'storage',
    'device',
    'driver',
    'connection',
    'modbus',
    'scan',
    'tags',
    'flow',
    'version',
    'on',
    'steps',
    'write',
    'publish',
    'input',
    'needs',
    'undo',
    'switch',
    'parallel',
    'each',
    'template',
    'instances',
    'from',
    'with',
    'run',
    'port',
    'host',
    'url',
    'a/b',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
  ),
  fc.string(),
)
const scalars = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.double(),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.constantFrom(...strange, 'modbus-tcp', 'opcua', '100ms', 'hr:0', 'f32'),
)
const { value: anything } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalars,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(keys, tie('value'), { maxKeys: 6 }),
  ),
}))

/** A piece of a good file replaced by something strange. */
const mutation = fc.record({
  at: fc.nat(2_000),
  length: fc.nat(40),
  text: fc.oneof(fc.constantFrom(...strange), fc.string(), fc.string({ unit: 'binary' })),
})

function mutated(text: string, mutations: readonly { readonly at: number; readonly length: number; readonly text: string }[]): string {
  return mutations.reduce((so, { at, length, text: piece }) => {
    const place = at % (so.length + 1)
    return so.slice(0, place) + piece + so.slice(place + length)
  }, text)
}

async function loadsWhatever(file: string, texts: fc.Arbitrary<string>, start: Files = goodSite): Promise<void> {
  await using folder = await siteFolder(start)
  const property = fc.asyncProperty(texts, async (text) => {
    await folder.write({ [file]: text })
    const { site, problems } = await loadSite(folder.path, { environment: {} })
    expect(site !== undefined || problems.some(({ severity }) => severity === 'error')).toBe(true)
    for (const { line, column, code, message, remedy } of problems) {
      expect(line).toBeGreaterThan(0)
      expect(column).toBeGreaterThan(0)
      expect([code, message, remedy].every((part) => part.length > 0)).toBe(true)
    }
  })
  await fc.assert(property, { numRuns: runs })
}

describe.each(['lineside.yaml', 'devices/press-07.yaml', 'flows/watch.yaml'])('%s', (file) => {
  it('may hold any YAML: the loader says what is wrong', async () => {
    await loadsWhatever(
      file,
      anything.map((value) => stringify(value)),
    )
  })

  it('may be damaged anywhere: the loader says what is wrong', async () => {
    const text = String(goodSite[file])
    await loadsWhatever(
      file,
      fc.array(mutation, { minLength: 1, maxLength: 4 }).map((mutations) => mutated(text, mutations)),
    )
  })
})

describe('a device file for OPC UA', () => {
  it('may be damaged anywhere: the loader says what is wrong', async () => {
    const texts = fc.array(mutation, { minLength: 1, maxLength: 4 }).map((mutations) => mutated(opcuaYaml, mutations))
    await loadsWhatever('devices/labeller.yaml', texts, { 'lineside.yaml': siteYaml, 'devices/labeller.yaml': opcuaYaml })
  })
})

/** Every kind of trigger and of step, nested, with undo and handlers. */
const richFlow = `flow: rich
priority: low
on:
  - { tag: press-07/motor/running, when: value, for: 1s }
  - { cron: "0 6 * * 1-5", zone: Europe/Berlin, missed: once }
  - { topic: a/+/b, where: trigger.payload > 1 }
  - { event: device.*, subject: x }
  - { start: operator }
input: { limit: { type: number, default: 5, range: [0, 9] } }
concurrency: { limit: 2, per: trigger.kind, overflow: replace, queue: 3 }
locks: [a, b]
timeout: 1m
retry: { attempts: 2, wait: 1s }
steps:
  - id: w
    write: { press-07/recipe/setpoint: "\${input.limit + 1}" }
    undo: [{ write: { press-07/recipe/setpoint: 0 } }, { wait: { for: 1s } }]
  - { id: r, needs: [], read: { tags: [press-07/motor/running] } }
  - id: s
    needs: [w, r]
    switch:
      - when: steps['r'].result['press-07/motor/running']
        steps: [{ id: e, each: { in: [1, 2], as: n, steps: [{ id: l, log: { text: "\${n} \${index}" } }] } }]
    else:
      - { id: p, parallel: { x: [{ id: x1, wait: { until: "true", timeout: 1s } }], y: [{ id: y1, set: { a: 1 } }] }, join: any }
  - { id: q, run: { flow: watch }, on-failure: [{ id: f, fail: no }] }
  - { id: end, when: vars.a == 1, end: { output: { a: "\${vars.a}" } } }
`

const templateFlow = `flow: t
template: { press: { type: device }, limit: { type: number, default: 3 } }
instances: { t1: { press: press-07 }, t2: { press: press-07, limit: 4 } }
on: [{ tag: $(press)/hydraulics/pressure, when: value > $(limit) }]
steps: [{ id: a, log: { text: "$(limit) $$(x)" } }]
`

describe('a flow of all kinds of steps, and a template', () => {
  it('may be damaged anywhere: the loader says what is wrong', { timeout: 60_000 }, async () => {
    const texts = fc.array(mutation, { minLength: 1, maxLength: 3 }).map((mutations) => mutated(richFlow, mutations))
    await loadsWhatever('flows/rich.yaml', texts, { ...goodSite, 'flows/rich.yaml': richFlow })
  })

  it('may be damaged anywhere where it is a template', { timeout: 60_000 }, async () => {
    const templates = fc.array(mutation, { minLength: 1, maxLength: 3 }).map((mutations) => mutated(templateFlow, mutations))
    await loadsWhatever('flows/t.yaml', templates, { ...goodSite, 'flows/t.yaml': templateFlow })
  })

  it('is right as it stands', async () => {
    await using folder = await siteFolder({ ...goodSite, 'flows/rich.yaml': richFlow, 'flows/t.yaml': templateFlow })
    expect((await loadSite(folder.path, { environment: {} })).problems).toEqual([])
  })
})

describe('the site that init writes', () => {
  it.each(Object.entries(initialFiles('line-1')))('may be damaged anywhere: %s', async (file, text) => {
    await loadsWhatever(
      file,
      fc.array(mutation, { minLength: 1, maxLength: 3 }).map((mutations) => mutated(text, mutations)),
      initialFiles('line-1'),
    )
  })
})

describe('a file of the worst kind', () => {
  it.each([
    ['300,000 opening brackets', '['.repeat(300_000)],
    ['20,000 keys', Array.from({ length: 20_000 }, (_, place) => `key-${place}: 1`).join('\n')],
    ['one text of a megabyte', `site: "${'x'.repeat(1_000_000)}"`],
    ['100,000 list entries', '- 1\n'.repeat(100_000)],
    ['20,000 anchors', '&a '.repeat(20_000)],
    ['30,000 broken escapes', `"${'\\u'.repeat(30_000)}"`],
    ['a thousand levels of blocks', Array.from({ length: 1_000 }, (_, level) => `${' '.repeat(level)}a:`).join('\n')],
  ])('is refused in good time: %s', async (_, text) => {
    await using folder = await siteFolder({ ...goodSite, 'lineside.yaml': text })
    const { site, problems } = await loadSite(folder.path)
    expect(site).toBeUndefined()
    expect(problems.length).toBeLessThan(600)
  })
})
