import { describe, expect, it } from 'vitest'
import { deviceYaml, goodSite, loadFiles, problemsOf, siteYaml } from './site-folder.ts'

const upstreams =
  'upstreams:\n  plant: { url: mqtt://127.0.0.1:1 }\n  scada: { url: mqtt://127.0.0.1:1, format: sparkplug, sparkplug: { group: g } }\n'
const services = 'services:\n  mes: { url: http://127.0.0.1:9/api }\n'
const devices = {
  'devices/press-07.yaml': deviceYaml,
  'devices/oven.yaml': `device: oven
driver: modbus-tcp
connection: { host: 127.0.0.2 }
tags:
  heat: { at: hr:0, type: u16, range: [0, 300], write: { min: 0, max: 300 } }
  hot: { at: hr:1, type: u16, range: [400, 500] }
  name: { at: "hr:10", type: "string(4)", write: {} }
`,
}

function routes(...lines: readonly string[]): string {
  return `${siteYaml}${upstreams}${services}routes:\n${lines.map((line) => `  - ${line}\n`).join('')}`
}

async function problems(...lines: readonly string[]): Promise<readonly string[]> {
  const found = await problemsOf({ ...goodSite, ...devices, 'lineside.yaml': routes(...lines) })
  return found.map((problem) => problem.replace('lineside.yaml:', ''))
}

/** The first route stands in line 8. */
const first = 'route: a, from: { tag: press-07/hydraulics/pressure }'

describe('the check of routes', () => {
  it('takes what leads from what there is to what there is', async () => {
    expect(
      await problems(
        `{ ${first}, where: value > 5, map: value * 2.0, to: { tag: oven/heat }, every: true, priority: high, within: 1m }`,
        '{ route: b, from: { topic: cell/+/temp }, key: trigger.topic, map: { t: "${value}" }, to: { topic: "cells/${trigger.payload.cell}" } }',
        '{ route: c, from: { event: device.*, subject: press-* }, to: { service: mes, path: /events }, retry: { attempts: 3, wait: 1s, max: 1m } }',
        '{ route: d, from: { tag: "press-*/**" }, to: { upstream: plant, topic: copies/press } }',
      ),
    ).toEqual([])
  })

  it.each([
    ['{ route: a, from: { tag: press-07/pressure }, to: { topic: x } }', 'route.tag-unknown'],
    [`{ ${first}, to: { tag: oven/heart } }`, 'route.tag-unknown'],
    [`{ ${first}, where: "tags['oven/heart'] > 1", to: { topic: x } }`, 'route.tag-unknown'],
    [`{ ${first}, to: { tag: press-07/motor/running } }`, 'route.tag-read-only'],
    [`{ ${first}, to: { upstream: plan, topic: x } }`, 'route.upstream-unknown'],
    [`{ ${first}, to: { upstream: scada, topic: x } }`, 'route.sparkplug'],
    [`{ ${first}, to: { service: mess } }`, 'route.service-unknown'],
    [`{ ${first}, to: { flow: watches } }`, 'route.flow-unknown'],
    [`{ ${first}, where: "value >", to: { topic: x } }`, 'expression.invalid'],
    [`{ ${first}, where: value, to: { topic: x } }`, 'expression.invalid'],
    [`{ ${first}, map: "value +", to: { topic: x } }`, 'expression.invalid'],
    [`{ ${first}, map: "is \${value}", to: { topic: x } }`, 'expression.invalid'],
    [`{ ${first}, map: { deep: ["\${value +}"] }, to: { topic: x } }`, 'expression.invalid'],
    [`{ ${first}, key: "value ++", to: { topic: x } }`, 'expression.invalid'],
    [`{ ${first}, to: { topic: "x/\${value +}" } }`, 'expression.invalid'],
    [`{ ${first}, map: "500.0", to: { tag: oven/heat } }`, 'route.value-range'],
    [`{ ${first}, map: "'hot'", to: { tag: oven/heat } }`, 'route.value-type'],
    ['{ route: a, from: { tag: oven/hot }, to: { tag: press-07/recipe/setpoint } }', 'route.value-range'],
    ['{ route: a, from: { tag: oven/name }, to: { tag: oven/heat } }', 'route.value-type'],
    [`{ ${first}, to: { topic: acme/munich/line-1/oven/heat/set } }`, 'route.topic-of-tag'],
    [`{ ${first}, to: { topic: lineside/x } }`, 'route.topic'],
    [`{ ${first}, to: { topic: "a/+/b" } }`, 'route.topic'],
    ['{ route: a, from: { topic: acme/munich/line-1/oven/heat }, to: { topic: x } }', 'route.topic-of-tag'],
  ])('finds what is wrong with %s', async (route, code) => {
    const found = await problems(route)
    expect(found.map((problem) => problem.replace(/:\d+ /, ' '))).toContain(`8 ${code}`)
  })

  it('lets a route lead to a flow', async () => {
    expect(await problems(`{ ${first}, to: { flow: watch } }`)).toEqual([])
  })

  it('takes a flow to which a route leads for one that something starts', async () => {
    const helped = 'flow: helped\non: []\nsteps: [{ id: a, log: { text: hello } }]\n'
    const found = (to: string) =>
      problemsOf({ ...goodSite, ...devices, 'flows/helped.yaml': helped, 'lineside.yaml': routes(`{ ${first}, to: { flow: ${to} } }`) })
    expect(await found('watch')).toEqual(['flows/helped.yaml:1:7 flow.never-started'])
    expect(await found('helped')).toEqual([])
  })

  it('wants one name for one route, and one beginning and one end', async () => {
    expect(await problems(`{ ${first}, to: { topic: x } }`, `{ ${first}, to: { topic: y } }`)).toEqual(['9:14 route.duplicate'])
    expect((await problems('{ route: a, from: {}, to: {} }')).length).toBeGreaterThan(0)
    expect((await problems('{ route: a, from: { topic: x, tag: oven/heat }, to: { topic: y, tag: oven/heat } }')).length).toBeGreaterThan(0)
  })

  it('warns where only a part of the range fits', async () => {
    const { problems: found } = await loadFiles({
      ...goodSite,
      ...devices,
      'lineside.yaml': routes('{ route: a, from: { tag: oven/heat }, to: { tag: press-07/recipe/setpoint } }'),
    })
    expect(found).toMatchObject([{ code: 'route.value-range', severity: 'warning', line: 8 }])
  })
})

