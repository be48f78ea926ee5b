import { describe, expect, it } from 'vitest'
import type { FlowStep } from '../../../src/control/flows/definition.ts'
import { chain, flowOf, Life, type LifeOptions, publish, step, undoable, World, write } from './life.ts'
import { provesDurable, provesRepeatable } from './prove.ts'

const tags = { 'line/speed': 100, 'line/valve': false }
const tell = (expression: string) => publish('told', `\${${expression}}`)

async function run(steps: readonly FlowStep[], more: Partial<LifeOptions> = {}) {
  const world = more.world ?? new World(tags)
  const life = new Life({ flow: flowOf(steps), world, ...more })
  const end = await life.end()
  return { end, life, world, effects: world.effects, types: world.events.map(({ type }) => type) }
}

describe('a step', () => {
  it.each([
    ['read', { tags: ['line/speed'], isFresh: false }, "steps['it'].result['line/speed'] + 1", 'publish told 101'],
    ['read', { tags: ['line/speed'], isFresh: true }, "steps['it'].result['line/speed'] + 1", 'publish told 101'],
    ['set', { variables: { twice: "${tags['line/speed'] * 2}" } }, 'vars.twice', 'publish told 200'],
    ['call', { device: 'robot', method: 'Home', inputs: [1] }, "steps['it'].result.outputs[0]", 'publish told 42'],
    ['request', { service: 'mes', method: 'POST', path: '/a/${run.id}', expect: [200] }, "steps['it'].result.status", 'publish told 200'],
    ['query', { tags: ['line/speed'], lastMs: 1, aggregate: 'avg' }, "steps['it'].result['line/speed']", 'publish told avg of line/speed'],
    ['pick', { capability: 'drive', by: 'first-healthy' }, "steps['it'].result.device", 'publish told drive-2'],
    ['pick', { capability: 'drive', by: 'least-busy' }, "steps['it'].result.device", 'publish told drive-3'],
    [
      'pick',
      { capability: 'drive', by: 'first-healthy', from: ['drive-1'], fallback: 'spare' },
      "steps['it'].result.device",
      'publish told spare',
    ],
    ['run', { flow: 'other', input: {}, isAwaited: true }, "steps['it'].result.from", 'publish told other'],
    ['log', { level: 'info', text: 'hello ${run.flow}' }, "steps['it'].status", 'publish told done'],
    ['wait', { forMs: 200 }, "steps['it'].failed", 'publish told false'],
  ] as const)('of the kind %s %o gives %s', async (kind, action, expression, effect) => {
    const { end, effects } = await run(chain({ id: 'it', kind, ...action }, tell(expression)))
    expect(end).toEqual({ state: 'completed' })
    expect(effects.at(-1)).toBe(effect)
  })

  it('writes several tags, and knows of each by itself how it ended', async () => {
    const steps = chain({
      id: 'both',
      kind: 'write',
      writes: [
        { tag: 'line/speed', value: 50 },
        { tag: 'line/${vars.x}', value: true },
      ],
    })
    const flow = flowOf([...chain({ id: 'x', kind: 'set', variables: { x: 'valve' } }), { ...steps[0], needs: ['x'] } as FlowStep])
    await provesRepeatable({ flow, tags })
    await provesDurable({ flow, tags })
  })

  it('is left out where its condition is false, and those that need it go on', async () => {
    const { effects, world } = await run(
      chain({ ...write('line/valve', true), when: "tags['line/speed'] > 500" }, tell("steps['write-line-valve'].status")),
    )
    expect(effects).toEqual(['publish told skipped'])
    expect(world.value('line/valve')).toBe(false)
  })

  it('fails where its condition is unknown', async () => {
    const { end } = await run(chain({ ...write('line/valve', true), when: "tags['line/nothing'] > 500" }))
    expect(end).toMatchObject({ state: 'failed', step: 'write-line-valve', fault: { code: 'flow.unknown-value' } })
  })

  it('is tried as often as it says, with longer and longer pauses', async () => {
    let tries = 0
    const fail = (): 'failed' | undefined => {
      tries += 1
      return tries < 3 ? 'failed' : undefined
    }
    const retry = { attempts: 3, waitMs: 100, factor: 2, maxMs: 1_000 }
    const { end, effects, life } = await run(chain({ ...write('line/valve', true), retry }), { fail })
    expect([end, effects]).toEqual([{ state: 'completed' }, ['write line/valve true']])
    expect(life.kept.filter((record) => record.kind === 'outcome').map(({ status }) => status)).toEqual(['retrying', 'retrying', 'done'])
  })

  it('that may fail lets the flow go on, or has others done in its place', async () => {
    const fail = (effect: string): 'failed' | undefined => (effect.startsWith('write') ? 'failed' : undefined)
    const may = await run(chain({ ...write('line/valve', true), onFailure: 'continue' }, tell("steps['write-line-valve'].failed")), {
      fail,
    })
    expect([may.end, may.effects]).toEqual([{ state: 'completed' }, ['publish told true']])
    const others = await run(chain({ ...write('line/valve', true), onFailure: [step(publish('instead', 1))] }, tell('1')), { fail })
    expect([others.end, others.effects]).toEqual([{ state: 'completed' }, ['publish instead 1', 'publish told 1']])
  })

  it('that takes longer than it may fails', async () => {
    const { end } = await run(chain({ id: 'it', kind: 'wait', until: "tags['line/valve']", timeoutMs: 300 }))
    expect(end).toMatchObject({ state: 'failed', step: 'it', fault: { code: 'flow.timeout' } })
  })

  it('waits until a condition is true, and fails where that does not come in time', async () => {
    const waiting = chain({ id: 'it', kind: 'wait', until: "tags['line/valve']", untilMs: 1_000 }, tell('1'))
    const life = new Life({ flow: flowOf(waiting), world: new World(tags) })
    life.clock.after(300, () => life.set('line/valve', true))
    expect(await life.end()).toEqual({ state: 'completed' })
    expect((await run(waiting)).end).toMatchObject({ state: 'failed', fault: { code: 'flow.wait-timeout' } })
  })

  it('waits for what is left of its time after a power cut', async () => {
    const flow = flowOf(chain({ id: 'it', kind: 'wait', forMs: 1_000 }))
    const world = new World()
    const first = new Life({ flow, world, cut: { at: 'journal', place: 0, when: 'after' } })
    expect(await first.end()).toBe('dead')
    const second = new Life({ flow, world, past: first.kept, startMs: first.clock.now() + 700 })
    const from = second.clock.elapsed()
    await second.end()
    expect(second.clock.elapsed() - from).toBeLessThanOrEqual(350)
  })

  it('that fails or ends the flow does so with what it says', async () => {
    expect((await run(chain({ id: 'no', kind: 'fail', text: "speed is ${tags['line/speed']}" }))).end).toMatchObject({
      state: 'failed',
      fault: { message: 'speed is 100' },
    })
    const ended = await run(chain({ id: 'enough', kind: 'end', output: { speed: "${tags['line/speed']}" } }, tell('1')))
    expect([ended.end, ended.effects]).toEqual([{ state: 'completed', output: { speed: 100 } }, []])
  })

  it('tells events and alarms', async () => {
    const { world } = await run(
      chain(
        { id: 'a', kind: 'emit', event: 'batch.finished', subject: 'line', data: { speed: "${tags['line/speed']}" } },
        { id: 'b', kind: 'raise', alarm: 'too-fast', text: 'Too fast', severity: 500 },
        { id: 'c', kind: 'clear', alarm: 'too-fast' },
      ),
    )
    expect(world.events.filter(({ type }) => !type.startsWith('step.'))).toMatchObject([
      { type: 'batch.finished', subject: 'line', data: { speed: 100, run: 'r1', step: 'a' } },
      { type: 'alarm.raised', subject: 'too-fast', data: { text: 'Too fast', severity: 500 } },
      { type: 'alarm.cleared', subject: 'too-fast' },
    ])
  })

  it('sends requests with a key that stays the same in each life', async () => {
    const flow = flowOf(chain({ id: 'it', kind: 'request', service: 'mes', method: 'POST', path: '/', expect: [200] }))
    const world = new World()
    const first = new Life({ flow, world, cut: { at: 'effect', place: 0, when: 'after' } })
    await first.end()
    await new Life({ flow, world, past: first.kept }).end()
    expect(world.requestKeys).toEqual(['r1/it'])
    expect(world.effects).toHaveLength(2)
  })

  it('sends a message again under the key that it had, which its payload holds where the step says so', async () => {
    const flow = flowOf(chain({ ...publish('told', { weight: 480 }, 'it'), keyField: 'id' }))
    const world = new World()
    const first = new Life({ flow, world, cut: { at: 'effect', place: 0, when: 'after' } })
    await first.end()
    await new Life({ flow, world, past: first.kept }).end()
    const message = 'publish told {"weight":480,"id":"r1/it"}'
    expect([world.effects, world.messageKeys]).toEqual([
      [message, message],
      ['r1/it', 'r1/it'],
    ])
    const textual = await run(chain({ ...publish('told', "${'a ' + 'text'}", 'it'), keyField: 'id' }))
    expect(textual).toMatchObject({ end: { state: 'failed', fault: { code: 'flow.no-room-for-key' } }, effects: [] })
  })

  it('that was done, and gives more than can be kept, is undone', async () => {
    const world = new World(tags)
    world.outputs = ['x'.repeat(70_000)]
    const undo = [step({ ...write('line/valve', false), id: 'back' })]
    const it = { id: 'it', kind: 'call', device: 'robot', method: 'Home', inputs: [] } as const
    const { end, effects } = await run(chain({ ...it, undo }), { world })
    expect(end).toMatchObject({ state: 'failed', step: 'it', fault: { code: 'flow.too-large' } })
    expect(effects).toEqual(['call robot Home []', 'write line/valve false'])
    world.effects.length = 0
    expect(await run(chain(it), { world })).toMatchObject({ end: { state: 'unsettled', left: ['it'] } })
  })

  it.each([
    ['as output', step({ id: 'it', kind: 'end', output: { all: "${tags['line/text']}" } })],
    ['as the reason of a failure', step({ id: 'it', kind: 'fail', text: "${tags['line/text']}" })],
    ['as a variable', step({ id: 'it', kind: 'set', variables: { all: "${tags['line/text']}" } })],
    ['as an event', step({ id: 'it', kind: 'emit', event: 'a.b', data: { all: "${tags['line/text']}" } })],
    ['as a message', step(publish('told', "${tags['line/text']}", 'it'))],
  ] as const)('that gives more than can be kept %s fails, and tells nobody', async (_, it) => {
    const { end, effects, world } = await run([it, step({ ...tell('1'), needs: ['it'] })], {
      world: new World({ 'line/text': 'x'.repeat(70_000) }),
    })
    expect(end).toMatchObject({ state: 'failed', step: 'it', fault: { code: 'flow.too-large' } })
    expect([effects, world.events.filter(({ type }) => type === 'a.b')]).toEqual([[], []])
    const most = await run([it], { world: new World({ 'line/text': 'x'.repeat(60_000) }) })
    expect(most.end).not.toMatchObject({ fault: { code: 'flow.too-large' } })
  })

  it('asks a person, and goes on with the answer, also after a power cut', async () => {
    const flow = flowOf(
      chain(
        { id: 'may-i', kind: 'approve', role: 'operator', text: 'Go?', withinMs: 60_000, default: 'fail' },
        tell("steps['may-i'].result.by"),
      ),
    )
    const world = new World()
    const first = new Life({ flow, world })
    void first.end().catch(() => {})
    await first.clock.advance(10)
    expect(first.run.questions).toMatchObject([{ key: 'may-i', text: 'Go?', role: 'operator' }])
    const second = new Life({ flow, world, past: first.kept })
    second.clock.after(100, () => void second.run.answer('may-i', { verdict: 'approved', by: 'anna' }))
    expect(await second.end()).toEqual({ state: 'completed' })
    expect(world.effects).toEqual(['publish told anna'])
  })

  it('takes silence for what it says', async () => {
    const asking = (preset: string) =>
      chain(
        { id: 'may-i', kind: 'approve', role: 'operator', text: 'Go?', withinMs: 1_000, default: preset },
        tell("steps['may-i'].result.approved"),
      )
    expect((await run(asking('fail'))).end).toMatchObject({ state: 'failed', fault: { code: 'flow.not-approved' } })
    expect((await run(asking('reject'))).effects).toEqual(['publish told false'])
    expect((await run(asking('approve'))).effects).toEqual(['publish told true'])
  })
})

