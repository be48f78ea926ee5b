import { describe, expect, it } from 'vitest'
import { type Files, goodSite, loadFiles } from './site-folder.ts'

const device = `device: oven
driver: modbus-tcp
connection: { host: 127.0.0.1 }
tags:
  heat: { at: hr:0, type: f32, unit: °C, write: {} }
  level: { at: hr:2, type: u16, write: {} }
  near: { at: hr:3, type: u16, write: { tolerance: 2 } }
  on: { at: co:0, type: bool, write: {} }
  lamp: { at: co:1, type: bool, write: {} }
  hot: { at: di:0 }
`

/** Flows by their names: triggers and steps, as YAML in one line each. */
function flows(all: Readonly<Record<string, readonly [on: string, ...steps: readonly string[]]>>): Files {
  const text = (name: string, [on, ...steps]: readonly [string, ...(readonly string[])]): string =>
    `flow: ${name}\non: [${on}]\nsteps:\n${steps.map((step, place) => `  - { id: s${place + 1}, ${step} }\n`).join('')}`
  return Object.fromEntries(Object.entries(all).map(([name, lines]) => [`flows/${name}.yaml`, text(name, lines)]))
}

function routes(...lines: readonly string[]): Files {
  return { 'lineside.yaml': `site: acme/munich/line-1\nroutes:\n${lines.map((line) => `  - ${line}\n`).join('')}` }
}

/** What is drawn, with its place. */
async function drawn(...files: readonly Files[]): Promise<readonly string[]> {
  const { problems, site } = await loadFiles(Object.assign({}, goodSite, { 'devices/oven.yaml': device }, ...files))
  expect(problems.filter(({ severity, code }) => severity === 'error' && code !== 'route.loop')).toEqual([])
  const found = problems.filter(({ code }) => code === 'flow.loop')
  expect(found.every(({ severity }) => severity === 'warning')).toBe(true)
  if (!problems.some(({ severity }) => severity === 'error')) expect(site).toBeDefined()
  return found.map(({ file, line, column, message }) => `${file}:${line}:${column} ${message.replace(/^.*again and again: /, '')}`)
}

describe('a flow that starts itself again', () => {
  it('is drawn: by a write', async () => {
    const on = '{ tag: oven/heat, when: value > 80 }, { tag: oven/hot, when: "tags[\'oven/level\'] > 3" }'
    expect(
      await drawn(flows({ a: ['{ start: operator }', 'log: { text: x }'], b: [on, 'write: { oven/heat: 90 °C }, undo: []'] })),
    ).toEqual(['flows/b.yaml:4:22 b → s1 writes oven/heat → b.'])
    expect(await drawn(flows({ b: [on, 'write: { oven/level: 4 }, undo: []'] }))).toEqual([
      'flows/b.yaml:4:22 b → s1 writes oven/level → b.',
    ])
    expect(await drawn(flows({ b: [on, `write: { oven/heat: "\${value + 1.0}" }, undo: []`] }))).toHaveLength(1)
    expect(await drawn(flows({ b: [on, `write: { "\${trigger.device}/heat": 90 }, undo: []`] }))).toHaveLength(1)
  })

  it('is drawn: by what it publishes, emits, raises and clears', async () => {
    expect(await drawn(flows({ a: ['{ topic: orders/# }', 'publish: { topic: "orders/${run.id}", payload: 1 }'] }))).toEqual([
      'flows/a.yaml:4:24 a → s1 publishes orders/${run.id} → a.',
    ])
    expect(await drawn(flows({ a: ['{ event: press.* }', 'emit: { event: press.done }'] }))).toHaveLength(1)
    expect(await drawn(flows({ a: ['{ alarm: hot }', 'raise: { alarm: hot }'] }))).toHaveLength(1)
    expect(await drawn(flows({ a: ['{ alarm: hot, state: cleared }', 'raise: { alarm: hot }', 'clear: { alarm: hot }'] }))).toEqual([
      'flows/a.yaml:5:22 a → s2 clears hot → a.',
    ])
  })

  it('is drawn: by what is told of every run, and of one that fails', async () => {
    expect(await drawn(flows({ a: ['{ event: flow.completed }', 'log: { text: x }'] }))).toEqual([
      'flows/a.yaml:2:6 a → event flow.completed → a.',
    ])
    expect(await drawn(flows({ a: ['{ start: operator }, { event: flow.failed }', 'log: { text: x }'] }))).toEqual([
      'flows/a.yaml:2:27 a → event flow.failed → a.',
    ])
    expect(await drawn(flows({ a: ['{ event: command.done }', 'write: { oven/on: true }'] }))).toHaveLength(1)
  })

  it('is drawn: by what it takes back, and does in place of what failed', async () => {
    const on = '{ tag: oven/on, when: value }'
    expect(await drawn(flows({ a: [on, 'write: { oven/on: false }, undo: { write: { oven/on: true } }'] }))).toEqual([
      'flows/a.yaml:4:57 a → s1-undo writes oven/on → a.',
    ])
    const steps = 'log: { text: x }, on-failure: [{ id: c, write: { oven/on: true } }]'
    expect(await drawn(flows({ a: [on, steps] }))).toHaveLength(1)
  })
})

