import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import type { Quality } from '../../src/model/quality.ts'
import type { Sample } from '../../src/model/sample.ts'
import { SampleColumns } from '../../src/model/sample-columns.ts'
import type { Scalar, TagValue } from '../../src/model/tag.ts'

const scalar: fc.Arbitrary<Scalar> = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(-0, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER),
  fc.bigInt(),
  fc.boolean(),
  fc.string(),
  fc.uint8Array(),
)
const value: fc.Arbitrary<TagValue | null> = fc.oneof(scalar, fc.array(scalar), fc.constant(null))
const time = fc.integer({ min: 0, max: 8_640_000_000_000_000 }).map(epochMs)
const sample: fc.Arbitrary<Sample> = fc.record(
  {
    value,
    quality: fc.constantFrom<Quality>('good', 'uncertain', 'bad', 'stale'),
    status: fc.integer({ min: 0, max: 0xffff_ffff }),
    sourceMs: time,
    receivedMs: time,
  },
  { requiredKeys: ['value', 'quality', 'sourceMs', 'receivedMs'], noNullPrototype: true },
)
const at = { sourceMs: epochMs(1), receivedMs: epochMs(2) }

describe('the samples of many tags in columns', () => {
  it('are what was set last in each place, whatever was there before', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), sample), { maxLength: 20 })
    fc.assert(
      fc.property(steps, (sets) => {
        const columns = new SampleColumns(4)
        const expected: (Sample | undefined)[] = [undefined, undefined, undefined, undefined]
        for (const [place, next] of sets) {
          columns.set(place, next)
          expected[place] = next
          expect(expected.map((_, each) => columns.get(each))).toStrictEqual(expected)
          expect(columns.value(place)).toStrictEqual(next.value)
        }
      }),
    )
  })

  it('have a state: quality and status, of which none is not zero', () => {
    const columns = new SampleColumns(2)
    expect(columns.hasState(0, { quality: 'good' })).toBe(false)
    columns.set(0, { value: 5, quality: 'good', ...at })
    expect(columns.hasState(0, { quality: 'good' })).toBe(true)
    expect(columns.hasState(0, { quality: 'good', status: 0 })).toBe(false)
    columns.set(0, { value: 5, quality: 'uncertain', status: 0x4090_0000, ...at })
    expect(columns.hasState(0, { quality: 'uncertain', status: 0x4090_0000 })).toBe(true)
    expect(columns.hasState(0, { quality: 'uncertain' })).toBe(false)
    expect(columns.hasState(0, { quality: 'bad', status: 0x4090_0000 })).toBe(false)
    expect(columns.hasState(1, { quality: 'uncertain', status: 0x4090_0000 })).toBe(false)
  })

  it('keep nothing of a large value that a number took the place of', () => {
    const columns = new SampleColumns(1)
    columns.set(0, { value: 'a long text', quality: 'good', ...at })
    columns.set(0, { value: 7, quality: 'good', ...at })
    expect(columns.get(0)).toStrictEqual({ value: 7, quality: 'good', ...at })
    columns.set(0, { value: null, quality: 'bad', ...at })
    expect(columns.value(0)).toBeNull()
  })

  it.each([-1, 2, 2 ** 32, 0.5])('know of no place %s', (place) => {
    const columns = new SampleColumns(2)
    columns.set(place, { value: 1, quality: 'good', ...at })
    expect(columns.get(place)).toBeUndefined()
    expect(columns.value(place)).toBeNull()
    expect([columns.get(0), columns.get(1)]).toEqual([undefined, undefined])
  })
})
