import { describe, expect, it } from 'vitest'
import { siteYaml } from '../../site/site-folder.ts'
import { inTime } from './in-time.ts'

const pressure = 'press-07/hydraulics/pressure'
const running = 'press-07/motor/running'

/** A flow that asks and tells what it heard. */
function asking(query: string, result: string, more = '') {
  return {
    'flows/ask.yaml': `flow: ask
on: [{ start: operator }]
steps:
  - id: q
    query: ${query}
${more}  - id: tell
    publish: { topic: told, payload: "\${steps['q'].result${result}}" }
`,
  }
}

const does = (...deeds: readonly string[]): string => deeds.map((deed) => `      - ${deed}\n`).join('')

/** 0 bar at first, 60 from the tenth minute on, and asked in the twentieth. */
const story = does(`{ after: 10m, set: { ${pressure}: 60 } }`, '{ after: 10m, start: {} }')

function oneCase(deeds: string, expected: string): string {
  return `flow: ask\ntags: { ${pressure}: 0, ${running}: false }\ncases:\n  - name: a\n    do:\n${deeds}    expect: { ${expected} }\n`
}

const told = (payload: string): string => `state: completed, publishes: [{ topic: told, payload: ${payload} }]`

describe('a query of the history', () => {
  it.each([
    ['avg', '15m', 40],
    ['min', '15m', 0],
    ['max', '5m', 60],
    ['first', '15m', 0],
    ['last', '15m', 60],
    ['delta', '15m', 60],
    ['count', '15m', 1],
    ['sum', '15m', 60],
    ['seconds', '15m', 600],
  ])('gives the %s of the last %s', async (aggregate, last, value) => {
    const flow = asking(`{ tags: [${pressure}], last: ${last}, aggregate: ${aggregate} }`, `['${pressure}']`)
    expect(await inTime(flow, oneCase(story, told(String(value))))).toEqual([])
  })

  it('gives a value for each span, and null for one of which nothing is known', async () => {
    const flow = asking(`{ tags: [${pressure}], last: 25m, every: 5m, aggregate: avg }`, `['${pressure}']`)
    expect(await inTime(flow, oneCase(story, told('[null, 0, 0, 60, 60]')))).toEqual([])
  })

  it('gives what was on and off as true and false', async () => {
    const flow = asking(`{ tags: [${running}], last: 5m, aggregate: last }`, `['${running}']`)
    expect(await inTime(flow, oneCase(does(`{ after: 2m, set: { ${running}: true } }`, '{ after: 2m, start: {} }'), told('true')))).toEqual(
      [],
    )
  })

  it('leaves out the time in which the value was not good, and tells how much is known', async () => {
    const deeds = does(
      `{ after: 10m, set: { ${pressure}: { value: 60, quality: bad } } }`,
      `{ after: 5m, set: { ${pressure}: 30 } }`,
      '{ after: 5m, start: {} }',
    )
    const average = asking(`{ tags: [${pressure}], last: 20m, aggregate: avg }`, `['${pressure}']`)
    expect(await inTime(average, oneCase(deeds, told('10')))).toEqual([])
    const known = asking(`{ tags: [${pressure}], last: 20m, aggregate: avg }`, `.known['${pressure}']`)
    expect(await inTime(known, oneCase(deeds, told('0.75')))).toEqual([])
  })

  it('knows nothing of the time in which the gateway was off, and all of that before', async () => {
    const deeds = does(`{ after: 10m, set: { ${pressure}: 60 } }`, `{ after: 10m, kill: 10m }`, '{ after: 20m, start: {} }')
    const known = asking(`{ tags: [${pressure}], last: 40m, aggregate: seconds }`, `.known['${pressure}'] < 0.8`)
    expect(await inTime(known, oneCase(deeds, told('true')))).toEqual([])
    const most = asking(`{ tags: [${pressure}], last: 38m, aggregate: min }`, `['${pressure}']`)
    expect(await inTime(most, oneCase(deeds, told('0')))).toEqual([])
  })

  it('fails where nothing is known at all', async () => {
    const flow = asking(`{ tags: [${pressure}], last: 5m, aggregate: avg }`, `['${pressure}']`)
    const deeds = does(`{ after: 1s, set: { ${pressure}: { value: 1, quality: bad } } }`, '{ after: 20m, start: {} }')
    expect(await inTime(flow, oneCase(deeds, 'state: failed, fault: { step: q, code: flow.unknown-value }'))).toEqual([])
  })

  it('takes names that are made when it runs, of tags whose history the site keeps', async () => {
    const [flow] = Object.values(asking(`{ tags: ["\${input.tag}"], last: 10m, aggregate: max }`, `['${pressure}']`))
    const files = {
      'flows/ask.yaml': String(flow).replace('steps:', 'input: { tag: { type: text, default: none } }\nsteps:'),
      'lineside.yaml': `${siteYaml}storage: { history: { tags: [press-07/hydraulics/#] } }\n`,
    }
    const start = (tag: string): string =>
      does(`{ after: 10m, set: { ${pressure}: 60 } }`, `{ after: 5m, start: { input: { tag: ${tag} } } }`)
    expect(await inTime(files, oneCase(start(pressure), told('60')))).toEqual([])
    expect(await inTime(files, oneCase(start(running), 'state: failed, fault: { code: flow.no-history }'))).toEqual([])
  })
})
