import type { FlowDefinition, FlowTrigger } from '../../../src/control/flows/definition.ts'
import { House } from './house.ts'
import { chain, flowOf, publish, step, undoable, write } from './life.ts'

const person: readonly FlowTrigger[] = [{ kind: 'start', role: 'operator' }]
const limitless = { concurrency: { limit: 100, overflow: 'queue', queueMax: 100 } } as const
const spanMs = 300_000
const rest = (id: string) => ({ id, kind: 'wait', forMs: spanMs }) as const
const by = { name: 'anna', role: 'engineer', road: 'api' } as const

/** One step of each kind that can be met without a device, each kind of way, and what is skipped, tried again and let go. */
const kinds = flowOf(
  chain(
    { id: 'note', kind: 'set', variables: { speed: 7, big: [1, 2] } },
    { id: 'look', kind: 'read', tags: ['plc/speed'], isFresh: false },
    undoable('plc/valve', true, false),
    { ...write('plc/never', true), when: 'vars.speed > 100' },
    { id: 'who', kind: 'pick', capability: 'robot', by: 'first-healthy', fallback: 'robot-9' },
    {
      id: 'call',
      kind: 'call',
      device: 'robot-9',
      method: 'Home',
      inputs: [],
      onFailure: 'continue',
      retry: { attempts: 2, waitMs: 10, factor: 1, maxMs: 10 },
    },
    { id: 'past', kind: 'query', tags: ['plc/speed'], lastMs: 1_000, aggregate: 'avg', onFailure: 'continue' },
    {
      id: 'which',
      kind: 'switch',
      cases: [{ name: 'fast', when: 'vars.speed > 5', steps: [step({ id: 'say', kind: 'log', level: 'info', text: 'fast' })] }],
      otherwise: [],
    },
    {
      id: 'both',
      kind: 'parallel',
      branches: [
        { name: 'one', steps: [step(write('plc/one', 1))] },
        { name: 'two', steps: [step(write('plc/two', 2))] },
      ],
      join: 'all',
    },
    { id: 'all', kind: 'each', in: [3, 4], as: 'item', limit: 10, steps: [step(write('plc/item', '${item}'))] },
    { id: 'alarm', kind: 'raise', alarm: 'hot', text: 'It is hot' },
    { id: 'calm', kind: 'clear', alarm: 'hot' },
    { id: 'tell', kind: 'emit', event: 'kinds.told', data: { speed: '${vars.speed}' } },
    { id: 'child', kind: 'run', flow: 'child', input: {}, isAwaited: true },
    write('plc/speed', "${steps['look'].result['plc/speed'] + vars.speed}", 'faster'),
    publish('kinds/done', { child: "${steps['child'].result}", called: "${steps['call'].failed}" }),
  ),
  { flow: 'kinds', on: person },
)
const child = flowOf(chain(rest('rest'), { id: 'out', kind: 'end', output: { from: 'child' } }), { flow: 'child' })
const slowUndo = [step(rest('cool')), step({ ...write('plc/pump', false, 'off'), needs: ['cool'] })]
const pumped = { ...write('plc/pump', true), undo: slowUndo }

const flows: readonly FlowDefinition[] = [
  kinds,
  child,
  flowOf(chain(rest('rest'), write('plc/paused', true)), { flow: 'paused', on: person }),
  flowOf(
    chain({ id: 'ask', kind: 'approve', role: 'operator', text: 'Go?', withinMs: spanMs, default: 'approve' }, write('plc/asked', true)),
    {
      flow: 'asked',
      on: person,
      ...limitless,
    },
  ),
  flowOf(chain(rest('rest'), write('plc/skipped', true, 'push'), write('plc/after', true)), { flow: 'skipping', on: person }),
  flowOf(chain(pumped, { id: 'no', kind: 'fail', text: 'no' }), { flow: 'unwinding', on: person, ...limitless }),
  flowOf(chain(undoable('plc/gate', true, false), rest('rest')), { flow: 'cancelled', on: person, ...limitless }),
  flowOf(chain(write('plc/lost', '${trigger.payload}'), rest('rest'), publish('lost', '${trigger.payload}')), {
    flow: 'lost',
    on: [{ kind: 'topic', topic: 'lost' }],
    ...limitless,
  }),
]

const tags = {
  'plc/speed': 10,
  'plc/valve': false,
  'plc/never': false,
  'plc/one': 0,
  'plc/two': 0,
  'plc/item': 0,
  'plc/pump': false,
  'plc/paused': false,
  'plc/asked': false,
  'plc/skipped': false,
  'plc/after': false,
  'plc/gate': false,
  'plc/lost': 0,
}

/** Writes a journal that holds a record of each kind, with runs that are open in each way in which a run can be. */
export async function writeOldJournal(path: string): Promise<void> {
  await using house = await House.start({ flows, tags, path })
  // Writes are asked for, and the power fails before anybody knows of them.
  for (const number of [1, 2, 3]) {
    house.isDeaf = (_call, ask) => JSON.stringify(ask).includes('"status":"done"')
    void house.message('a/b/lost', number)
    while (!house.isDead) await house.settled()
    house.isDeaf = undefined
    house.set('plc/lost', 0) // somebody else has turned it back meanwhile
    await house.begin()
    await house.settled()
  }
  const [third = '', , first = ''] = (await house.store.runs({ flow: 'lost', rowsMax: 3 })).map(({ run }) => run)
  const { calls } = house.flows
  await calls.steerRun({ run: first, act: 'settle', by, why: 'closed by hand' })
  await calls.steerRun({ run: third, act: 'retry', step: 'write-plc-lost', by })
  const names = ['kinds', 'paused', 'asked', 'asked', 'skipping', 'unwinding', 'cancelled', 'cancelled'] as const
  const runs: string[] = []
  for (const flow of names) {
    runs.push((await calls.startFlow({ flow, by })).run)
    await house.settled()
  }
  const [, paused = '', asked = '', , skipping = '', , cancelled = '', open = ''] = runs
  await calls.steerRun({ run: paused, act: 'pause', by, why: 'lunch' })
  await calls.steerRun({ run: asked, act: 'answer', step: 'ask', verdict: 'approved', by })
  await calls.steerRun({ run: skipping, act: 'skip', step: 'push', by })
  await calls.steerRun({ run: cancelled, act: 'cancel', by })
  await calls.steerRun({ run: open, act: 'pause', by })
  await calls.steerRun({ run: open, act: 'resume', by })
  await house.settled()
  house.powerFails()
}

/** What becomes of its runs, and what they do, in the order of their flows. */
export async function goesOn(path: string): Promise<Readonly<Record<string, unknown>>> {
  await using house = await House.start({ flows: [], tags, path })
  const { runs: open } = await house.store.openRuns({ afterId: 0 })
  for (const { run, flow } of open) if (flow === 'paused') await house.flows.calls.steerRun({ run, act: 'resume', by })
  for (let round = 0; round < 4; round += 1) {
    await house.settled()
    await house.clock.advance(spanMs)
  }
  await house.settled()
  const rows = (await house.store.runs({ rowsMax: 100 })).toReversed()
  return {
    states: rows.map(({ flow, state }) => `${flow} ${state}`),
    writes: house.writes.toSorted(),
    published: house.published.filter((message) => !message.startsWith('lineside/')).toSorted(),
  }
}
