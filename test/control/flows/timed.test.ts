import { describe, expect, it } from 'vitest'
import { epochMs, isoTime } from '../../../src/base/clock.ts'
import type { Missed } from '../../../src/control/flows/definition.ts'
import { startTimed, type TimedTrigger } from '../../../src/control/flows/triggers/timed.ts'
import { startManualClock } from '../../support/manual-clock.ts'

const at = (text: string) => epochMs(Date.parse(`2026-03-0${text}:00Z`))
const daily = (missed: Missed): TimedTrigger => ({ kind: 'cron', cron: '0 6 * * *', zone: 'UTC', missed })

async function startAt(begin: string, trigger: TimedTrigger, done?: string) {
  const clock = startManualClock()
  clock.setWall(at(begin))
  const told: string[] = []
  const doneMs = done === undefined ? undefined : at(done)
  const running = await startTimed({
    trigger,
    clock,
    doneMs,
    fire: (moments) => told.push(moments.map((ms) => isoTime(ms).slice(9, 16)).join(' ')),
  })
  return { clock, told, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

describe('a clock that begins flows', () => {
  it.each([
    ['skip', []],
    ['once', ['4T06:00']],
    ['all', ['2T06:00 3T06:00 4T06:00']],
  ] as const)('takes what passed while it was set wrong, and is now set right, for missed: %s', async (missed, expected) => {
    await using timed = await startAt('1T12:00', daily(missed))
    timed.clock.setWall(at('4T14:00'))
    await timed.clock.advance(60_000)
    expect(timed.told).toEqual(expected)
    await timed.clock.advance(17 * 3_600_000)
    expect(timed.told).toEqual([...expected, '5T06:00'])
  })

  it('is a moment late without having missed anything', async () => {
    await using timed = await startAt('1T05:59', daily('skip'))
    await timed.clock.stall(115_000)
    expect(timed.told).toEqual(['1T06:00'])
  })

  it('goes by the clock as it is, when that is set back', async () => {
    await using timed = await startAt('3T12:00', daily('skip'))
    timed.clock.setWall(at('1T05:00'))
    await timed.clock.advance(2 * 3_600_000)
    expect(timed.told).toEqual(['1T06:00'])
  })

  it.each([
    ['once', '* * * * *', ['2026-03-04T00:00']],
    ['all', '* * * * *', ['2026-03-03T22:21', '2026-03-04T00:00']],
    ['all', '30 6 1 1,12 *', ['1990-12-01T06:30', '2026-01-01T06:30']],
    ['all', '* * * * * *', ['2026-03-03T23:58', '2026-03-04T00:00']],
    ['all', '* * * 1 1 *', ['2026-01-01T23:58', '2026-01-01T23:59']],
  ] as const)(
    'finds the last that it missed in many years without going through all of them, for missed: %s of %s',
    {
      timeout: 60_000,
    },
    async (missed, cron, [first, last = first]) => {
      const clock = startManualClock()
      clock.setWall(at('4T00:00'))
      const told: string[][] = []
      const doneMs = epochMs(Date.parse('1990-06-01T00:00:00Z'))
      const trigger = { kind: 'cron', cron, zone: 'UTC', missed } as const
      await using _running = await startTimed({ trigger, clock, doneMs, fire: (moments) => told.push(moments.map((ms) => isoTime(ms))) })
      expect([told[0]?.at(0)?.slice(0, 16), told[0]?.at(-1)?.slice(0, 16)]).toEqual([first, last])
    },
  )

  it.each([
    ['*/15 * * * *', '2026-10-25T00:10Z', '00:15 00:30 00:45 01:00 01:15 01:30 01:45 02:00'],
    ['30 2 * * *', '2026-10-25T00:10Z', '00:30'],
    ['*/15 * * * *', '2026-03-29T00:10Z', '00:15 00:30 00:45 01:00 01:15 01:30 01:45 02:00'],
    ['30 2 * * *', '2026-03-29T00:10Z', '01:00'],
  ])('goes through the ends of summer as its zone does, with %s from %s', async (cron, begin, expected) => {
    const clock = startManualClock()
    clock.setWall(epochMs(Date.parse(begin)))
    const told: string[] = []
    const trigger = { kind: 'cron', cron, zone: 'Europe/Berlin', missed: 'skip' } as const
    const fire = (moments: readonly number[]) => told.push(...moments.map((ms) => isoTime(epochMs(ms)).slice(11, 16)))
    await using _running = await startTimed({ trigger, clock, doneMs: undefined, fire })
    await clock.advance(2 * 3_600_000)
    expect(told.join(' ')).toBe(expected)
  })

  it('makes up for no more than the last hundred', async () => {
    await using timed = await startAt('5T00:00', { kind: 'interval', everyMs: 60_000, missed: 'all' }, '1T00:00')
    expect(timed.told.map((told) => told.split(' ').length)).toEqual([100])
    expect(timed.told[0]).toMatch(/^4T22:21 .* 5T00:00$/)
  })
})