describe('flows that start each other again', () => {
  it('are drawn in the order in which they do', async () => {
    const files = flows({
      a: ['{ tag: oven/on, when: value }', 'write: { oven/lamp: true }, undo: []'],
      b: ['{ tag: oven/lamp, when: value }', 'publish: { topic: lamps/7, payload: 1 }'],
      c: ['{ topic: lamps/+ }', 'run: { flow: d }'],
      d: ['{ start: operator }', 'write: { oven/on: true }, undo: []'],
    })
    expect(await drawn(files)).toEqual([
      'flows/a.yaml:4:22 a → s1 writes oven/lamp → b → s1 publishes lamps/7 → c → s1 runs it → d → s1 writes oven/on → a.',
    ])
  })

  it('are drawn with the routes between them', async () => {
    const files = flows({ a: ['{ topic: /cells/+/order }', 'write: { oven/heat: 90 }, undo: []'] })
    expect(await drawn(files, routes('{ route: up, from: { tag: "oven/*" }, to: { topic: "cells/${trigger.device}/order" } }'))).toEqual([
      'flows/a.yaml:4:22 a → s1 writes oven/heat → (up) → topic cells/${trigger.device}/order → a.',
    ])
    expect(await drawn(files, routes('{ route: up, from: { event: flow.completed, subject: a }, to: { flow: a } }'))).toEqual([]) // route.loop
    const told = routes('{ route: up, from: { event: flow.completed, subject: a }, to: { topic: cells/7/order } }')
    expect(await drawn(files, told)).toEqual(['flows/a.yaml:2:6 a → event flow.completed → (up) → topic cells/7/order → a.'])
    expect(await drawn(files, routes('{ route: up, from: { tag: oven/heat }, map: "{}", to: { flow: a } }'))).toHaveLength(1)
  })

  it('are told of as such where they only run each other', async () => {
    const { problems } = await loadFiles({
      ...goodSite,
      ...flows({ a: ['{ start: operator }', 'run: { flow: b }'], b: ['{ start: operator }', 'run: { flow: a }'] }),
    })
    expect(problems.map(({ code }) => code)).toEqual(['flow.recursion'])
  })
})

