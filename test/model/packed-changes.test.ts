import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { packChanges, unpackChanges } from '../../src/model/packed-changes.ts'
import { asTagIndex } from '../../src/model/tag.ts'

const scalar = fc.oneof(fc.boolean(), fc.double({ noNaN: true }), fc.bigInt(), fc.string(), fc.uint8Array())
const sample = fc.record(
  {
    value: fc.oneof(fc.constant(null), scalar, fc.array(scalar)),
    quality: fc.constantFrom('good', 'uncertain', 'bad', 'stale'),
    status: fc.nat({ max: 0xffff_ffff }),
    sourceMs: fc.integer().map(epochMs),
    receivedMs: fc.integer().map(epochMs),
  },
  { requiredKeys: ['value', 'quality', 'sourceMs', 'receivedMs'], noNullPrototype: true },
)

describe('packed changes', () => {
  it('are unpacked in another thread as they were, and in their order', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(fc.nat({ max: 100_000 }), sample), { selector: ([tag]) => tag }), (changes) => {
        const batch = changes.map(([tag, each]) => ({ tag: asTagIndex(tag), sample: each }))
        expect(unpackChanges(structuredClone(packChanges(batch)))).toEqual(batch)
      }),
    )
  })
})
