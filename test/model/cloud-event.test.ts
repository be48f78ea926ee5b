import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { cloudEvent, cloudEventText } from '../../src/model/cloud-event.ts'

const event = fc.record({
  uid: fc.string({ unit: 'grapheme' }),
  type: fc.string({ unit: 'grapheme' }),
  subject: fc.string({ unit: 'binary' }),
  timeMs: fc.integer({ min: 0, max: 4e12 }).map(epochMs),
  data: fc.dictionary(fc.string(), fc.jsonValue()),
})

describe('the text of a CloudEvent', () => {
  it('is that of the whole event', () => {
    const sites = fc.constantFrom('acme/line-1', 'acme/münchen/"halle 3"')
    fc.assert(
      fc.property(fc.array(fc.tuple(event, sites), { maxLength: 5 }), (told) => {
        for (const [each, site] of told) {
          const text = cloudEventText({ ...each, data: JSON.stringify(each.data) }, { site })
          expect(text).toBe(JSON.stringify(cloudEvent(each, { site })))
        }
      }),
    )
  })
})
