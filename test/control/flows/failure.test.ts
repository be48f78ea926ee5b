import { describe, expect, it } from 'vitest'
import { inTime } from './in-time.ts'

const told = (step: string, ...keys: readonly string[]) =>
  `publish: { topic: told, payload: { ${keys.map((key) => `${key}: "\${steps['${step}'].failure.${key}}"`).join(', ')} } }`

function flowOf(...steps: readonly string[]) {
  return { 'flows/f.yaml': `flow: f\non: [{ start: operator }]\nsteps:\n${steps.map((step) => `  - ${step}\n`).join('')}` }
}

function caseOf(expected: string, { does = '', fail = '' } = {}) {
  return `flow: f\ntags: { press-07/recipe/setpoint: 0, press-07/motor/running: false }\ncases:\n  - name: a\n    ${fail}\n    do: [start: {}${does}]\n    expect: { state: completed, ${expected} }\n`
}

const never = (id: string, ms: number) => `{ id: ${id}, wait: { until: "tags['press-07/motor/running']", timeout: ${ms}ms } }`

describe('the failure of a step', () => {
  it('is known to the steps that are done in its place: which step, why, and how often it was tried', async () => {
    const steps = `{ id: push, write: { press-07/recipe/setpoint: 1 }, retry: { attempts: 3, wait: 1s }, undo: [], on-failure: [{ id: tell, ${told('push', 'step', 'attempts', 'code', 'status')} }] }`
    const test = caseOf('publishes: [{ topic: told, payload: { step: push, attempts: 3, code: test.failed, status: failed } }]', {
      fail: 'fail: { push: always }',
    })
    expect(await inTime(flowOf(steps), test)).toEqual([])
  })

  it.each([
    ['what the road refuses whatever happens', '${100.0 * 3.0}', 'command.range'],
    ['a value that the device cannot hold', '${12345.0 * 1000.0}', 'command.type-range'],
  ])('comes at once of %s, though more attempts are left', async (_, value, code) => {
    const push = `write: { press-07/recipe/setpoint: "${value}" }, retry: { attempts: 3, wait: 1s }`
    const steps = `{ id: push, ${push}, undo: [], on-failure: [{ id: tell, ${told('push', 'attempts', 'code')} }] }`
    const test = caseOf(`within: 500ms, publishes: [{ topic: told, payload: { attempts: 1, code: ${code} } }]`)
    expect(await inTime(flowOf(steps), test)).toEqual([])
  })

  it.each([
    [
      'a parallel',
      `{ id: all, parallel: { a: [${never('slow', 2_000)}], b: [${never('quick', 1_000)}] }, on-failure: [INSTEAD] }`,
      'quick',
    ],
    ['a list', `{ id: all, each: { in: [1, 2], steps: [${never('slow', 2_000)}] }, on-failure: [INSTEAD] }`, 'slow'],
    [
      'a parallel of which one is enough, and none is done',
      `{ id: all, join: any, parallel: { a: [${never('slow', 2_000)}], b: [${never('quick', 1_000)}] }, on-failure: [INSTEAD] }`,
      'slow',
    ],
    [
      'a list inside a parallel',
      `{ id: all, parallel: { a: [{ id: list, each: { in: [1], steps: [${never('slow', 2_000)}] } }] }, on-failure: [INSTEAD] }`,
      'slow',
    ],
  ])('names the one that failed first below %s, also after a power cut', async (_, all, first) => {
    const steps = all.replace('INSTEAD', `{ id: rest, wait: { for: 1m } }, { id: tell, ${told('all', 'step', 'code')} }`)
    const published = `publishes: [{ topic: told, payload: { step: ${first}, code: flow.wait-timeout } }]`
    expect(await inTime(flowOf(steps), caseOf(published))).toEqual([])
    expect(await inTime(flowOf(steps), caseOf(published, { does: ', { after: 30s, kill: true }' }))).toEqual([])
  })

  it('stays the same where the one that failed later stands first in the file, and the power fails', async () => {
    const steps = `{ id: all, join: any, parallel: { b: [${never('slow', 2_000)}], a: [${never('quick', 1_000)}] }, on-failure: [{ id: rest, wait: { for: 1m } }, { id: tell, ${told('all', 'step')} }] }`
    const published = 'publishes: [{ topic: told, payload: { step: slow } }]'
    expect(await inTime(flowOf(steps), caseOf(published, { does: ', { after: 30s, kill: true }' }))).toEqual([])
  })

  it('names a step whose time was over', async () => {
    const steps = `{ id: all, timeout: 1s, parallel: { a: [${never('slow', 2_000)}] }, on-failure: [{ id: tell, ${told('all', 'step', 'code')} }] }`
    const test = caseOf('publishes: [{ topic: told, payload: { step: all, code: flow.timeout } }]')
    expect(await inTime(flowOf(steps), test)).toEqual([])
  })

  it('is known afterwards, where the flow goes on in spite of it', async () => {
    const steps = [
      `{ id: look, wait: { until: "tags['press-07/motor/running']", timeout: 1s }, on-failure: continue }`,
      `{ id: which, switch: [{ name: late, when: "steps['look'].failed && steps['look'].failure.code == 'flow.wait-timeout'", steps: [{ id: note, log: { text: late } }] }] }`,
    ]
    expect(await inTime(flowOf(...steps), caseOf('ways: { which: late }'))).toEqual([])
  })

  it('tells how long a wait was to be, also where a part of it was left after a power cut', async () => {
    const steps = `{ id: look, wait: { until: "tags['press-07/motor/running']", timeout: 10m }, on-failure: [{ id: tell, ${told('look', 'message')} }] }`
    const test = caseOf(
      `publishes: [{ topic: told, payload: { message: "look waited 600000 ms for \`tags['press-07/motor/running']\`, in vain." } }]`,
      { does: ', { after: 9m, kill: true }' },
    )
    expect(await inTime(flowOf(steps), test)).toEqual([])
  })
})
