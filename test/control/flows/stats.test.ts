import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import { Spread } from '../../../src/control/flows/spread.ts'
import { type CountedRun, FlowCounting } from '../../../src/control/flows/stats.ts'
import { flowStats } from '../../../src/runtime/flow-stats.ts'
import type { RunRecord } from '../../../src/store/contract.ts'
import { makeStateFolder } from '../../support/state-folder.ts'
import { openTestStore } from '../../support/store-samples.ts'

type Row = readonly [step: string, timeMs: number, status: string | null, data?: unknown]

function run(rows: readonly Row[], more: Partial<CountedRun> = {}): CountedRun {
  const records = rows.map(([step, timeMs, status, data]) => ({
    step,
    timeMs,
    status,
    data: data === undefined ? null : JSON.stringify(data),
  }))
  return { flow: 'f', begunMs: 0, endedMs: 1_000, state: 'completed', input: '{"trigger":{},"input":{}}', records, ...more }
}

function statsOf(...runs: readonly CountedRun[]) {
  const counting = new FlowCounting()
  for (const one of runs) counting.take(one)
  const [first] = counting.stats()
  return first
}

describe('the statistics of flows', () => {
  it('count runs by how they ended, and how long they took', () => {
    const runs = Array.from({ length: 100 }, (_, place) => run([], { endedMs: (place + 1) * 10 }))
    const open: CountedRun = { flow: 'f', begunMs: 0, input: '{"trigger":{},"input":{}}', records: [] }
    const found = statsOf(...runs, run([], { state: 'failed', endedMs: 10 }), open)
    expect(found).toMatchObject({ runs: 102, states: { completed: 100, failed: 1, open: 1 }, tookMs: { max: 1_000 } })
    expect(found?.tookMs.p50).toBeGreaterThanOrEqual(485)
    expect(found?.tookMs.p50).toBeLessThanOrEqual(515)
    expect(found?.tookMs.p99).toBeGreaterThan(960)
  })

  it('tell where the time goes: at which step, and before the first', () => {
    const found = statsOf(
      run([
        ['a', 200, null],
        ['a', 300, 'done'],
        ['b', 300, null],
        ['b', 1_000, 'done'],
      ]),
    )
    expect(found?.waits.map(({ step, share, max }) => [step, share, max])).toEqual([
      ['b', 0.7, 700],
      ['(queued)', 0.2, 200],
      ['a', 0.1, 100],
    ])
  })

  it('do not make more of the time than there was, where a run goes on', () => {
    const records = [
      ['a', 0, null],
      ['a', 750, 'done'],
      ['b', 750, null],
      ['b', 1_000, 'done'],
    ] as const
    const { endedMs: _, state: __, ...open } = run(records)
    expect(statsOf(open)?.waits.map(({ step, share }) => [step, share])).toEqual([
      ['a', 0.75],
      ['b', 0.25],
      ['(queued)', 0],
    ])
  })

  it('count a step once, with all its writes and the pauses between its attempts', () => {
    const found = statsOf(
      run([
        ['a/0', 0, null],
        ['a/0', 100, 'done'],
        ['a/1', 100, null],
        ['a/1', 110, 'retrying'],
        ['a/1', 300, null],
        ['a/1', 400, 'done'],
        ['look', 450, 'retrying'],
        ['look', 700, 'done'],
        ['*', 700, 'decision', { order: 'retry', steps: ['a'] }],
        ['a/0', 800, null],
        ['a/0', 900, 'done'],
      ]),
    )
    expect(found?.waits.map(({ step, times, share, max }) => [step, times, share, max])).toEqual([
      ['a', 2, 0.5, 400],
      ['look', 1, 0.25, 250],
      ['(queued)', 1, 0, 0],
    ])
  })

  it('tell what failed and why, what was tried again, and what was undone', () => {
    const found = statsOf(
      run([
        ['a/0', 0, null],
        ['a/0', 10, 'retrying'],
        ['a/0', 20, 'done'],
        ['b@0', 20, null],
        ['b@0', 30, 'failed', { code: 'device.absent' }],
        ['a~a-undo/0', 40, null],
        ['a~a-undo/0', 50, 'done'],
        ['c@1~c-undo', 50, null],
        ['c@1~c-undo', 60, 'failed', { code: 'command.interlock' }],
      ]),
    )
    expect(found).toMatchObject({
      retries: [{ step: 'a', times: 1 }],
      failures: [
        { step: 'b', times: 1, codes: { 'device.absent': 1 } },
        { step: 'c-undo', times: 1, codes: { 'command.interlock': 1 } },
      ],
      undone: [
        { step: 'a', times: 1, failed: 0 },
        { step: 'c', times: 1, failed: 1 },
      ],
    })
  })

  it('tell which way was taken how often: cases, branches, rounds and answers', () => {
    const ways = (way: unknown): CountedRun => run([['s', 0, 'decision', { order: 'way', way }]])
    expect(statsOf(ways('hot'), ways('hot'), ways('else'))?.ways).toEqual([{ step: 's', ways: { hot: 2, else: 1 } }])
    expect(statsOf(ways(['bowl', 'lines']), ways(['bowl']))?.ways).toEqual([{ step: 's', ways: { bowl: 2, lines: 1 } }])
    expect(statsOf(ways([1, 2, 3]))?.ways).toEqual([{ step: 's', ways: { '3 rounds': 1 } }])
    expect(statsOf(run([['ask', 0, 'decision', { order: 'answer', verdict: 'approved', by: 'ann' }]]))?.ways).toEqual([
      { step: 'ask', ways: { approved: 1 } },
    ])
  })

  it('count the shadow of a flow apart', () => {
    const counting = new FlowCounting()
    counting.take(run([]))
    counting.take(run([], { input: '{"trigger":{},"input":{},"mode":"shadow"}' }))
    expect(counting.stats().map(({ flow, mode, runs }) => [flow, mode, runs])).toEqual([
      ['f', undefined, 1],
      ['f', 'shadow', 1],
    ])
  })

  it('grow with the steps of a flow and not with what was decided', () => {
    const runs = Array.from({ length: 500 }, (_, place) => run([[`s${place}`, 0, 'decision', { order: 'way', way: `w${place}` }]]))
    const found = statsOf(
      ...runs,
      ...runs.map(({ records, ...rest }) => ({ ...rest, records: records.map((record) => ({ ...record, step: 's0' })) })),
    )
    expect(found?.ways.length).toBe(301)
    expect(Object.keys(found?.ways[0]?.ways ?? {}).length).toBe(51)
  })

  it('are read from the journal over a time, while the gateway goes on writing', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    const lifeOf = (place: number): readonly RunRecord[] => {
      const of = { run: `r${place}`, timeMs: epochMs(place * 1_000) }
      return [
        { ...of, kind: 'begun', flow: place % 2 === 0 ? 'even' : 'odd', definition: '{}', input: '{"trigger":{},"input":{}}' },
        { ...of, kind: 'intent', step: 'a', data: '1' },
        { ...of, kind: 'outcome', step: 'a', status: 'done', data: '{}', timeMs: epochMs(place * 1_000 + 100) },
        { ...of, kind: 'ended', state: 'completed', data: '{}', timeMs: epochMs(place * 1_000 + 200) },
      ]
    }
    await store.recordRuns({ records: Array.from({ length: 1_200 }, (_, place) => lifeOf(place)).flat() })
    const all = flowStats(folder.path, { fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER })
    expect(all.map(({ flow, runs, tookMs }) => [flow, runs, tookMs.max])).toEqual([
      ['even', 600, 200],
      ['odd', 600, 200],
    ])
    expect(all[0]?.waits[0]).toMatchObject({ step: 'a', share: 0.5, times: 600, max: 100 })
    expect(flowStats(folder.path, { fromMs: 1_000_000, untilMs: 1_100_000, flow: 'odd' })).toMatchObject([{ flow: 'odd', runs: 50 }])
  })
})

describe('a spread of durations', () => {
  it('is right within two in a hundred, whatever their size', () => {
    const spread = new Spread()
    for (let ms = 1; ms <= 100_000; ms += 7) spread.take(ms)
    for (const share of [0.1, 0.5, 0.9, 0.99]) expect(Math.abs(spread.quantile(share) / (share * 100_000) - 1)).toBeLessThan(0.02)
    expect(new Spread().quantile(0.5)).toBe(0)
  })
})
