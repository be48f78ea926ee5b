import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Start, StartRate, Starts } from '../../../src/control/flows/starts.ts'
import { startManualClock } from '../../support/manual-clock.ts'

function startStarts(pressure?: string) {
  const clock = startManualClock()
  const begun: string[] = []
  const gone: string[] = []
  const cancelled: string[] = []
  const ends = new Map<string, () => void>()
  const starts = new Starts({ clock, pressure: () => pressure, cancel: (run) => starts.withdraw(run) || cancelled.push(run) })
  const offer = (run: string, more: Partial<Omit<Start, 'run'>> = {}) =>
    starts.offer({
      run,
      flow: more.group ?? 'f',
      group: 'f',
      concurrency: { limit: 1, overflow: 'queue', queueMax: 100 },
      priority: 'normal',
      locks: [],
      holder: run,
      isExempt: false,
      begin: () => {
        begun.push(run)
        return new Promise<void>((resolve) => ends.set(run, resolve))
      },
      giveWay: () => gone.push(run),
      ...more,
    })
  const end = async (run: string): Promise<void> => {
    ends.get(run)?.()
    await clock.settle()
  }
  return { clock, starts, offer, end, begun, gone, cancelled }
}

describe('the starts of runs', () => {
  it('refuse none that is in the journal already', async () => {
    const { offer, end, begun } = startStarts('the journal is behind')
    const full = { concurrency: { limit: 1, overflow: 'queue', queueMax: 0 }, isKept: true } as const
    const dropping = { concurrency: { limit: 1, overflow: 'drop', queueMax: 0 }, isKept: true } as const
    expect([offer('a'), offer('b', full), offer('c', dropping), offer('d', { priority: 'low', isKept: true })]).toEqual([
      'begun',
      'queued',
      'queued',
      'queued',
    ])
    for (const run of ['a', 'b', 'c']) await end(run)
    expect(begun).toEqual(['a', 'b', 'c', 'd'])
  })

  it('replace none that has done something and is to go on, and do not count it to those that wait', async () => {
    const { offer, end, begun, gone, cancelled, starts } = startStarts()
    const newest = { concurrency: { limit: 1, overflow: 'replace', queueMax: 1 } } as const
    offer('a', newest)
    offer('again', { ...newest, isKept: true, giveWay: undefined as never })
    expect(['b', 'c', 'd'].map((run) => offer(run, newest))).toEqual(['queued', 'queued', 'queued'])
    expect([gone, cancelled, starts.waitingOf('f')]).toEqual([['b', 'c'], [], 2])
    await end('a')
    await end('again')
    expect(begun).toEqual(['a', 'again', 'd'])
  })

  it('begin one after the other, in the order in which they came', async () => {
    const { offer, end, begun } = startStarts()
    expect(['a', 'b', 'c'].map((run) => offer(run))).toEqual(['begun', 'queued', 'queued'])
    await end('a')
    await end('b')
    expect(begun).toEqual(['a', 'b', 'c'])
  })

  it('find the one that may begin behind many of groups that are full', async () => {
    const { offer, end, begun, starts } = startStarts()
    offer('a1')
    for (const run of ['a2', 'a3']) offer(run)
    offer('b1', { group: 'b' })
    for (const run of ['b2', 'b3']) offer(run, { group: 'b' })
    expect(['f', 'b'].map((flow) => starts.waitingOf(flow))).toEqual([2, 2])
    await end('b1')
    expect(begun).toEqual(['a1', 'b1', 'b2'])
    starts.withdraw('a2')
    await end('a1')
    expect(begun).toEqual(['a1', 'b1', 'b2', 'a3'])
    expect(['f', 'b'].map((flow) => starts.waitingOf(flow))).toEqual([0, 1])
  })

  it('let the more important ones before the others, but not for ever', async () => {
    const { offer, end, begun, clock } = startStarts()
    offer('first')
    offer('low', { priority: 'low' })
    offer('normal')
    offer('critical', { priority: 'critical' })
    await clock.advance(121_000)
    offer('late', { priority: 'critical' })
    for (const run of ['first', 'critical', 'normal', 'low']) await end(run)
    expect(begun).toEqual(['first', 'critical', 'normal', 'low', 'late'])
  })

  it('wait for the locks of others, and are not overtaken by who needs fewer of them', async () => {
    const { offer, end, begun } = startStarts()
    offer('one', { group: 'g1', locks: ['a'] })
    offer('both', { group: 'g2', locks: ['a', 'b'] })
    expect(offer('other', { group: 'g3', locks: ['b'] })).toBe('queued')
    await end('one')
    expect(begun).toEqual(['one', 'both'])
    await end('both')
    expect(begun).toEqual(['one', 'both', 'other'])
  })

  it('never wait for each other in a circle, whatever locks they want, and no lock has two', async () => {
    const starts = fc.array(fc.record({ locks: fc.subarray(['a', 'b', 'c', 'd']), high: fc.boolean(), group: fc.nat(3) }), {
      maxLength: 40,
    })
    const property = fc.asyncProperty(starts, fc.array(fc.nat()), async (wanted, order) => {
      const { offer, end, begun } = startStarts()
      for (const [at, { locks, high, group }] of wanted.entries())
        offer(String(at), { locks, priority: high ? 'high' : 'low', group: `g${group}` })
      const ended = new Set<string>()
      for (let turn = 0; ended.size < wanted.length; turn += 1) {
        const running = begun.filter((run) => !ended.has(run))
        const held = running.flatMap((run) => wanted[Number(run)]?.locks ?? [])
        expect(new Set(held).size).toBe(held.length)
        const next = running[(order[turn % Math.max(1, order.length)] ?? 0) % Math.max(1, running.length)]
        if (next === undefined) throw new Error(`nobody runs, and ${wanted.length - ended.size} wait`)
        ended.add(next)
        await end(next)
      }
    })
    await fc.assert(property, { numRuns: 40 })
  })

  it('have the locks of the run that waits for them', () => {
    const { offer } = startStarts()
    offer('parent', { group: 'g1', locks: ['a'] })
    expect(offer('child', { group: 'g2', locks: ['a'], holder: 'parent' })).toBe('begun')
  })

  it('are refused, dropped, or take the place of the oldest, where there is no room', () => {
    const { offer, gone, cancelled } = startStarts()
    const concurrency = { limit: 1, overflow: 'queue', queueMax: 1 } as const
    expect(['a', 'b', 'c'].map((run) => offer(run, { concurrency }))).toEqual(['begun', 'queued', 'no-room'])
    expect(offer('d', { concurrency: { ...concurrency, overflow: 'drop' } })).toBe('dropped')
    expect(offer('e', { concurrency: { ...concurrency, overflow: 'replace' } })).toBe('queued')
    expect(gone).toEqual(['b'])
    expect(offer('f', { group: 'h' })).toBe('begun')
    expect(offer('g', { group: 'h', concurrency: { limit: 1, overflow: 'replace', queueMax: 0 } })).toBe('queued')
    expect(cancelled).toEqual(['f'])
  })

  it('make room in their own group, and leave those of other groups alone', () => {
    const { offer, gone, cancelled } = startStarts()
    const concurrency = { limit: 1, overflow: 'replace', queueMax: 1 } as const
    const of = (run: string, group: string) => offer(run, { flow: 'f', group, concurrency })
    expect([of('a1', 'a'), of('a2', 'a'), of('b1', 'b'), of('b2', 'b')]).toEqual(['begun', 'queued', 'begun', 'queued'])
    expect([gone, cancelled]).toEqual([[], []])
    of('b3', 'b')
    of('a3', 'a')
    expect([gone, cancelled]).toEqual([['b2', 'a2'], []])
  })

  it('find room in the queue of their own group, however many of another one wait', () => {
    const { offer } = startStarts()
    const of = (run: string, group: string) => offer(run, { flow: 'f', group, concurrency: { limit: 1, overflow: 'queue', queueMax: 2 } })
    expect([1, 2, 3, 4].map((run) => of(`a${run}`, 'a'))).toEqual(['begun', 'queued', 'queued', 'no-room'])
    expect([1, 2, 3, 4].map((run) => of(`b${run}`, 'b'))).toEqual(['begun', 'queued', 'queued', 'no-room'])
  })

  it('of one flow leave those of others room, however many groups it has', () => {
    const { offer } = startStarts()
    const of = (flow: string, group: string) => offer(`${flow}${group}`, { flow, group, locks: ['l'] })
    of('f', '0')
    const verdicts = Array.from({ length: 6_000 }, (_, group) => of('f', String(group + 1)))
    expect(verdicts.filter((verdict) => verdict === 'queued')).toHaveLength(5_000)
    expect(verdicts.at(-1)).toBe('overloaded')
    expect(of('g', 'other')).toBe('queued')
  })

  it('of low priority are refused while the machine is under pressure', () => {
    const { offer } = startStarts('the journal is behind')
    expect([offer('low', { priority: 'low', group: 'g' }), offer('high', { priority: 'high' })]).toEqual(['overloaded', 'begun'])
  })

  it('of one flow are no more than it may have in a second', async () => {
    const clock = startManualClock()
    const rate = new StartRate(clock)
    const taken = () => Array.from({ length: 2_000 }, () => rate.take()).filter(Boolean).length
    expect(taken()).toBe(1_000)
    await clock.advance(1_000)
    expect(taken()).toBe(200)
  })
})