describe('a step in doubt', () => {
  const call = { id: 'it', kind: 'call', device: 'robot', method: 'Home', inputs: [] } as const
  const cut = { at: 'effect', place: 0, when: 'after' } as const

  async function twice(more: object, answer?: 'done' | 'repeat') {
    const flow = flowOf(chain({ ...call, ...more }))
    const world = new World()
    const first = new Life({ flow, world, cut })
    await first.end()
    const second = new Life({ flow, world, past: first.kept })
    if (answer !== undefined) second.clock.after(100, () => void second.run.answer('it', { verdict: answer, by: 'anna' }))
    const end = await second.end()
    return { end, calls: world.effects.length }
  }

  it('is settled as it says', async () => {
    expect(await twice({})).toMatchObject({ end: { state: 'unsettled', left: ['it'] }, calls: 1 })
    expect(await twice({ inDoubt: 'repeat' })).toEqual({ end: { state: 'completed' }, calls: 2 })
    expect(await twice({ inDoubt: 'ask' }, 'done')).toEqual({ end: { state: 'completed' }, calls: 1 })
    expect(await twice({ inDoubt: 'ask' }, 'repeat')).toEqual({ end: { state: 'completed' }, calls: 2 })
  })
})

describe('the way of a flow', () => {
  const branches = (...names: readonly string[]) =>
    names.map((name) => ({ name, steps: chain({ ...undoable(`b/${name}`, true, false), id: `w-${name}` }) }))

  it('goes the first case that is true, and stays on it after a power cut', async () => {
    const flow = flowOf(
      chain(
        {
          id: 'which',
          kind: 'switch',
          cases: [
            { name: 'fast', when: "tags['line/speed'] > 50", steps: chain(write('line/speed', 10)) },
            { name: 'slow', when: "tags['line/speed'] <= 50", steps: chain(write('line/valve', true)) },
          ],
          otherwise: [],
        },
        tell("steps['which'].result.case"),
      ),
    )
    await provesRepeatable({ flow, tags })
    const { effects } = await run(flow.steps)
    expect(effects).toEqual(['write line/speed 10', 'publish told fast'])
  })

  it('goes through a list, with the item and its index', async () => {
    const steps = chain(
      { id: 'all', kind: 'each', in: ['a', 'b', 'c'], as: 'name', limit: 10, steps: chain(publish('item', '${name}-${index}', 'p')) },
      tell("steps['all'].result.count"),
    )
    expect((await run(steps)).effects).toEqual(['publish item a-0', 'publish item b-1', 'publish item c-2', 'publish told 3'])
    await provesDurable({ flow: flowOf(steps) })
    const short = chain({ id: 'all', kind: 'each', in: ['a', 'b', 'c'], as: 'name', limit: 2, steps: [] })
    expect((await run(short)).end).toMatchObject({ state: 'failed', fault: { code: 'flow.too-large' } })
  })

  it('undoes each round of a list with its own item', async () => {
    const back = [step({ ...write('line/${name}', false), id: 'back' })]
    const steps = chain(
      {
        id: 'all',
        kind: 'each',
        in: ['a', 'b'],
        as: 'name',
        limit: 9,
        steps: chain({ ...write('line/${name}', true), id: 'w', undo: back }),
      },
      { id: 'no', kind: 'fail', text: 'no' },
    )
    expect((await run(steps)).effects).toEqual(['write line/a true', 'write line/b true', 'write line/b false', 'write line/a false'])
  })

  it('goes several ways at once', async () => {
    const steps = chain(
      { id: 'both', kind: 'parallel', branches: branches('a', 'b'), join: 'all' },
      tell("size(steps['both'].result.done)"),
    )
    const { effects } = await run(steps)
    expect([effects.slice(0, 2).toSorted(), effects[2]]).toEqual([['write b/a true', 'write b/b true'], 'publish told 2'])
  })

  it('waits for twenty waits at once no longer than for one', async () => {
    const waits = Array.from({ length: 20 }, (_, n) => ({ name: `n${n}`, steps: chain({ id: `w${n}`, kind: 'wait', forMs: 100 }) }))
    const life = new Life({ flow: flowOf(chain({ id: 'all', kind: 'parallel', branches: waits, join: 'all' })), world: new World() })
    await life.end()
    expect(life.clock.elapsed()).toBeLessThanOrEqual(150)
  })

  it('undoes what the others did once enough of its branches are done', async () => {
    const slow = {
      name: 'slow',
      steps: chain({ ...undoable('b/slow', true, false), id: 'w-slow' }, { id: 'pause', kind: 'wait', forMs: 5_000 }, publish('never', 1)),
    }
    const steps = chain(
      { id: 'race', kind: 'parallel', branches: [slow, ...branches('quick')], join: 'any' },
      tell("steps['race'].result.done[0]"),
    )
    const flow = flowOf(steps)
    const { end, effects } = await run(steps)
    expect([end, effects]).toEqual([
      { state: 'completed' },
      ['write b/slow true', 'write b/quick true', 'write b/slow false', 'publish told quick'],
    ])
    await provesDurable({ flow, isRace: true })
  })

  it('fails with the first branch that fails, and undoes the others', async () => {
    const fail = (effect: string): 'failed' | undefined => (effect === 'write b/b true' ? 'failed' : undefined)
    const { end, effects } = await run(chain({ id: 'both', kind: 'parallel', branches: branches('a', 'b'), join: 'all' }), { fail })
    expect([end, effects]).toMatchObject([{ state: 'failed', step: 'w-b' }, ['write b/a true', 'write b/a false']])
  })

  it('does what a graph allows, as soon as it allows it', async () => {
    const steps = [
      step({ id: 'slow', kind: 'wait', forMs: 300 }),
      step({ ...write('g/a', 1), id: 'a' }),
      step({ ...write('g/b', 1), id: 'b', needs: ['a'] }),
      step({ ...write('g/c', 1), id: 'c', needs: ['slow', 'b'] }),
    ]
    expect((await run(steps)).effects).toEqual(['write g/a 1', 'write g/b 1', 'write g/c 1'])
  })
})
