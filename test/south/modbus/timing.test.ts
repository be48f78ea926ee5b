import { describe, expect, it } from 'vitest'
import { gapRegistersWorthwhile, readMs, type SerialTiming } from '../../../src/south/modbus/timing.ts'

const line: SerialTiming = { kind: 'serial', baud: 9_600, characterBits: 11, turnaroundMs: 0, pauseMs: 0 }

describe('a serial line', () => {
  it('takes for a request what its characters, the silences, the device and the pause take', () => {
    // 8 there, 5 + 32 back, twice 3.5 of silence: 52 characters of 11 bits at 9,600 baud.
    expect(readMs({ area: 'hr', count: 16 }, line)).toBeCloseTo((52 * 11) / 9.6, 6)
    expect(readMs({ area: 'hr', count: 16 }, { ...line, turnaroundMs: 20, pauseMs: 5 })).toBeCloseTo((52 * 11) / 9.6 + 25, 6)
  })

  it('packs eight bits into a character', () => {
    expect(readMs({ area: 'co', count: 9 }, line)).toBeCloseTo(((8 + 5 + 2 + 7) * 11) / 9.6, 6)
  })

  it('keeps a fixed silence above 19,200 baud', () => {
    expect(readMs({ area: 'hr', count: 1 }, { ...line, baud: 115_200 })).toBeCloseTo((15 * 11) / 115.2 + 3.5, 6)
    expect(readMs({ area: 'hr', count: 1 }, { ...line, baud: 19_200 })).toBeCloseTo((22 * 11) / 19.2, 6)
  })

  it.each([
    [0, 9_600, 10],
    [20, 9_600, 18],
    [50, 9_600, 31],
    [20, 19_200, 27],
    [20, 115_200, 114],
  ])('reads with a turnaround of %i ms at %i baud a gap of %i registers along', (turnaroundMs, baud, gap) => {
    expect(gapRegistersWorthwhile({ ...line, turnaroundMs, baud })).toBe(gap)
  })

  it('is as fast with the gap that is just worthwhile as with two requests', () => {
    const timing: SerialTiming = { ...line, turnaroundMs: 20 }
    const gap = gapRegistersWorthwhile(timing)
    const apart = 2 * readMs({ area: 'hr', count: 10 }, timing)
    expect(readMs({ area: 'hr', count: 20 + gap }, timing)).toBeLessThanOrEqual(apart)
    expect(readMs({ area: 'hr', count: 20 + gap + 2 }, timing)).toBeGreaterThan(apart)
  })
})

describe('a TCP connection', () => {
  it('has several requests on their way at once, unless there is a pause between them', () => {
    expect(readMs({ area: 'hr', count: 125 }, { kind: 'tcp', roundTripMs: 5, pauseMs: 0, inflightMax: 4 })).toBe(1.25)
    expect(readMs({ area: 'hr', count: 125 }, { kind: 'tcp', roundTripMs: 5, pauseMs: 10, inflightMax: 4 })).toBe(15)
  })
})
