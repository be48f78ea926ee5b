import { describe, expect, it } from 'vitest'
import { inTime, telling } from './in-time.ts'

/** What was published, each a time. */
const told = (...times: readonly string[]): string => `[${times.map((time) => `{ topic: told, payload: "${time}" }`).join(', ')}]`

/** One case: what happens, and at which moments the flow must have run. */
function oneCase(
  flow: string,
  { time, does, times }: { readonly time: string; readonly does: string; readonly times: readonly string[] },
): string {
  return `flow: ${flow}\ntime: ${time}\ncases:\n  - { name: a, do: [${does}], expect: { publishes: ${told(...times)} } }\n`
}

const days = (from: number, to: number, hour: string): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, day) => `2026-01-${String(from + day).padStart(2, '0')}T${hour}:00.000Z`)

describe('a cron trigger', () => {
  const nightly = (missed: string) => telling('nightly', `{ cron: "30 5 * * *", missed: ${missed} }`)

  it('runs the flow at each of its moments', async () => {
    const test = oneCase('nightly', { time: '2026-01-05T05:00:00Z', does: '{ after: 25h }', times: days(5, 6, '05:30') })
    expect(await inTime(nightly('skip'), test)).toEqual([])
  })

  it.each([
    ['leaves out', 'skip', ['05', '09']],
    ['makes up once for', 'once', ['05', '08', '09']],
    ['makes up for each of', 'all', ['05', '06', '07', '08', '09']],
  ])('%s the moments that passed while the power was off, where the file says %s', async (_, missed, on) => {
    const test = oneCase('nightly', {
      time: '2026-01-05T05:00:00Z',
      does: '{ after: 1h, kill: 72h }, { after: 72h }, { after: 24h }',
      times: on.map((day) => `2026-01-${day}T05:30:00.000Z`),
    })
    expect(await inTime(nightly(missed), test)).toEqual([])
  })

  it('makes up for nothing on its very first start', async () => {
    const test = oneCase('nightly', { time: '2026-01-05T12:00:00Z', does: '{ after: 1h, kill: 1h }, { after: 2h }', times: [] })
    expect(await inTime(nightly('all'), test)).toEqual([])
  })

  it('makes up for its first moment, too, and for one since which the flow was begun otherwise many times', async () => {
    const first = oneCase('nightly', {
      time: '2026-01-05T04:00:00Z',
      does: '{ after: 1h, kill: 1h }, { after: 2h }',
      times: ['2026-01-05T05:30:00.000Z'],
    })
    expect(await inTime(nightly('once'), first)).toEqual([])
    const busy = telling('nightly', '{ cron: "30 5 * * *", missed: once }\n  - { every: 10m }')
    const [flow = ''] = Object.values(busy)
    const files = { 'flows/nightly.yaml': String(flow).replace('    publish', "    when: trigger.kind == 'cron'\n    publish") }
    const other = oneCase('nightly', {
      time: '2026-01-05T05:00:00Z',
      does: '{ after: 24h, kill: 1h }, { after: 2h }',
      times: ['2026-01-05T05:30:00.000Z', '2026-01-06T05:30:00.000Z'],
    })
    expect(await inTime(files, other)).toEqual([])
  })

  it('keeps to the clock of its zone when summer begins and ends', async () => {
    const early = telling('early', '{ cron: "0 6 * * *", zone: Europe/Berlin }')
    const spring = oneCase('early', {
      time: '2026-03-28T04:00:00Z',
      does: '{ after: 25h }',
      times: ['2026-03-28T05:00:00.000Z', '2026-03-29T04:00:00.000Z'],
    })
    const autumn = oneCase('early', {
      time: '2026-10-24T03:00:00Z',
      does: '{ after: 27h }',
      times: ['2026-10-24T04:00:00.000Z', '2026-10-25T05:00:00.000Z'],
    })
    expect(await inTime(early, spring)).toEqual([])
    expect(await inTime(early, autumn)).toEqual([])
  })

  it('runs once in the night in which its hour does not come, or comes twice', async () => {
    const night = telling('night', '{ cron: "30 2 * * *", zone: Europe/Berlin }')
    const spring = oneCase('night', {
      time: '2026-03-29T00:00:00Z',
      does: '{ after: 25h }',
      times: ['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'], // there is no 2:30: as soon as there is an hour again
    })
    const autumn = oneCase('night', {
      time: '2026-10-25T00:00:00Z',
      does: '{ after: 26h }',
      times: ['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'],
    })
    expect(await inTime(night, spring)).toEqual([])
    expect(await inTime(night, autumn)).toEqual([])
  })
})

