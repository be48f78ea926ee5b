import { describe, expect, it } from 'vitest'
import { type JudgedRun, lossesOf } from '../../bench/chaos/flows/judge.ts'
import { flowsRound } from '../../bench/chaos/flows/round.ts'

describe('runs under load whose daemon and threads are killed', () => {
  it('all end, do nothing twice, and everybody whom they have told agrees', { timeout: 240_000 }, async () => {
    const { losses, faults, ended } = await flowsRound({ seed: 3, steps: 2 })
    expect(losses).toEqual([])
    expect(faults).toBe(2)
    expect(ended['completed']).toBeGreaterThan(20)
  })
})

describe('the judge of these runs', () => {
  const done = new Map(['accept', 'count/0', 'told', 'closed'].map((part) => [part, 'done']))
  const run: JudgedRun = { run: 'r', order: 5, state: 'completed', parts: done }
  const seen = { counted: 1, takenBack: 0, keys: 1, told: true, closed: true }

  it('finds nothing wrong with a run that was done once', () => {
    expect(lossesOf(run, seen)).toEqual([])
    const doubt = new Map([
      ['accept', 'done'],
      ['count/0', 'unknown'],
    ] as const)
    expect(lossesOf({ ...run, state: 'unsettled', parts: doubt }, { ...seen, told: false, closed: false })).toEqual([])
  })

  it.each([
    [{ ...run, state: null }, seen, 'has not ended'],
    [run, { ...seen, counted: 2 }, 'counted 2 times'],
    [run, { ...seen, counted: 0 }, 'the plant does not'],
    [run, { ...seen, keys: 2 }, 'under 2 keys'],
    [run, { ...seen, told: false }, 'message did not come'],
    [{ ...run, order: 7 }, seen, 'had to fail'],
    [{ ...run, state: 'failed' }, seen, 'was not taken back'],
    [{ ...run, parts: new Map() }, seen, 'the journal says it did not'],
  ])('sees what is wrong: %o %o, %s', (bad, other, what) => {
    expect(lossesOf(bad, other).join()).toContain(what)
  })
})
