import { describe, expect, it } from 'vitest'
import { goodSite, loadFiles, problemsOf, siteYaml } from './site-folder.ts'

const part = (flow: string, more = ''): string => `flow: ${flow}\n${more}steps:\n  - id: a\n    wait: { for: 1s }\n`

const flows = {
  'flows/clean.yaml': part('clean'),
  'flows/change.yaml': part('change', 'input: { product: { type: text }, layers: { type: number, default: 4 } }\n'),
}

function site(pipeline: string) {
  return { ...goodSite, ...flows, 'lineside.yaml': `${siteYaml}pipeline:\n${pipeline}` }
}

const good = `  title: A batch
  start: engineer
  input: { product: { type: text } }
  flows:
    - clean
    - { flow: change, input: { product: "\${input.product}" } }
    - clean
`

describe('a pipeline', () => {
  it('is a flow that runs its flows one after the other', async () => {
    const { site: loaded, problems } = await loadFiles(site(good))
    expect(problems).toEqual([])
    expect(loaded?.pipeline).toEqual([
      { step: 'clean', flow: 'clean' },
      { step: 'change', flow: 'change' },
      { step: 'clean-2', flow: 'clean' },
    ])
    expect(loaded?.flows.at(-1)).toMatchObject({
      flow: 'pipeline',
      title: 'A batch',
      on: [{ kind: 'start', role: 'engineer' }],
      concurrency: { limit: 1, overflow: 'drop' },
      steps: [
        { id: 'clean', kind: 'run', flow: 'clean', needs: [], isAwaited: true },
        { id: 'change', kind: 'run', flow: 'change', needs: ['clean'], input: { product: '${input.product}' } },
        { id: 'clean-2', needs: ['change'] },
      ],
    })
    expect(structuredClone(loaded)).toEqual(loaded)
  })

  it.each([
    ['a flow that is not there', '  flows: [clean, chnge]\n', 'lineside.yaml:3:18 flow.flow-unknown'],
    ['an input that is missing', '  flows: [clean, change]\n', 'lineside.yaml:3:18'],
    ['an input that the flow does not have', '  flows:\n    - { flow: clean, input: { speed: 3 } }\n', 'lineside.yaml:4:'],
    ['an expression that cannot work', '  flows:\n    - { flow: change, input: { product: "${input.nothing}" } }\n', 'lineside.yaml:4:'],
    ['a key that it does not have', '  flws: [clean]\n', 'lineside.yaml:3:3 site.unknown-key'],
    ['no flows at all', '  flows: []\n', 'lineside.yaml:3:'],
  ])('is told at its place in lineside.yaml where it names %s', async (_, text, problem) => {
    const found = await problemsOf(site(text))
    expect(found.filter((one) => one.startsWith('lineside.yaml')).join('\n')).toContain(problem)
  })

  it('is what starts its flows, and leaves its name to nobody else', async () => {
    expect((await problemsOf(site(good))).join()).not.toContain('flow.never-started')
    const found = await problemsOf({ ...site(good), 'flows/pipeline.yaml': part('pipeline') })
    expect(found.join('\n')).toContain('flow.duplicate')
  })
})