describe('an interval trigger', () => {
  it('stands on the clock, so that a restart does not shift it', async () => {
    const often = telling('often', '{ every: 6h, missed: skip }')
    const test = oneCase('often', {
      time: '2026-01-05T01:00:00Z',
      does: '{ after: 6h, kill: 3h }, { after: 12h }',
      times: ['2026-01-05T06:00:00.000Z', '2026-01-05T12:00:00.000Z', '2026-01-05T18:00:00.000Z'],
    })
    expect(await inTime(often, test)).toEqual([])
  })

  it('makes up for what was missed as it says', async () => {
    const all = telling('often', '{ every: 6h, missed: all }')
    const hours = ['05T06', '05T12', '05T18', '06T00', '06T06', '06T12']
    const test = oneCase('often', {
      time: '2026-01-05T01:00:00Z',
      does: '{ after: 6h, kill: 25h }, { after: 26h }, { after: 5h }',
      times: hours.map((hour) => `2026-01-${hour}:00:00.000Z`),
    })
    expect(await inTime(all, test)).toEqual([])
  })
})

describe('an event trigger', () => {
  const news = telling('news', '{ event: "device.*", subject: "press-0*", where: "trigger.data.why == \'cable\'" }')
  const event = (type: string, subject: string, why: string): string =>
    `{ after: 1s, event: { type: ${type}, subject: ${subject}, data: { why: ${why} } } }`

  it('hears what its pattern, its subject and its condition let through, and nothing else', async () => {
    const does = [
      event('device.lost', 'press-07', 'cable'),
      event('device.lost', 'oven-1', 'cable'),
      event('device.back', 'press-07', 'power'),
      event('devices', 'press-07', 'cable'),
      event('device.back', 'press-08', 'cable'),
    ].join(', ')
    const test = oneCase('news', { time: '2026-01-05T00:00:00Z', does, times: ['2026-01-05T00:00:01.000Z', '2026-01-05T00:00:05.000Z'] })
    expect(await inTime(news, test)).toEqual([])
  })

  it('hears how another flow ended', async () => {
    const flows = {
      ...telling('after', '{ event: flow.failed, subject: first }'),
      'flows/first.yaml': 'flow: first\non: [{ start: operator }]\nsteps: [{ id: no, fail: "no" }]\n',
    }
    const test = `flow: after\nbeside: [first]\ncases: [{ name: a, do: [{ start: { flow: first } }], expect: { runs: 1, state: completed } }]\n`
    expect(await inTime(flows, test)).toEqual([])
  })
})

describe('an alarm trigger', () => {
  it('tells raised from cleared, and one alarm from another', async () => {
    const flows = {
      ...telling('hot', '{ alarm: press-hot, state: cleared }'),
      'flows/r.yaml': 'flow: r\nsteps: [{ id: a, raise: { alarm: press-hot } }]\n',
    }
    const does = ['press-hot, state: raised', 'press-cold, state: cleared', 'press-hot, state: cleared'].map(
      (alarm) => `{ after: 1s, alarm: { alarm: ${alarm} } }`,
    )
    const test = oneCase('hot', { time: '2026-01-05T00:00:00Z', does: does.join(', '), times: ['2026-01-05T00:00:03.000Z'] })
    expect(await inTime(flows, test)).toEqual([])
  })
})