describe('a circle of routes', () => {
  const drawn = async (...lines: readonly string[]): Promise<readonly (readonly [string, string])[]> => {
    const { problems: found } = await loadFiles({ ...goodSite, ...devices, 'lineside.yaml': routes(...lines) })
    return found.filter(({ code }) => code === 'route.loop').map(({ severity, message }) => [severity, message] as const)
  }

  it('is drawn: a topic that leads to itself', async () => {
    expect(await drawn('{ route: a, from: { topic: "cell/#" }, to: { topic: cell/7 } }')).toEqual([
      ['error', 'Routes feed themselves: topic cell/# → (a) → topic cell/7; and again.'],
    ])
  })

  it('is drawn: a tag to a topic and back', async () => {
    expect(
      await drawn(
        '{ route: up, from: { tag: "oven/*" }, to: { topic: "ovens/${trigger.device}" } }',
        '{ route: other, from: { tag: oven/hot }, to: { topic: elsewhere } }',
        '{ route: down, from: { topic: ovens/+ }, map: value, to: { tag: oven/heat } }',
      ),
    ).toEqual([
      [
        'error',
        'Routes feed themselves: tag oven/* → (up) → topic ovens/${trigger.device}; topic ovens/+ → (down) → tag oven/heat; and again.',
      ],
    ])
  })

  it('is drawn: the writes that a write reports', async () => {
    expect(await drawn('{ route: a, from: { event: command.* }, map: "5.0", to: { tag: oven/heat } }')).toHaveLength(1)
    expect(await drawn('{ route: a, from: { event: command.*, subject: press-07/* }, map: "5.0", to: { tag: oven/heat } }')).toEqual([])
  })

  it('is only warned of where a condition may end it', async () => {
    expect(await drawn('{ route: a, from: { topic: "cell/#" }, where: value > 5, to: { topic: cell/7 } }')).toMatchObject([
      ['warning', expect.any(String)],
    ])
  })
})