describe('no circle of flows is seen', () => {
  const silent: readonly (readonly [string, Files])[] = [
    [
      'where what is written makes the condition false',
      flows({ a: ['{ tag: oven/heat, when: value > 80 }', 'write: { oven/heat: 20 °C }, undo: []'] }),
    ],
    ['where a switch is set back', flows({ a: ['{ tag: oven/on, when: "value && tags[\'oven/hot\']" }', 'write: { oven/on: false }'] })],
    ['where another tag is written', flows({ a: ['{ tag: oven/heat, when: value > 80 }', 'write: { oven/lamp: true }'] })],
    [
      'where a device is picked that has no such tag',
      flows({ a: ['{ tag: oven/heat, when: value > 8 }', 'write: { "${trigger.device}/lamp": true }'] }),
    ],
    ['where another topic is published', flows({ a: ['{ topic: orders/+ }', 'publish: { topic: "orders/taken/${run.id}", payload: 1 }'] })],
    [
      'where `where` leaves out what it publishes',
      flows({
        a: [
          '{ topic: orders/+, where: "trigger.payload.state == \'new\'" }',
          'publish: { topic: orders/7, payload: { state: taken, at: "${run.id}" } }',
        ],
      }),
    ],
    [
      'where `where` leaves out its topic',
      flows({
        a: ['{ topic: orders/+, where: "trigger.topic != \'acme/munich/line-1/orders/7\'" }', 'publish: { topic: orders/7, payload: 1 }'],
      }),
    ],
    ['where `where` leaves out its own runs', flows({ a: ['{ event: flow.*, where: "trigger.subject != \'a\'" }', 'log: { text: x }'] })],
    [
      'where only other types are wanted',
      flows({ a: ["{ event: '*', where: trigger.type.startsWith('device.') }", 'emit: { event: press.done }'] }),
    ],
    ['where it hears of steps, which flows do not', flows({ a: ['{ event: step.* }', 'log: { text: x }'] })],
    [
      'where another subject is meant',
      flows({ a: ['{ event: press.done, subject: press-07 }', 'emit: { event: press.done, subject: press-08 }'] }),
    ],
    [
      'where the flow is a shadow',
      { 'flows/a.yaml': 'flow: a\nmode: shadow\non: [{ topic: a }]\nsteps:\n  - { id: s, publish: { topic: a, payload: 1 } }\n' },
    ],
  ]
  it.each(silent)('%s', async (_, files) => {
    expect(await drawn(files)).toEqual([])
  })

  it('but is where it cannot be told for certain', async () => {
    const a = (where: string, payload: string): Files =>
      flows({ a: [`{ topic: x, where: "${where}" }`, `publish: { topic: x, payload: ${payload} }`] })
    expect(await drawn(a('trigger.payload.n > 3', '{ n: "${run.version}" }'))).toHaveLength(1)
    expect(await drawn(a('trigger.payload.n > 3 || trigger.payload.m', '{ n: 1 }'))).toHaveLength(1)
    expect(await drawn(a("trigger.time > '2026'", '{ n: 1 }'))).toHaveLength(1)
    const near = (tag: string, value: number): Files =>
      flows({ a: [`{ tag: ${tag}, when: value > 80.0 }`, `write: { ${tag}: ${value} }, undo: []`] })
    expect(await drawn(near('oven/near', 79))).toHaveLength(1) // the device may hold two more
    expect(await drawn(near('oven/near', 78))).toHaveLength(0)
    expect(await drawn(near('oven/heat', 80))).toHaveLength(0)
    expect(await drawn(near('oven/heat', 79.99999))).toHaveLength(1) // which is 80 or a little more, or less
  })

  it('in the time of a blink, however many levels are computed', async () => {
    const topic = Array.from({ length: 60 }, () => '${run.id}').join('/')
    const filter = Array.from({ length: 80 }, () => '+').join('/')
    const began = performance.now()
    expect(await drawn(flows({ a: [`{ topic: ${filter} }`, `publish: { topic: "${topic}", payload: 1 }`] }))).toHaveLength(1)
    expect(await drawn(flows({ a: [`{ topic: ${filter}/x }`, `publish: { topic: "${topic}/y", payload: 1 }`] }))).toHaveLength(0)
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})
