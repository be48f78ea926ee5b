import { describe, expect, it } from 'vitest'
import { deviceYaml, type Files, loadFiles, problemsOf, siteYaml } from './site-folder.ts'

const press = `${deviceYaml}  recipe/speed: { at: hr:202, type: f32, unit: 1/min, range: [0, 300], write: { min: 0, max: 300 } }
  recipe/heat: { at: hr:204, type: f32, unit: °C, write: {} }
  recipe/name: { at: hr:206, type: string(8), write: {} }
  recipe/zones: { at: "hr:220[4]", type: u16, write: {} }
  count/reset: { at: co:1, type: bool, write: { confirm: 0ms } }
  lamp: { at: co:2, type: bool, write: {} }
capabilities: [press]
`
const robot = `device: robot-1
driver: opcua
connection: { url: "opc.tcp://127.0.0.1:4840" }
capabilities: [robot]
tags:
  x: { node: "nsu=urn:a;s=x", type: f64, unit: mm, write: { min: 0, max: 100 } }
`

/** A site with one flow: a head, then its steps. */
function flow(steps: string, head = 'on: [{ start: operator }]'): Files {
  return {
    'lineside.yaml': siteYaml,
    'devices/press-07.yaml': press,
    'devices/robot-1.yaml': robot,
    'flows/f.yaml': `flow: f\n${head}\nsteps:\n${steps}`,
  }
}

/** Steps, one a line: each becomes a list item. */
function steps(...lines: readonly string[]): string {
  return lines.map((line) => `  - ${line}\n`).join('')
}

const write = 'id: w, write: { press-07/lamp: true }, undo: []'

