import { describe, expect, it } from 'vitest'
import { deviceYaml, type Files, flowYaml, goodSite, loadFiles, siteYaml } from './site-folder.ts'

const wide = `device: counter-1
driver: modbus-tcp
connection: { host: 127.0.0.1, port: 503 }
tags:
  total: { at: hr:0, type: u64 }
  code: { at: hr:10, type: bytes(2) }
`

const flow = (on: string, ...steps: readonly string[]): Files => ({
  ...goodSite,
  'devices/counter-1.yaml': wide,
  'flows/watch.yaml': `flow: watch\non:\n  - ${on}\ninput: { limit: { type: number, default: 5 } }\nsteps:\n${steps.map((step) => `  - ${step}\n`).join('')}`,
})
const log = '{ id: a, log: { text: x } }'
const start = '{ start: operator }'
const speed = 'press-07/hydraulics/pressure'
const route = (more: string): Files => ({
  ...goodSite,
  'lineside.yaml': `${siteYaml}routes:\n  - { route: a, from: { tag: ${speed} }, ${more}, to: { topic: x } }\n`,
})

async function found(files: Files): Promise<readonly string[]> {
  const { problems } = await loadFiles(files)
  return problems
    .filter(({ severity }) => severity === 'error')
    .map(({ file, line, code, message }) => `${file}:${line} ${code} ${message}`)
}

describe('check, where a number meets a text or a bool', () => {
  it.each<readonly [string, Files, string]>([
    ['the trigger of a tag', flow(`{ tag: ${speed}, when: "value > 'x'" }`, log), 'flows/watch.yaml:3'],
    ['the trigger of a message', flow(`{ topic: orders, where: "tags['${speed}'] == 'x'" }`, log), 'flows/watch.yaml:3'],
    ['the trigger of an event', flow(`{ event: device.lost, where: "tags['${speed}'] == true" }`, log), 'flows/watch.yaml:3'],
    [
      'what a trigger brought',
      flow(`{ tag: ${speed}, when: value > 1 }`, "{ id: a, when: trigger.value == 'x', log: { text: x } }"),
      'flows/watch.yaml:6',
    ],
    [
      'the condition of a step',
      flow(start, `{ id: a, when: "tags['press-07/motor/running'] == tags['${speed}']", log: { text: x } }`),
      'flows/watch.yaml:6',
    ],
    ['what is waited for', flow(start, `{ id: a, wait: { until: "tags['${speed}'] == 'x'", timeout: 1s } }`), 'flows/watch.yaml:6'],
    ['an input', flow(start, `{ id: a, log: { text: "\${input.limit > 'x'}" } }`), 'flows/watch.yaml:6'],
    [
      'what a step has read',
      flow(start, `{ id: a, read: { tags: [${speed}] } }`, `{ id: b, when: "steps['a'].result['${speed}'] == 'x'", log: { text: x } }`),
      'flows/watch.yaml:7',
    ],
    [
      'an interlock',
      { ...goodSite, 'devices/press-07.yaml': deviceYaml.replace("!tags['motor/running']", "tags['hydraulics/pressure'] < 'x'") },
      'devices/press-07.yaml:8',
    ],
    ['the `where` of a route', route(`where: "value > 'x'"`), 'lineside.yaml:3'],
    ['the `map` of a route', route(`map: "value + 'x'"`), 'lineside.yaml:3'],
    ['the `key` of a route', route(`key: "value == 'x'"`), 'lineside.yaml:3'],
  ])('tells it: in %s', async (_, files, place) => {
    expect(await found(files)).toEqual([expect.stringMatching(`^${place} expression.invalid Types that do not go together: .*number`)])
  })

  it('lets numbers mix, also those of 64 bits, and knows bytes that a run keeps for a text', async () => {
    expect(await found(goodSite)).toEqual([])
    expect(await found({ ...goodSite, 'flows/watch.yaml': flowYaml.replace('value > 210', 'value >= 210 && value == 211.5') })).toEqual([])
    const total = '{ tag: counter-1/total, when: value > 9007199254740993 }'
    const of = (when: string): string => `{ id: a, when: "${when}", log: { text: x } }`
    expect(await found(flow(total, of("trigger.value > 1 && tags['counter-1/total'] == trigger.value + 1")))).toEqual([])
    expect(await found(flow(total, of("trigger.value == '9007199254740994'")))).toHaveLength(1)
    const code = '{ tag: counter-1/code, when: size(value) > 1 }'
    expect(await found(flow(code, of("trigger.value == 'AQI='")))).toEqual([])
    expect(await found(flow(code, of('trigger.value == 1')))).toHaveLength(1)
  })

  it('lets has() ask for what may be missing, and tells what never is there', async () => {
    const of = (asked: string): Files => flow(`{ tag: ${speed}, when: value > 1 }`, `{ id: a, when: has(${asked}), log: { text: x } }`)
    expect(await found(of('trigger.value'))).toEqual([])
    expect(await found(of('trigger.payload'))).toEqual([expect.stringContaining('What starts this flow has no `payload`.')])
  })
})