describe('a topic trigger', () => {
  it('takes messages below the site, or from the root with / in front, that its condition lets through', async () => {
    const below = telling('orders', '{ topic: orders/+/new, where: "trigger.payload.press == 7.0" }')
    const root = telling('orders', '{ topic: /acme/erp/stop }')
    const message = (topic: string, press: number): string => `{ after: 1s, message: { topic: ${topic}, payload: { press: ${press} } } }`
    const does = [message('orders/a/new', 7), message('orders/a/new', 8), message('orders/a/b/new', 7), message('/acme/erp/stop', 7)].join(
      ', ',
    )
    const time = '2026-01-05T00:00:00Z'
    expect(await inTime(below, oneCase('orders', { time, does, times: ['2026-01-05T00:00:01.000Z'] }))).toEqual([])
    expect(await inTime(root, oneCase('orders', { time, does, times: ['2026-01-05T00:00:04.000Z'] }))).toEqual([])
  })
})

describe('a flow that another one runs', () => {
  const flows = {
    'flows/outer.yaml':
      'flow: outer\non: [{ start: operator }]\nsteps:\n  - id: inner\n    run: { flow: inner, input: { n: 3 } }\n  - id: said\n    publish: { topic: said, payload: "${steps[\'inner\'].result.twice}" }\n',
    'flows/inner.yaml':
      'flow: inner\ninput: { n: { type: number } }\nsteps:\n  - id: wait\n    wait: { for: 1m }\n  - id: back\n    end: { output: { twice: "${input.n * 2.0}" } }\n',
  }

  it('gives back what it ends with, also where the power fails meanwhile', async () => {
    const test = `flow: outer
cases:
  - { name: plain, do: [start: {}], expect: { state: completed, within: 61s, publishes: [{ topic: said, payload: 6 }] } }
  - { name: cut, do: [start: {}, { after: 20s, kill: 10s }], expect: { runs: 1, state: completed, publishes: [{ topic: said, payload: 6 }] } }
`
    expect(await inTime(flows, test)).toEqual([])
  })

  it('takes what that one does not say from its own defaults, knows who began it, and refuses what does not fit', async () => {
    const inner = `flow: inner
input: { n: { type: number, default: 7, range: [0, 9] }, of: { type: text, default: own } }
steps:
  - id: back
    end: { output: { said: "\${string(input.n)} \${input.of} \${trigger.flow} \${trigger.kind} \${trigger.time}", run: "\${trigger.run}" } }
`
    const steps = `  - id: both
    run: { flow: inner }
  - id: one
    run: { flow: inner, input: { of: outer } }
  - id: misfit
    run: { flow: inner, input: { n: "\${vars.much}" } }
    on-failure: continue
  - id: large
    run: { flow: inner, input: { of: "\${string(vars.large)}" } }
  - id: said
    when: steps['both'].result.run == run.id
    publish: { topic: said, payload: ["\${steps['both'].result.said}", "\${steps['one'].result.said}", "\${steps['large'].result.said}"] }
`
    const outer = `flow: outer\non: [{ start: operator }]\nsteps:\n  - id: set\n    set: { much: 10, large: "\${9007199254740993}" }\n${steps}`
    const test = `flow: outer
time: 2026-01-05T06:00:00Z
cases:
  - name: plain
    do: [start: {}]
    expect:
      state: completed
      steps: { misfit: failed }
      events: [{ type: step.failed, data: { step: misfit, fault: { code: flow.bad-input } } }]
      publishes:
        - topic: said
          payload: ["7 own outer run 2026-01-05T06:00:00.000Z", "7 outer outer run 2026-01-05T06:00:00.000Z", "7 9007199254740993 outer run 2026-01-05T06:00:00.000Z"]
`
    expect(await inTime({ 'flows/inner.yaml': inner, 'flows/outer.yaml': outer }, test)).toEqual([])
  })
})