/** In the flow of `flow()`: the first step stands in line 4. */
const wrongSteps: readonly (readonly [string, Files, string])[] = [
  ['a step without an id', flow(steps('{ log: { text: a } }')), '4:5 site.missing'],
  ['a key that belongs to another kind', flow(steps('{ id: a, log: { text: a }, confirm: 1s }')), '4:41 site.value'],
  ['a branch too many to join', flow(steps('{ id: a, join: 3, parallel: { l: [{ id: b, log: { text: a } }] } }')), '4:20 site.value'],
  [
    '21 branches',
    flow(steps(`{ id: a, parallel: { ${Array.from({ length: 21 }, (_, n) => `b${n}: [{ id: s${n}, log: { text: a } }]`).join(', ')} } }`)),
    '4:24 site.value',
  ],
  [
    '101 steps',
    flow(
      steps(...Array.from({ length: 60 }, (_, n) => `{ id: a${n}, switch: [{ when: "true", steps: [{ id: b${n}, log: { text: a } }] }] }`)),
    ),
    '54:5 flow.too-many-steps',
  ],
  [
    'a step twice, once inside',
    flow(steps('{ id: a, each: { in: [1], steps: [{ id: a, log: { text: x } }] } }')),
    '4:45 flow.step-duplicate',
  ],
  [
    'the failure of a step after which nothing comes',
    flow(steps('{ id: a, publish: { topic: x, payload: 1 } }', `{ id: b, log: { text: "\${steps['a'].failure.code}" } }`)),
    '5:30 expression.invalid',
  ],
  [
    'a failure that has no such key',
    flow(steps(`{ id: a, publish: { topic: x, payload: 1 }, on-failure: [{ id: b, log: { text: "\${steps['a'].failure.cod}" } }] }`)),
    '4:87 expression.invalid',
  ],
  [
    'a failure that is compared with what it never is',
    flow(steps(`{ id: a, log: { text: x }, on-failure: [{ id: b, when: "steps['a'].failure.code > 5", log: { text: y } }] }`)),
    '4:61 expression.invalid',
  ],
  [
    'the failure of the step itself',
    flow(steps(`{ id: a, when: "steps['a'].failure.code == ''", log: { text: x }, on-failure: continue }`)),
    '4:21 expression.invalid',
  ],
  [
    'the result of a step in whose place another is done',
    flow(steps(`{ id: a, pick: { capability: robot }, on-failure: [{ id: b, log: { text: "\${steps['a'].result.device}" } }] }`)),
    '4:81 expression.invalid',
  ],
  ['a need of nothing', flow(steps('{ id: a, needs: [bb], log: { text: x } }', '{ id: b, log: { text: x } }')), '4:22 flow.need-unknown'],
  [
    'a need of another list',
    flow(steps('{ id: a, each: { in: [1], steps: [{ id: c, needs: [b], log: { text: x } }] } }', '{ id: b, log: { text: x } }')),
    '4:56 flow.need-unknown',
  ],
  [
    'a cycle beside a step that needs one which is not there',
    flow(
      steps(
        '{ id: a, needs: [b], log: { text: x } }',
        '{ id: b, needs: [a], log: { text: x } }',
        '{ id: c, needs: [no], log: { text: x } }',
      ),
    ),
    '4:21 flow.cycle',
  ],
  ['a cycle', flow(steps('{ id: a, needs: [b], log: { text: x } }', '{ id: b, needs: [a], log: { text: x } }')), '4:21 flow.cycle'],
  ['a step after an end', flow(steps('{ id: a, end: {} }', '{ id: b, log: { text: x } }')), '5:5 flow.unreachable'],
  [
    'a step after a failure, by what it needs',
    flow(steps('{ id: a, fail: no }', '{ id: c, needs: [], log: { text: x } }', '{ id: b, needs: [c, a], log: { text: x } }')),
    '6:5 flow.unreachable',
  ],
  ['a write to what only reads', flow(steps('{ id: a, write: { press-07/motor/running: true } }')), '4:23 flow.tag-read-only'],
  ['a text for a number', flow(steps('{ id: a, write: { press-07/recipe/speed: fast } }')), '4:46 flow.value-type'],
  [
    'an expression that gives a text for a number',
    flow(steps(`{ id: a, write: { press-07/recipe/speed: "\${tags['press-07/recipe/name']}" } }`)),
    '4:47 flow.value-type',
  ],
  [
    'a text around a number',
    flow(steps(`{ id: a, write: { press-07/recipe/speed: "\${tags['press-07/recipe/heat']} " } }`)),
    '4:47 flow.value-type',
  ],
  [
    'an expression that gives a number for a bool',
    flow(steps(`{ id: a, write: { press-07/lamp: "\${tags['press-07/recipe/heat'] + 1}" } }`)),
    '4:39 flow.value-type',
  ],
  ['a list that is too short', flow(steps('{ id: a, write: { press-07/recipe/zones: [1, 2] } }')), '4:46 flow.value-type'],
  ['a list with a text in it', flow(steps('{ id: a, write: { press-07/recipe/zones: [1, 2, x, 4] } }')), '4:46 flow.value-type'],
  ['a value outside what may be written', flow(steps('{ id: a, write: { press-07/recipe/speed: 301 } }')), '4:46 flow.value-range'],
  ['a value in another unit', flow(steps('{ id: a, write: { press-07/recipe/heat: 80 °F } }')), '4:45 flow.unit'],
  [
    'a value in a unit that the tag does not say',
    flow(steps('{ id: a, write: { press-07/recipe/setpoint: 80 bar } }')),
    '4:49 flow.unit-missing',
  ],
  [
    'a tag copied to one of another unit',
    flow(steps(`{ id: a, write: { press-07/recipe/heat: "\${tags['press-07/recipe/speed']}" } }`)),
    '4:46 flow.unit',
  ],
  ['a retry of a pulse', flow(steps('{ id: a, write: { press-07/count/reset: true }, retry: { attempts: 2 } }')), '4:60 flow.retry-unsafe'],
  [
    'a retry of a pulse that the flow asks for',
    flow(steps('{ id: a, write: { press-07/count/reset: true } }'), 'retry: { attempts: 2 }'),
    '4:21 flow.retry-unsafe',
  ],
  [
    'a pulse repeated when in doubt',
    flow(steps('{ id: a, write: { press-07/count/reset: true }, in-doubt: repeat }')),
    '4:63 flow.repeat-unsafe',
  ],
  [
    'a write that stays when a later step fails',
    flow(steps('{ id: a, write: { press-07/lamp: true } }', '{ id: b, log: { text: x } }')),
    '4:14 flow.undo-missing',
  ],
  ['a read of an unknown tag', flow(steps('{ id: a, read: { tags: [press-07/lmap] } }')), '4:29 flow.tag-unknown'],
  ['an unknown flow', flow(steps('{ id: a, run: { flow: g } }')), '4:27 flow.flow-unknown'],
  ['an unknown service', flow(steps('{ id: a, request: { service: mes, path: /a } }')), '4:34 flow.service-unknown'],
  ['a method of a device without methods', flow(steps('{ id: a, call: { device: press-07, method: m } }')), '4:30 flow.call-unsupported'],
  ['a method of an unknown device', flow(steps('{ id: a, call: { device: robot-2, method: m } }')), '4:30 flow.device-unknown'],
  ['a retry of a call', flow(steps('{ id: a, retry: { attempts: 2 }, call: { device: robot-1, method: m } }')), '4:21 flow.retry-unsafe'],
  ['an unknown capability', flow(steps('{ id: a, pick: { capability: robt } }')), '4:34 flow.capability-unknown'],
  [
    'a device without the capability',
    flow(steps('{ id: a, pick: { capability: robot, fallback: press-07 } }')),
    '4:51 flow.capability-missing',
  ],
  ['an unknown device to pick from', flow(steps('{ id: a, pick: { capability: robot, from: [robot-3] } }')), '4:48 flow.device-unknown'],
  ['an alarm that nothing raises', flow(steps('{ id: a, clear: { alarm: high } }')), '4:30 flow.alarm-unknown'],
  [
    'a history of which nobody can say beforehand',
    flow(steps('{ id: a, query: { tags: ["${trigger.by}/lamp"], last: 1h, aggregate: avg } }')),
    '4:31 flow.no-history',
  ],
  [
    'a history that is too long ago',
    flow(steps('{ id: a, query: { tags: [press-07/lamp], last: 91d, aggregate: avg } }')),
    '4:52 flow.history-short',
  ],
  [
    'a history in too many spans',
    flow(steps('{ id: a, query: { tags: [press-07/lamp], last: 1h, every: 1s, aggregate: avg } }')),
    '4:63 flow.history-spans',
  ],
  [
    'a history of a text',
    flow(steps('{ id: a, query: { tags: [press-07/recipe/name], last: 1h, aggregate: last } }')),
    '4:30 flow.history-type',
  ],
  [
    'a result that a query has not',
    flow(
      steps(
        '{ id: a, query: { tags: [press-07/lamp], last: 1h, aggregate: avg } }',
        "{ id: b, log: { text: \"${steps['a'].result['press-07/lmap']} ${steps['a'].result.known['press-07/lamp']}\" } }",
      ),
    ),
    '5:30 expression.invalid',
  ],
  ['a wait without an end', flow(steps('{ id: a, wait: { until: "tags[\'press-07/lamp\']" } }')), '4:30 flow.wait-unbounded'],
  ['a wait for a time and for something', flow(steps('{ id: a, wait: { for: 1s, until: "true" } }')), '4:20 site.value'],
  ['a condition that is a number', flow(steps('{ id: a, when: 1 + 1, log: { text: x } }')), '4:20 expression.invalid'],
  ['a list that is a text', flow(steps('{ id: a, each: { in: abc, steps: [{ id: b, log: { text: x } }] } }')), '4:26 flow.no-list'],
  [
    'a list beyond the limit',
    flow(steps('{ id: a, each: { in: [1, 2], limit: 1, steps: [{ id: b, log: { text: x } }] } }')),
    '4:26 flow.each-limit',
  ],
  ['an unknown input', flow(steps('{ id: a, log: { text: "${input.limit}" } }')), '4:30 expression.invalid'],
  ['an unknown variable', flow(steps('{ id: a, log: { text: "${vars.limit}" } }')), '4:30 expression.invalid'],
  ['an unknown step', flow(steps('{ id: a, log: { text: "${steps[\'b\'].failed}" } }')), '4:30 expression.invalid'],
  [
    'the result of a step that comes later',
    flow(steps('{ id: a, when: "steps[\'b\'].failed", log: { text: x } }', '{ id: b, log: { text: x } }')),
    '4:21 expression.invalid',
  ],
  ['the result of itself', flow(steps('{ id: a, when: "steps[\'a\'].failed", log: { text: x } }')), '4:21 expression.invalid'],
  [
    'a result that a step has not',
    flow(steps('{ id: a, log: { text: x } }', '{ id: b, log: { text: "${steps[\'a\'].result.x}" } }')),
    '5:30 expression.invalid',
  ],
  [
    'a result that a read has not',
    flow(steps('{ id: a, read: { tags: [press-07/lamp] } }', "{ id: b, log: { text: \"${steps['a'].result['press-07/lmap']}\" } }")),
    '5:30 expression.invalid',
  ],
  [
    'a text that is compared with a number',
    flow(steps('{ id: a, pick: { capability: robot } }', '{ id: b, when: "steps[\'a\'].result.device > 3", log: { text: x } }')),
    '5:21 expression.invalid',
  ],
  ['what a start does not bring', flow(steps('{ id: a, log: { text: "${trigger.payload}" } }')), '4:30 expression.invalid'],
  ['an item outside of each', flow(steps('{ id: a, log: { text: "${item}" } }')), '4:30 expression.invalid'],
  ['an own event of the gateway', flow(steps('{ id: a, emit: { event: device.lost } }')), '4:29 site.value'],
  ['a topic of a tag', flow(steps('{ id: a, publish: { topic: press-07/lamp/set, payload: 1 } }')), '4:32 flow.topic-of-tag'],
  ['a key in a payload without room for it', flow(steps('{ id: a, publish: { topic: x, payload: 1, key: id } }')), '4:52 site.value'],
  ['a key in place of a value', flow(steps('{ id: a, publish: { topic: x, payload: { id: 7 }, key: id } }')), '4:60 site.value'],
  [
    'an undo of an undo',
    flow(steps(`{ ${write.replace('[]', '{ write: { press-07/lamp: false }, undo: [] }')} }`)),
    '4:87 site.unknown-key',
  ],
  [
    'an undo that writes to what only reads',
    flow(steps(`{ ${write.replace('[]', '{ write: { press-07/motor/running: false } }')} }`)),
    '4:63 flow.tag-read-only',
  ],
]

