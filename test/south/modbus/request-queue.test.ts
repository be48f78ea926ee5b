import { describe, expect, it } from 'vitest'
import { type MonotonicMs, monotonicMs } from '../../../src/base/clock.ts'
import { exceptionFault, noAnswer } from '../../../src/south/modbus/faults.ts'
import type { AskOptions } from '../../../src/south/modbus/line.ts'
import { LineCounts } from '../../../src/south/modbus/line-counts.ts'
import { askRead } from '../../../src/south/modbus/pdu.ts'
import { RequestQueue } from '../../../src/south/modbus/request-queue.ts'
import { UnitBreaker } from '../../../src/south/modbus/unit-breaker.ts'
import { startManualClock } from '../../support/manual-clock.ts'

function line() {
  const clock = startManualClock()
  const units = new UnitBreaker({ clock })
  const counts = new LineCounts(clock)
  const queue = new RequestQueue({ peer: 'the line', timeoutMs: 100, clock, counts, units })
  const codes: string[] = []
  const ask = (start: number, options: Partial<AskOptions> & { readonly unit?: number } = {}): void => {
    const { unit = 1, ...rest } = options
    queue
      .ask(askRead({ unit, area: 'hr', start, count: 1 }), { urgency: 'poll', ...rest })
      .catch((error: { readonly code: string }) => codes.push(error.code))
  }
  const takeAll = (isHeld?: (unit: number) => boolean): readonly number[] => {
    const starts: number[] = []
    for (let next = queue.take(isHeld); next !== undefined; next = queue.take(isHeld)) starts.push(next.ask.pdu.readUInt16BE(1))
    return starts
  }
  return { clock, units, counts, queue, codes, ask, takeAll }
}

const at = (ms: number): { readonly deadline: MonotonicMs } => ({ deadline: monotonicMs(ms) })

describe('the order on a line', () => {
  it('is that of the periods that end first, and of asking where they end together', () => {
    const { ask, takeAll } = line()
    ask(1, at(500))
    ask(2, at(100))
    ask(3, at(100))
    ask(4)
    ask(5, at(2_000))
    expect(takeAll()).toEqual([2, 3, 1, 4, 5])
  })

  it('starves nobody: who waits long has the earlier deadline', async () => {
    const { clock, ask, queue } = line()
    ask(99, at(1_000))
    for (let round = 0; round < 20; round += 1) {
      ask(round, at(clock.elapsed() + 100))
      expect(queue.take()?.ask.pdu.readUInt16BE(1)).toBe(round < 9 ? round : round === 9 ? 99 : round - 1)
      await clock.advance(100)
    }
  })

  it('puts writes before reads before polls, and a poll after eight of them', () => {
    const { ask, takeAll } = line()
    ask(1)
    ask(2, { urgency: 'read' })
    for (let start = 10; start < 20; start += 1) ask(start, { urgency: 'write' })
    expect(takeAll()).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 1, 18, 19, 2])
  })

  it('goes past units that must wait, and keeps what they are asked', () => {
    const { ask, takeAll, queue } = line()
    ask(1, { unit: 5, urgency: 'write' })
    ask(2, { unit: 6 })
    expect(takeAll((unit) => unit === 5)).toEqual([2])
    expect(queue.size).toBe(1)
    expect(takeAll()).toEqual([1])
  })

  it('leaves out units that are down at the moment of sending, and tells whoever asks', async () => {
    const { clock, units, ask, takeAll, codes, counts } = line()
    units.use([5, 6])
    for (const start of [1, 2, 3]) ask(start, { unit: 5 })
    ask(4, { unit: 6 })
    for (let times = 0; times < 2; times += 1) units.silent(5, noAnswer('the line', 5, 100))
    expect(takeAll()).toEqual([4])
    await clock.settle()
    expect(codes).toEqual(['modbus.unit-resting', 'modbus.unit-resting', 'modbus.unit-resting'])
    expect(counts.spared).toBe(3)
  })

  it('sends one probe a period, whoever asks', async () => {
    const { clock, units, ask, takeAll } = line()
    units.use([5, 6])
    for (let times = 0; times < 2; times += 1) units.silent(5, noAnswer('the line', 5, 100))
    await clock.advance(5_000)
    for (const start of [1, 2, 3]) ask(start, { unit: 5 })
    expect(takeAll()).toEqual([1])
    units.answered(5)
    ask(4, { unit: 5 })
    expect(takeAll()).toEqual([4])
  })
})

describe('the breaker of a line', () => {
  it('counts a fault once, whoever hands it on', () => {
    const units = new UnitBreaker({ clock: startManualClock() })
    units.use([5, 6])
    const fault = noAnswer('the line', 5, 100)
    for (let times = 0; times < 3; times += 1) units.silent(5, fault)
    expect(units.downFault(5)).toBeUndefined()
  })

  it('leaves a line with one unit to the device loop', () => {
    const units = new UnitBreaker({ clock: startManualClock() })
    units.use([5])
    for (let times = 0; times < 3; times += 1) units.silent(5, noAnswer('the line', 5, 100))
    expect(units.downFault(5)).toBeUndefined()
    expect(units.isDeaf).toBe(false)
  })

  it('calls a line deaf when everybody on it is silent, and not before', () => {
    const units = new UnitBreaker({ clock: startManualClock() })
    units.use([5, 6])
    for (let times = 0; times < 3; times += 1) units.silent(5, noAnswer('the line', 5, 100))
    expect(units.isDeaf).toBe(false)
    units.silent(6, noAnswer('the line', 6, 100))
    expect(units.isDeaf).toBe(true)
    units.heard()
    expect(units.isDeaf).toBe(false)
  })
  it.each([10, 11])('never calls a line deaf whose gateway says that all units are gone (exception %i)', (code) => {
    const units = new UnitBreaker({ clock: startManualClock() })
    units.use([5, 6])
    for (let times = 0; times < 3; times += 1) for (const unit of [5, 6]) units.silent(unit, exceptionFault(`unit ${unit}`, code))
    expect([units.isDeaf, units.downFault(5)?.code]).toEqual([false, `modbus.exception-${code}`])
  })
})
