import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import { type LaneSource, Lanes } from '../../../src/north/upstream/lanes.ts'
import type { OutboxRow } from '../../../src/store/contract.ts'
import { startManualClock } from '../../support/manual-clock.ts'

const now = Date.UTC(2026, 10, 21)

/** The outbox as an array, and lanes that read from it. */
function startLanes(options: { readonly hasStates?: boolean; readonly perSecond?: number } = {}) {
  const clock = startManualClock()
  clock.setWall(epochMs(now))
  const rows: OutboxRow[] = []
  let id = 0
  const isWanted = (only?: 'state' | 'others') => (row: OutboxRow) => only === undefined || (row.stream === 'state') === (only === 'state')
  const source: LaneSource = {
    next: async (afterId, rowsMax, only) => rows.filter((row) => row.id > afterId && isWanted(only)(row)).slice(0, rowsMax),
    survey: async (afterId, rowsMax, only) => {
      const found = rows.filter((row) => row.id > afterId && isWanted(only)(row)).slice(0, rowsMax)
      return {
        subjects: [...new Map(found.map((row) => [row.subject, row.id]))],
        lastId: found.at(-1)?.id ?? afterId,
        isEnd: found.length < rowsMax,
      }
    },
  }
  const lanes = new Lanes({
    source,
    hasStates: options.hasStates ?? false,
    inflightMax: 100,
    backlogPerSecondMax: options.perSecond ?? 1_000,
    clock,
  })
  const accept = (subject: string, ageMs: number, stream: OutboxRow['stream'] = 'events'): number => {
    id += 1
    rows.push({ id, upstream: 'plant', kind: 'sample', subject, body: '', timeMs: epochMs(now - ageMs), stream })
    lanes.wake()
    return id
  }
  const taken: OutboxRow[] = []
  /** Takes what may go now; `free` is how much may still be under way. */
  const run = async (rowsMax = Number.MAX_SAFE_INTEGER, free = 100): Promise<void> => {
    for (let count = 0; count < rowsMax; ) {
      const row = lanes.take(free)
      if (row !== undefined) {
        taken.push(row)
        count += 1
      } else if (!(await lanes.fill())) return
    }
  }
  /** The far broker has acknowledged all but the last. */
  const forget = (butLast: number): void => {
    const gone = new Set(taken.slice(0, Math.max(0, taken.length - butLast)).map((row) => row.id))
    rows.splice(0, rows.length, ...rows.filter((row) => !gone.has(row.id)))
    lanes.removed([...gone])
  }
  return { forget, clock, lanes, accept, run, rows, taken, ids: () => taken.map((row) => row.id) }
}

function expectOrder(taken: readonly OutboxRow[]): void {
  for (const [subject, rows] of Map.groupBy(taken, (row) => row.subject)) {
    const ids = rows.map((row) => row.id)
    expect(ids, subject).toEqual(ids.toSorted((one, other) => one - other))
  }
}

describe('the lanes of an upstream', () => {
  it('are one as long as there is no backlog: everything goes in the order of acceptance', async () => {
    const line = startLanes()
    for (let row = 0; row < 1_000; row += 1) line.accept(`tag-${row % 7}`, 0)
    await line.run()
    expect(line.ids()).toEqual(line.rows.map(({ id }) => id))
    expect(line.lanes.isApart).toBe(false)
  })

  it('let a live value go before the backlog, unless its topic is in there, and then after it', async () => {
    const line = startLanes()
    for (let row = 0; row < 2_000; row += 1) line.accept(`old-${row % 20}`, 60_000)
    await line.run(600)
    expect(line.lanes.isApart).toBe(true)
    const late = line.accept('old-3', 0)
    const live = line.accept('fresh', 0)
    const before = line.taken.length
    await line.run(1)
    expect(line.ids().slice(before)).toEqual([live])
    for (let second = 0; second < 5; second += 1) {
      await line.clock.advance(1_000)
      for (let step = 0; step < 20; step += 1) {
        await line.clock.advance(100)
        await line.run()
      }
    }
    expect(line.ids().toSorted((one, other) => one - other)).toEqual(line.rows.map(({ id }) => id))
    expect(line.ids().indexOf(late)).toBeGreaterThan(1_900)
    expectOrder(line.taken)
    expect(line.lanes.isApart).toBe(false)
  })

  it('send each row once and keep the order of each topic, however live rows and backlog mix', async () => {
    const line = startLanes({ perSecond: 2_000 })
    let seed = 3
    const chance = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return seed % below
    }
    for (let row = 0; row < 3_000; row += 1) line.accept(`tag-${chance(40)}`, 60_000)
    for (let round = 0; round < 300; round += 1) {
      for (let row = chance(12); row > 0; row -= 1) line.accept(`tag-${chance(80)}`, 0)
      await line.run(chance(60))
      line.forget(50)
      await line.clock.advance(20)
    }
    for (let rest = 0; rest < 100; rest += 1) {
      await line.clock.advance(100)
      await line.run()
    }
    expect(line.ids().toSorted((one, other) => one - other)).toEqual(Array.from({ length: line.ids().length }, (_, place) => place + 1))
    line.forget(0)
    expect(line.rows).toEqual([])
    expectOrder(line.taken)
  })

  it('hold the backlog to its pace, and leave room under way for what is live', async () => {
    const line = startLanes({ perSecond: 1_000 })
    for (let row = 0; row < 5_000; row += 1) line.accept(`old-${row % 20}`, 60_000)
    await line.run(300)
    await line.run(Number.MAX_SAFE_INTEGER, 20) // of 100 a fifth is kept
    const begun = line.taken.length
    for (let step = 0; step < 10; step += 1) {
      await line.clock.advance(100)
      await line.run()
    }
    expect(line.taken.length - begun).toBeGreaterThanOrEqual(900)
    expect(line.taken.length - begun).toBeLessThanOrEqual(1_100)
  })

  it('let states go first of all', async () => {
    const line = startLanes({ hasStates: true })
    for (let row = 0; row < 600; row += 1) line.accept('tag', 60_000)
    await line.run(300)
    const state = line.accept('motor', 0, 'state')
    const before = line.taken.length
    await line.run(1)
    expect(line.ids().slice(before)).toEqual([state])
    await line.clock.advance(1_000)
    for (let step = 0; step < 20; step += 1) {
      await line.clock.advance(100)
      await line.run()
    }
    expect(line.taken).toHaveLength(601)
    expectOrder(line.taken)
  })
})