const ok = steps('{ id: a, log: { text: x } }')

/** The head stands in line 2. */
const wrongHeads: readonly (readonly [string, string, string])[] = [
  ['a trigger of two kinds', 'on: [{ start: operator, every: 1s }]', '2:6 site.value'],
  ['a trigger of no kind', 'on: [{ for: 1s }]', '2:6 site.value'],
  ['a mistyped trigger', 'on: [{ topc: a }]', '2:8 site.unknown-key'],
  ['a key of another trigger', 'on: [{ every: 1s, zone: UTC }]', '2:25 site.value'],
  ['a tag without a condition', 'on: [{ tag: press-07/lamp }]', '2:6 site.missing'],
  ['a deadband of a bool', 'on: [{ tag: press-07/lamp, when: value, deadband: 1 }]', '2:51 flow.deadband'],
  ['a wildcard within a level', 'on: [{ topic: a+/b }]', '2:15 site.value'],
  ['an event in capitals', 'on: [{ event: Device.lost }]', '2:15 site.value'],
  ['the topic of a tag', 'on: [{ topic: press-07/lamp }]', '2:15 flow.topic-of-tag'],
  ['the whole topic of a tag', 'on: [{ topic: /acme/munich/line-1/press-07/lamp }]', '2:15 flow.topic-of-tag'],
  ['an event that nobody tells', 'on: [{ event: devcie.lost }]', '2:15 flow.event-unknown'],
  ['an alarm that nothing raises', 'on: [{ alarm: high }]', '2:15 flow.alarm-unknown'],
  ['an unknown role', 'on: [{ start: boss }]', '2:15 site.choice'],
  ['no cron text', 'on: [{ cron: "61 * * * *" }]', '2:15 flow.cron'],
  ['a moment that never comes', 'on: [{ cron: "0 0 31 2 *" }]', '2:15 flow.cron'],
  ['an unknown time zone', 'on: [{ cron: "0 6 * * *", zone: Europe/Munich }]', '2:33 flow.zone-unknown'],
  ['a `where` that sees no tag’s value', 'on: [{ event: device.lost, where: value > 1 }]', '2:35 expression.invalid'],
  ['an input that a trigger does not bring', 'on: [{ every: 1s }]\ninput: { a: { type: number } }', '3:10 flow.input-missing'],
  ['a default of another type', 'input: { a: { type: number, default: x } }', '2:38 site.value'],
  ['a default outside the range', 'input: { a: { type: number, default: 9, range: [0, 5] } }', '2:38 site.value'],
  ['a range of a text', 'input: { a: { type: text, range: [0, 5] } }', '2:34 site.value'],
  ['an input named like a word of expressions', 'input: { steps: { type: any } }', '2:10 site.key'],
  ['a lock twice', 'locks: [a, a]', '2:8 site.value'],
  ['a `per` that asks for what there is not', 'concurrency: { per: tirgger.device }', '2:21 expression.invalid'],
  ['nothing that starts it', 'on: []', '1:7 flow.never-started'],
  ['an unknown priority', 'priority: urgent', '2:11 site.choice'],
  ['a retry without end', 'retry: { attempts: 1000 }', '2:20 site.value'],
]