describe('a number beyond 2^53 in a message', () => {
  const flow = `flow: order
on: [{ topic: orders, where: trigger.payload.id > 9007199254740992 }]
steps:
  - id: rest
    wait: { for: 1m }
  - id: told
    publish: { topic: told, payload: ["\${trigger.payload.id}", "\${string(trigger.payload.id - 1)}", "\${trigger.payload.n}"] }
`

  it('keeps its digits, also through a power cut', async () => {
    const test = (does: string, told: string): string =>
      `flow: order\ntime: 2026-01-05T06:00:00Z\ncases:\n  - { name: a, do: [${does}, { after: 5m }], expect: { publishes: [${told}] } }\n`
    const message = `message: { topic: orders, payload: '{"id":9007199254740993,"n":5}' }`
    const told = '{ topic: told, payload: ["9007199254740993", "9007199254740992", 5] }'
    expect(await inTime({ 'flows/order.yaml': flow }, test(`{ after: 1s, ${message} }`, told))).toEqual([])
    expect(await inTime({ 'flows/order.yaml': flow }, test(`{ after: 1s, ${message} }, { after: 10s, kill: 10s }`, told))).toEqual([])
    const other = `message: { topic: orders, payload: '{"id":9007199254740992,"n":5}' }`
    expect(await inTime({ 'flows/order.yaml': flow }, test(`{ after: 1s, ${other} }`, ''))).toEqual([])
  })
})

