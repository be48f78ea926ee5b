import { describe, expect, it } from 'vitest'
import { inTime } from './in-time.ts'

const write = (value: number) => `write: { press-07/recipe/setpoint: ${value} }`
const head = 'flow: f\ntags: { press-07/recipe/setpoint: 0, press-07/motor/running: false }\ncases:\n  - name: skip\n'

/** A flow of these steps, and then one that writes 9. */
function flowOf(...steps: readonly string[]) {
  const lines = steps.map((step) => `  - ${step}\n`).join('')
  const child = `flow: child\nsteps:\n  - { id: did, ${write(5)}, undo: { write: { press-07/recipe/setpoint: 4 } } }\n  - { id: rest, wait: { for: 1h } }\n`
  const f = `flow: f\non: [{ start: operator }]\ninput: { isBroken: { type: boolean, default: true } }\nsteps:\n${lines}  - { id: last, ${write(9)}, undo: [] }\n`
  return { 'flows/f.yaml': f, 'flows/child.yaml': child }
}

const skip = (step: string, after = '10s') => `{ after: ${after}, order: { act: skip, step: ${step}, why: seen to } }`
const long = '{ id: long, wait: { for: 1h } }'

describe('a step under way that an engineer skips', () => {
  it.each([
    ['a wait', [long], 'long', '{ long: skipped, last: done }', '[{ press-07/recipe/setpoint: 9 }]'],
    [
      'a wait for what does not come',
      ['{ id: long, wait: { until: "tags[\'press-07/motor/running\']" } }'],
      'long',
      '{ long: skipped, last: done }',
      '[{ press-07/recipe/setpoint: 9 }]',
    ],
    [
      'a wait with a time of its own',
      ['{ id: long, wait: { for: 1h }, timeout: 2h }'],
      'long',
      '{ long: skipped }',
      '[{ press-07/recipe/setpoint: 9 }]',
    ],
    [
      'a question, which then has no answer',
      ['{ id: long, approve: { role: operator, text: "?", within: 1h, default: fail } }'],
      'long',
      '{ long: skipped, last: done }',
      '[{ press-07/recipe/setpoint: 9 }]',
    ],
    [
      'a parallel, of which nothing is undone',
      [
        `{ id: long, parallel: { a: [{ id: one, ${write(1)}, undo: { write: { press-07/recipe/setpoint: 0 } } }, { id: two, wait: { for: 1h } }] } }`,
      ],
      'long',
      '{ long: skipped, one: done, last: done }',
      '[{ press-07/recipe/setpoint: 1 }, { press-07/recipe/setpoint: 9 }]',
    ],
    [
      'all rounds of it',
      ['{ id: all, each: { in: [1, 2, 3], steps: [{ id: long, wait: { for: 1h } }] } }'],
      'long',
      '{ long: skipped, last: done }',
      '[{ press-07/recipe/setpoint: 9 }]',
    ],
    [
      'the list that it goes through',
      ['{ id: all, each: { in: [1, 2, 3], steps: [{ id: long, wait: { for: 1h } }] } }'],
      'all',
      '{ all: skipped, last: done }',
      '[{ press-07/recipe/setpoint: 9 }]',
    ],
    [
      'another flow, which takes back what it did',
      ['{ id: long, run: { flow: child } }'],
      'long',
      '{ long: skipped, last: done }',
      '[{ press-07/recipe/setpoint: 5 }, { press-07/recipe/setpoint: 4 }, { press-07/recipe/setpoint: 9 }]',
    ],
  ])('is left: %s', async (_, steps, step, states, writes) => {
    const expected = `runs: 1, state: completed, within: 20s, steps: ${states}, writes: ${writes}, events: [{ type: step.skipped, data: { step: ${step}, why: seen to } }]`
    const test = (more: string) =>
      `${head}    beside: [child]\n    do: [start: {}, ${skip(step)}${more}]\n    expect: { ${expected} }\n`.replace(
        '    beside: [child]\n',
        '',
      )
    expect(await inTime(flowOf(...steps), test(''))).toEqual([])
    expect(await inTime(flowOf(...steps), test(', { kill: true }'))).toEqual([])
  })

  it('is not tried again', async () => {
    const steps = flowOf(`{ id: long, ${write(1)}, undo: [], retry: { attempts: 5, wait: 1h, max: 1h } }`)
    const test = `${head}    fail: { long: always }\n    do: [start: {}, ${skip('long')}]\n    expect: { state: completed, within: 20s, steps: { long: skipped, last: done } }\n`
    expect(await inTime(steps, test)).toEqual([])
  })

  it('is left in its second attempt, too', async () => {
    const steps = flowOf('{ id: long, wait: { for: 1h }, retry: { attempts: 3, wait: 1s } }')
    const test = `${head}    fail: { long: 1 }\n    do: [start: {}, ${skip('long')}]\n    expect: { state: completed, within: 20s, steps: { long: skipped, last: done } }\n`
    expect(await inTime(steps, test)).toEqual([])
  })

  it('may be an undo that does not come to its end', async () => {
    const steps = flowOf(
      `{ id: first, ${write(1)}, undo: [{ ${write(2)} }, { wait: { for: 1h } }, { ${write(3)} }] }`,
      '{ id: broken, when: "input.isBroken", fail: broken }',
    )
    const test = `${head}    do: [start: {}, ${skip('first-undo-2')}]\n    expect: { state: failed, within: 20s, steps: { first: undone, first-undo-2: skipped }, tags: { press-07/recipe/setpoint: 3 } }\n`
    expect(await inTime(steps, test)).toEqual([])
  })

  it('may be one round of several', async () => {
    const steps = flowOf('{ id: all, each: { in: [1, 2, 3], steps: [{ id: long, wait: { for: 1h } }] } }')
    const test = `${head}    do: [start: {}, ${skip('long@1', '30m')}]\n    expect: { state: completed, at-least: 2h, within: 121m }\n`
    expect(await inTime(steps, test)).toEqual([])
  })

  it('has not ended: one that has is told so, and is done again where the run goes on from it', async () => {
    const steps = flowOf(`{ id: first, ${write(1)}, undo: [] }`, long)
    const late = `${head}    do: [start: {}, ${skip('first')}, ${skip('long')}]\n    expect: { refused: [flow.not-now], state: completed, within: 30s }\n`
    expect(await inTime(steps, late)).toEqual([])
    const again = `${head}    fail: { last: 1 }\n    do: [start: {}, ${skip('long')}, { after: 10s, order: { act: retry, step: long } }]\n    expect: { state: completed, at-least: 1h, steps: { long: done } }\n`
    expect(await inTime(steps, again)).toEqual([])
  })
})