describe('a mistake in a flow', () => {
  it.each([...wrongSteps, ...wrongHeads.map(([name, head, place]) => [name, flow(ok, head), place] as const)])(
    'is found at its place: %s',
    async (_, files, place) => {
      const { problems } = await loadFiles(files)
      expect(problems.map(({ line, column, code }) => `${line}:${column} ${code}`)).toContain(place)
      expect(problems.every(({ message, remedy }) => message.endsWith('.') && remedy.length > 0)).toBe(true)
    },
  )

  it('draws the way of steps that wait for each other', async () => {
    const { problems } = await loadFiles(
      flow(
        steps(
          '{ id: a, log: { text: x } }',
          ...['c', 'd', 'b'].map((need, n) => `{ id: ${'bcd'[n]}, needs: [${need}], log: { text: x } }`),
        ),
      ),
    )
    expect(problems).toMatchObject([{ message: 'These steps wait for each other: b → c → d → b.' }])
  })

  it('draws the way of flows that run each other', async () => {
    const more = (name: string, runs: string): string => `flow: ${name}\nsteps:\n  - { id: a, run: { flow: ${runs} } }\n`
    const files = { ...flow(steps('{ id: a, run: { flow: g } }')), 'flows/g.yaml': more('g', 'h'), 'flows/h.yaml': more('h', 'f') }
    const { problems } = await loadFiles(files)
    expect(problems).toMatchObject([
      { file: 'flows/f.yaml', line: 4, column: 27, message: 'These flows run each other without end: f → g → h → f.' },
    ])
  })

  it('in what another flow is given is found at its place', async () => {
    const g = `flow: g\ninput: { a: { type: number, range: [0, 5] }, b: { type: text } }\nsteps:\n${ok}`
    const files = { ...flow(steps('{ id: a, run: { flow: g, input: { a: 6, c: 1 } } }')), 'flows/g.yaml': g }
    expect(await problemsOf(files)).toEqual([
      'flows/f.yaml:4:27 flow.input-missing',
      'flows/f.yaml:4:42 flow.input-type',
      'flows/f.yaml:4:45 flow.input-unknown',
    ])
  })

  it('in the order of locks of flows that wait for each other is found', async () => {
    const g = `flow: g\nlocks: [a, c]\nsteps:\n${ok}`
    const files = { ...flow(steps('{ id: a, run: { flow: g } }'), 'on: [{ start: operator }]\nlocks: [b, c]'), 'flows/g.yaml': g }
    const { problems } = await loadFiles(files)
    expect(problems.map(({ code, severity }) => [code, severity])).toEqual([
      ['flow.contention', 'note'],
      ['flow.lock-order', 'error'],
      ['flow.contention', 'note'],
    ])
  })

  it('in the range of an input is found where it is written', async () => {
    const head = 'on: [{ start: viewer }]\ninput: { speed: { type: number, default: 5, range: [0, 301] } }'
    const { problems } = await loadFiles(flow(steps('{ id: a, write: { press-07/recipe/speed: "${input.speed}" } }'), head))
    expect(problems).toMatchObject([
      { code: 'flow.value-range', line: 5, column: 47, message: 'input.speed may be 0 to 301, and press-07/recipe/speed takes 0 to 300.' },
    ])
  })

  it('is told once where a step has the name of the one above it, which it follows', async () => {
    const { problems } = await loadFiles(flow(steps('{ id: a, log: { text: x } }', '{ id: a, log: { text: y } }')))
    expect(problems).toMatchObject([{ line: 5, column: 11, code: 'flow.step-duplicate' }])
  })

  it('is told with what was probably meant, in nested steps, too', async () => {
    const { problems } = await loadFiles(flow(steps('{ id: a, each: { in: [1], steps: [{ id: b, lgo: { text: x } }] } }')))
    expect(problems).toMatchObject([{ line: 4, column: 48, code: 'site.unknown-key', remedy: 'Did you mean `log`?' }])
  })
})