describe('steering', () => {
  const write = (value: number): string => `write: { press-07/recipe/setpoint: ${value} }`
  const flows = {
    'flows/long.yaml': `flow: long
on: [{ start: operator }]
steps:
  - id: first
    ${write(1)}
    undo: { write: { press-07/recipe/setpoint: 0 } }
  - id: pause
    wait: { for: 1m }
  - id: second
    ${write(2)}
    undo: { write: { press-07/recipe/setpoint: 1 } }
  - id: third
    needs: [second]
    ${write(3)}
    undo: []
`,
  }
  const head = 'flow: long\ntags: { press-07/recipe/setpoint: 0, press-07/motor/running: false }\ncases:\n'

  it('skips a step that an engineer wants left out, and goes on with the next', async () => {
    const test = `${head}  - name: skip
    do: [start: {}, { after: 10s, order: { act: skip, step: second, why: worn } }, { after: 1s, order: { act: skip, step: third, role: operator } }]
    expect:
      state: completed
      steps: { first: done, second: skipped, third: done }
      refused: [access.role]
      writes: [{ press-07/recipe/setpoint: 1 }, { press-07/recipe/setpoint: 3 }]
`
    expect(await inTime(flows, test)).toEqual([])
  })

  it('keeps an order over a power cut', async () => {
    const test = `${head}  - name: skip
    do: [start: {}, { after: 10s, order: { act: skip, step: second } }, { after: 1s, kill: 5s }]
    expect: { state: completed, steps: { second: skipped, third: done } }
`
    expect(await inTime(flows, test)).toEqual([])
  })

  it('holds a paused run up, over a power cut too, until it is resumed', async () => {
    const test = `${head}  - name: pause
    do: [start: {}, { after: 10s, order: { act: pause } }, { after: 1s, kill: 1h }, { after: 2h, order: { act: resume } }]
    expect: { state: completed, at-least: 2h, writes: [{ press-07/recipe/setpoint: 1 }, { press-07/recipe/setpoint: 2 }, { press-07/recipe/setpoint: 3 }] }
`
    expect(await inTime(flows, test)).toEqual([])
  })

  const written = (...values: readonly number[]): string =>
    `[${values.map((value) => `{ press-07/recipe/setpoint: ${value} }`).join(', ')}]`

  it('does not count the time for which a run is paused, over a power cut and a second pause too', async () => {
    const timed = { 'flows/long.yaml': flows['flows/long.yaml'].replace('on:', 'timeout: 2m\non:') }
    const test = `${head}  - name: lunch
    do: [start: {}, { after: 10s, order: { act: pause } }, { after: 1s, kill: 1h }, { after: 2h, order: { act: resume } }]
    expect: { state: completed, at-least: 2h, writes: ${written(1, 2, 3)} }
  - name: two
    do: [start: {}, { after: 10s, order: { act: pause } }, { after: 10s, order: { act: resume } }, { after: 10s, order: { act: pause } }, { after: 1h, order: { act: resume } }]
    expect: { state: completed, at-least: 1h, writes: ${written(1, 2, 3)} }
`
    expect(await inTime(timed, test)).toEqual([])
    const slow = { 'flows/long.yaml': timed['flows/long.yaml'].replace('for: 1m', 'for: 4m') }
    const late = `${head}  - name: late
    do: [start: {}, { after: 10s, order: { act: pause } }, { after: 30s, order: { act: resume } }]
    expect: { state: failed, fault: { code: flow.timeout }, at-least: 150s, within: 151s, writes: ${written(1, 0)} }
`
    expect(await inTime(slow, late)).toEqual([])
  })

  it('takes nothing back while a run is paused that fails meanwhile', async () => {
    const vain = { 'flows/long.yaml': flows['flows/long.yaml'].replace('for: 1m', 'until: "false", timeout: 1m') }
    const pause = 'start: {}, { after: 10s, order: { act: pause } }'
    const test = `${head}  - name: held
    do: [${pause}]
    for: 1h
    expect: { state: paused, writes: ${written(1)} }
  - name: resumed
    do: [${pause}, { after: 1h, order: { act: resume } }]
    expect: { state: failed, writes: ${written(1, 0)} }
`
    expect(await inTime(vain, test)).toEqual([])
  })

  it('lets a run that waits for its turn go on waiting, when it was paused and the power failed', async () => {
    const test = `${head}  - name: turns
    do: [start: {}, { after: 1s, start: {} }, { after: 1s, order: { act: pause } }, { after: 1s, kill: 1s }, { after: 1s, order: { act: resume } }]
    expect: { runs: 2, state: completed, writes: ${written(1, 2, 3, 1, 2, 3)} }
`
    expect(await inTime(flows, test)).toEqual([])
  })

  it('takes back at once what a paused run did, when it is cancelled', async () => {
    const test = `${head}  - name: cancel
    do: [start: {}, { after: 10s, order: { act: pause } }, { after: 1s, order: { act: cancel } }]
    for: 1m
    expect: { state: cancelled, within: 20s, writes: [{ press-07/recipe/setpoint: 1 }, { press-07/recipe/setpoint: 0 }] }
`
    expect(await inTime(flows, test)).toEqual([])
  })

  it('takes back what the runs did that a paused run waits for, when it is cancelled', async () => {
    const above = { ...flows, 'flows/above.yaml': 'flow: above\non: [{ start: operator }]\nsteps:\n  - id: go\n    run: { flow: long }\n' }
    const test = `${head.replace('long', 'above')}  - name: cancel
    do: [start: {}, { after: 10s, order: { act: pause } }, { after: 1s, order: { act: cancel } }]
    for: 1m
    expect: { state: cancelled, within: 20s, writes: [{ press-07/recipe/setpoint: 1 }, { press-07/recipe/setpoint: 0 }] }
`
    expect(await inTime(above, test)).toEqual([])
  })

  it('gives a run that goes on from a step all of its time again', async () => {
    const timed = { 'flows/long.yaml': flows['flows/long.yaml'].replace('on:', 'timeout: 2m\non:') }
    const test = `${head}  - name: retry
    fail: { third: 1 }
    do: [start: {}, { after: 10m, order: { act: retry, step: pause } }]
    expect: { runs: 1, state: completed, tags: { press-07/recipe/setpoint: 3 } }
`
    expect(await inTime(timed, test)).toEqual([])
  })

  it('counts the time of a run from when it is its turn, also over a power cut', async () => {
    const timed = { 'flows/long.yaml': flows['flows/long.yaml'].replace('on:', 'timeout: 90s\non:') }
    const three = `${head}  - name: turns
    do: [start: {}, { after: 1s, start: {} }, { after: 1s, start: {} }]
    expect: { runs: 3, state: completed }
`
    expect(await inTime(timed, three)).toEqual([])
    const cut = `${head}  - name: cut
    do: [start: {}, { after: 10s, kill: 80s }]
    expect: { runs: 1, state: failed, fault: { code: flow.timeout }, tags: { press-07/recipe/setpoint: 0 } }
`
    expect(await inTime(timed, cut)).toEqual([])
  })

  it('lets an engineer settle what a run left, and nobody settle what is in order', async () => {
    const test = `${head}  - name: left
    fail: { third: always, second-undo: always }
    do: [start: {}, { after: 10m, order: { act: settle, role: operator } }, { after: 1m, order: { act: settle, why: valve closed by hand } }, { after: 1m, order: { act: settle } }]
    expect: { state: settled, left: [second], refused: [access.role, flow.not-now], steps: { first: undone, second: undo-failed } }
`
    expect(await inTime(flows, test)).toEqual([])
  })

  it('does again what was undone before the step from which a run goes on', async () => {
    const test = `${head}  - name: retry
    fail: { third: 1 }
    do: [start: {}, { after: 10m, order: { act: retry, step: third } }]
    expect:
      state: completed
      tags: { press-07/recipe/setpoint: 3 }
      writes: [${[1, 2, 1, 0, 1, 2, 3].map((value) => `{ press-07/recipe/setpoint: ${value} }`).join(', ')}]
`
    expect(await inTime(flows, test)).toEqual([])
  })

  it('does really again what a person has done again, a minute after the first time', async () => {
    const again = `${head}  - name: twice
    fail: { third: 2 }
    do: [start: {}, { after: 2m, order: { act: retry, step: first } }, { after: 2m, order: { act: retry, step: first } }, { after: 2m }]
    expect:
      state: completed
      writes: [${[1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 3].map((value) => `{ press-07/recipe/setpoint: ${value} }`).join(', ')}]
`
    expect(await inTime(flows, again)).toEqual([])
  })

  it('begins another run of the flow that failed, where a person has that done again', async () => {
    const both = {
      'flows/above.yaml': 'flow: above\non: [{ start: operator }]\nsteps:\n  - id: go\n    run: { flow: below }\n',
      'flows/below.yaml': `flow: below\nsteps:\n  - id: set\n    ${write(3)}\n    undo: []\n`,
    }
    const test = `${head.replace('long', 'above')}  - name: child
    devices: { press-07: away }
    do: [start: {}, { after: 1m, devices: { press-07: here } }, { after: 1m, order: { act: retry, step: go } }]
    expect: { state: completed, writes: [{ press-07/recipe/setpoint: 3 }] }
`
    expect(await inTime(both, test)).toEqual([])
  })

  it('does not go on from behind the step that failed, which would fail it once more, nor from a part of one', async () => {
    const test = `${head}  - name: behind
    fail: { second: 1 }
    do: [start: {}, { after: 10m, order: { act: retry, step: third } }, { after: 1m, order: { act: retry, step: second/0 } }, { after: 1m }]
    expect: { state: failed, refused: [flow.not-now, flow.step-unknown], writes: ${written(1, 0)} }
`
    expect(await inTime(flows, test)).toEqual([])
  })

  it('leaves alone, where a run goes on from a step, what was done before it and not undone', async () => {
    const kept = { 'flows/long.yaml': flows['flows/long.yaml'].replace('undo: { write: { press-07/recipe/setpoint: 0 } }', 'undo: []') }
    const raced = `flow: long
on: [{ start: operator }]
steps:
  - id: race
    parallel:
      a: [{ id: slow, ${write(1)}, undo: { write: { press-07/recipe/setpoint: 0 } } }, { id: never, wait: { for: 1h } }]
      b: [{ id: fast, wait: { for: 1s } }]
    join: any
  - id: third
    ${write(3)}
    undo: []
`
    const test = (values: readonly number[]): string => `${head}  - name: retry
    fail: { third: 1 }
    do: [start: {}, { after: 10m, order: { act: retry, step: third } }]
    expect: { state: completed, writes: [${values.map((value) => `{ press-07/recipe/setpoint: ${value} }`).join(', ')}] }
`
    expect(await inTime(kept, test([1, 2, 1, 2, 3]))).toEqual([])
    expect(await inTime({ 'flows/long.yaml': raced }, test([1, 0, 3]))).toEqual([])
  })

  it('goes on from a step of a run that failed', async () => {
    const test = `${head}  - name: retry
    fail: { third: 1 }
    do: [start: {}, { after: 10m, order: { act: retry, step: second } }]
    expect: { runs: 1, state: completed, tags: { press-07/recipe/setpoint: 3 } }
`
    expect(await inTime(flows, test)).toEqual([])
  })
})
