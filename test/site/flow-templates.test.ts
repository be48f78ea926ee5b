import { describe, expect, it } from 'vitest'
import { deviceYaml, type Files, loadFiles, siteYaml } from './site-folder.ts'

const template = `flow: cool
template:
  press: { type: device }
  limit: { type: number, default: 200 }
  name: { type: text, default: a press }
instances:
  cool-7: { press: press-07 }
  cool-8: { press: press-08, limit: 150.5, name: the other }
on:
  - { tag: $(press)/hydraulics/pressure, when: value > $(limit) }
concurrency: { limit: 3 }
steps:
  - id: lower
    write: { $(press)/recipe/setpoint: $(limit) }
  - id: tell
    log: { text: "$(name): \${tags['$(press)/motor/running']} $$(press)" }
`

function site(text: string, more: Files = {}): Files {
  return {
    'lineside.yaml': siteYaml,
    'devices/press-07.yaml': deviceYaml.replaceAll('u16', 'f32'),
    'devices/press-08.yaml': deviceYaml
      .replaceAll('u16', 'f32')
      .replace('press-07', 'press-08')
      .replace('127.0.0.1', 'press-08.plant.example'),
    'flows/cool.yaml': text.replace('  - id: tell', '    undo: []\n  - id: tell'),
    ...more,
  }
}

const changed = (from: string, to: string): Files => site(template.replace(from, to))

async function found(files: Files): Promise<readonly string[]> {
  const { problems } = await loadFiles(files)
  return problems.map(({ file, line, column, code, message }) => `${file}:${line}:${column} ${code} ${message}`)
}

describe('a template', () => {
  it('makes a flow of each of its instances, with values of their own types', async () => {
    const { site: loaded, problems } = await loadFiles(site(template))
    expect(problems).toEqual([])
    expect(loaded?.flows.map(({ flow, on, steps }) => [flow, on[0], steps[0], steps[1]])).toMatchObject([
      [
        'cool-7',
        { tag: 'press-07/hydraulics/pressure', when: 'value > 200' },
        { writes: [{ tag: 'press-07/recipe/setpoint', value: 200 }] },
        { text: "a press: ${tags['press-07/motor/running']} $(press)" },
      ],
      ['cool-8', { when: 'value > 150.5' }, { writes: [{ tag: 'press-08/recipe/setpoint', value: 150.5 }] }, {}],
    ])
  })

  it('makes flows of files beside it, too', async () => {
    const files = site(template, { 'flows/third.yaml': 'flow: third\nfrom: cool\nwith: { press: press-07, limit: 3 }\n' })
    const { site: loaded } = await loadFiles(files)
    expect(loaded?.flows.map(({ flow }) => flow)).toEqual(['cool-7', 'cool-8', 'third'])
  })

  it.each([
    [
      'in one of its flows',
      changed('limit: 150.5', 'limit: 250'),
      'flows/cool.yaml:14:40 flow.value-range 250 lies outside 0 to 220, what may be written to press-08/recipe/setpoint (in the flow cool-8).',
    ],
    [
      'in a device that is not there',
      changed('press: press-08', 'press: press-09'),
      'flows/cool.yaml:14:14 flow.tag-unknown There is no tag `press-09/recipe/setpoint` in this site (in the flow cool-8).',
    ],
    [
      'in an expression',
      changed('value > $(limit)', 'value > $(limit) + "a"'),
      expect.stringMatching(/^flows\/cool.yaml:10:\d+ expression.invalid .*\(in the flow cool-7\)\.$/),
    ],
    [
      'in a key',
      changed('concurrency: { limit', 'concurrency: { limti'),
      'flows/cool.yaml:11:16 site.unknown-key There is no key `limti` in `concurrency` (in the flow cool-7).',
    ],
    [
      'in a parameter that it does not have',
      changed('$(name)', '$(nmae)'),
      'flows/cool.yaml:17:19 template.parameter-unknown The template has no parameter `nmae`.',
    ],
    [
      'in an instance that says too much',
      changed('limit: 150.5', 'lmit: 150.5'),
      'flows/cool.yaml:8:36 template.parameter-unknown The template cool has no parameter `lmit`.',
    ],
    [
      'in an instance that says too little',
      changed('{ press: press-07 }', '{}'),
      'flows/cool.yaml:7:11 template.parameter-missing cool-7 does not say its `press`.',
    ],
    ['in a type', changed('limit: 150.5', 'limit: high'), 'flows/cool.yaml:8:37 template.parameter-type `limit` must be a number.'],
    ['in the type of a parameter', changed('type: device', 'type: divice'), expect.stringMatching(/^flows\/cool.yaml:3:18 site.choice/)],
    [
      'in a flow of it that is there already',
      site(template, { 'flows/a.yaml': 'flow: cool-8\nfrom: cool\nwith: { press: press-07 }\n' }),
      expect.stringMatching(/flow.duplicate/),
    ],
    [
      'in what a file is made of',
      site(template, { 'flows/a.yaml': 'flow: a\nfrom: col\n' }),
      'flows/a.yaml:2:7 template.unknown There is no template `col`.',
    ],
    [
      'in a template that nothing is made of',
      changed('instances:\n  cool-7: { press: press-07 }\n  cool-8: { press: press-08, limit: 150.5, name: the other }\n', ''),
      'flows/cool.yaml:2:1 template.unused No flow is made of the template `cool`, so nothing of it is checked.',
    ],
  ])('is told of at its line: a mistake %s', async (_, files, expected) => {
    expect(await found(files)).toContainEqual(expected)
  })
})