describe('a flow', () => {
  it('says of each step what it needs, and names those that undo', async () => {
    const undo = 'undo: [{ write: { press-07/lamp: false } }, { id: tell, log: { text: back } }]'
    const { site, problems } = await loadFiles(
      flow(
        steps(
          `{ id: a, write: { press-07/lamp: true }, ${undo} }`,
          '{ id: b, log: { text: x } }',
          '{ id: c, needs: [a], log: { text: x } }',
          '{ id: d, needs: [], log: { text: x } }',
        ),
      ),
    )
    expect(problems).toEqual([])
    const found = site?.flows[0]?.steps
    expect(found?.map(({ needs }) => needs)).toEqual([[], ['a'], ['a'], []])
    expect(found?.[0]?.undo.map(({ id, needs }) => [id, needs])).toEqual([
      ['a-undo-1', []],
      ['tell', ['a-undo-1']],
    ])
  })

  it('takes a value with its unit for the number it is', async () => {
    const { site } = await loadFiles(flow(steps('{ id: a, write: { press-07/recipe/heat: 80 °C } }')))
    expect(site?.flows[0]?.steps[0]).toMatchObject({ writes: [{ tag: 'press-07/recipe/heat', value: 80 }] })
  })

  it('takes a value in a unit that begins with a digit, and leaves a text a text', async () => {
    const { site, problems } = await loadFiles(
      flow(steps('{ id: a, write: { press-07/recipe/speed: 60 1/min } }', '{ id: b, write: { press-07/recipe/name: 80 °C } }')),
    )
    expect(problems.map(({ code }) => code)).toEqual(['flow.undo-missing'])
    expect(site?.flows[0]?.steps).toMatchObject([{ writes: [{ value: 60 }] }, { writes: [{ value: '80 °C' }] }])
  })

  it('knows the types of inputs, results and items', async () => {
    const list = steps(
      `{ id: r, read: { tags: [press-07/recipe/speed] } }`,
      `{ id: p, pick: { capability: robot } }`,
      `{ id: v, set: { half: "\${input.limit / 2}" } }`,
      `{ id: e, each: { in: [1, 2], as: place, steps: [{ id: w, when: "place + index > vars.half || steps['r'].failed", write: { "\${steps['p'].result.device}/x": "\${steps['r'].result['press-07/recipe/speed'] * 2}" } }] } }`,
      `{ id: l, when: "steps['e'].result.count > 1 && run.version == 1", log: { text: "\${trigger.by} \${input.name}" } }`,
    )
    expect(
      await problemsOf(
        flow(list, 'on: [{ start: viewer }]\ninput: { limit: { type: number, default: 4 }, name: { type: text, default: a } }'),
      ),
    ).toEqual([])
  })

  it('may do without undo where a person says so, where nothing follows, and where a pulse has none', async () => {
    expect(await problemsOf(flow(steps('{ id: b, log: { text: x } }', '{ id: a, write: { press-07/lamp: true } }')))).toEqual([])
    expect(await problemsOf(flow(steps(`{ ${write} }`, '{ id: b, log: { text: x } }')))).toEqual([])
    expect(await problemsOf(flow(steps('{ id: a, write: { press-07/count/reset: true } }', '{ id: b, log: { text: x } }')))).toEqual([])
  })

  it('that contends with another for a lock is a note, and no doubt', async () => {
    const files = {
      ...flow(ok, 'on: [{ start: viewer }]\nlocks: [gate]'),
      'flows/g.yaml': `flow: g\non: [{ every: 1h }]\nlocks: [gate]\nsteps:\n${ok}`,
    }
    const { site, problems } = await loadFiles(files)
    expect(site).toBeDefined()
    expect(problems).toMatchObject([
      { file: 'flows/f.yaml', line: 3, column: 9, severity: 'note', message: 'f waits while one of these runs, and they for it: g.' },
      { file: 'flows/g.yaml', severity: 'note' },
    ])
  })

  it('is plain data that JSON keeps as it is', async () => {
    const { site } = await loadFiles(
      flow(steps(`{ ${write} }`, '{ id: b, wait: { for: 1s } }'), 'on: [{ cron: "0 6 * * 1-5", zone: Europe/Berlin, missed: once }]'),
    )
    expect(JSON.parse(JSON.stringify(site?.flows))).toEqual(site?.flows)
  })
})
