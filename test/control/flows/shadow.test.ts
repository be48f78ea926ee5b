import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { carryOutCase } from '../../../src/control/flow-tests/bench.ts'
import { benchSite } from '../../../src/control/flow-tests/bench-site.ts'
import { flowTestSchema } from '../../../src/control/flow-tests/config.ts'
import { goodSite, loadFiles } from '../../site/site-folder.ts'

const flow = (name: string, mode: string, limit: number): string => `flow: ${name}
version: ${mode === 'shadow' ? 2 : 1}
mode: ${mode}
on: [{ tag: press-07/hydraulics/pressure, when: value > ${limit} }]
locks: [press]
steps:
  - id: may
    approve: { role: operator, text: May it?, within: 10m, default: approve }
    when: "${mode === 'shadow'}"
  - id: lower
    write: { press-07/recipe/setpoint: ${limit} }
    undo: []
  - id: tell
    publish: { topic: told/${name}, payload: lowered }
  - id: ask
    request: { service: mes, method: POST, path: /lowered, expect: [204] }
  - id: alarm
    raise: { alarm: ${name}-high }
  - id: say
    emit: { event: press.lowered, data: { by: ${name} } }
`

async function bothRun() {
  const files = {
    ...goodSite,
    'lineside.yaml': "site: acme/line-1\nservices: { mes: { url: 'http://127.0.0.1:1' } }\n",
    'flows/watch.yaml': flow('watch', 'live', 210),
    'flows/watch-next.yaml': flow('watch-next', 'shadow', 200),
  }
  const { site, problems } = await loadFiles(files)
  if (site === undefined) throw new Error(JSON.stringify(problems))
  const file = flowTestSchema.parse({
    flow: 'watch',
    beside: ['watch-next'],
    tags: { 'press-07/hydraulics/pressure': 100, 'press-07/motor/running': false, 'press-07/recipe/setpoint': 0 },
    services: { mes: { status: 204 } },
    cases: [
      {
        name: 'both',
        do: [
          { after: '1s', set: { 'press-07/hydraulics/pressure': 205 } },
          { after: '1s', set: { 'press-07/hydraulics/pressure': 150 } },
          { after: '1s', set: { 'press-07/hydraulics/pressure': 220 } },
        ],
        expect: { runs: 1 },
      },
    ],
  })
  const [own] = file.cases
  if (own === undefined) throw new Error('no case')
  return await carryOutCase({ site: benchSite(site), file, case: own, clock: systemClock })
}

describe('a flow in shadow', () => {
  it('decides on live data, and writes, publishes, asks, raises and emits nothing', async () => {
    const { chronicle, store } = await bothRun()
    expect(store.runsOf('watch-next').map(({ state }) => state)).toEqual(['completed', 'completed'])
    expect(store.runsOf('watch').map(({ state }) => state)).toEqual(['completed'])
    expect(chronicle.writes).toEqual([{ 'press-07/recipe/setpoint': 210 }])
    expect(chronicle.publishes.map(({ topic }) => topic)).toEqual(['told/watch'])
    expect(chronicle.requests.length).toBe(1)
    const others = chronicle.events.filter(({ type }) => /^(alarm|press|command)\./.test(type))
    expect(others.filter(({ subject, data }) => JSON.stringify([subject, data]).includes('watch-next'))).toEqual([])
  })

  it('keeps what it would have done beside what the live one did, and can be told from it', async () => {
    const { chronicle, store, life } = await bothRun()
    const [first] = store.runsOf('watch-next')
    expect(first?.records.filter(({ kind, step }) => kind === 'intent' && step.startsWith('lower'))).toMatchObject([{ data: '200' }])
    expect(first?.records.filter(({ kind, step }) => kind === 'intent' && step === 'tell')).toMatchObject([
      { data: expect.stringContaining('told/watch-next') },
    ])
    const rows = await life.port.runs({ rowsMax: 10 })
    expect(rows.map(({ flow: name, mode }) => `${name} ${mode ?? 'live'}`).toSorted()).toEqual([
      'watch live',
      'watch-next shadow',
      'watch-next shadow',
    ])
    const said = chronicle.events.filter(({ type, subject }) => type === 'flow.completed' && subject === 'watch-next')
    expect(said.map(({ data }) => data['mode'])).toEqual(['shadow', 'shadow'])
  })

  it('holds nothing that a live flow waits for, and asks nobody', async () => {
    const { chronicle, store } = await bothRun()
    expect(chronicle.events.filter(({ type }) => type === 'step.asks' || type === 'flow.queued')).toEqual([])
    const took = store.runsOf('watch-next').map(({ begunMs, endedMs = 0 }) => endedMs - begunMs)
    expect(took).toEqual([0, 0])
  })
})
