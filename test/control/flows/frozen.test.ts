import { describe, expect, it } from 'vitest'
import { freeze, revive } from '../../../src/control/flows/frozen.ts'

describe('what a journal keeps of a value', () => {
  it.each([
    ['a large integer', 2n ** 63n],
    ['bytes', new Uint8Array([0, 255])],
    ['both, deep down', { a: [{ b: 5n, c: new Uint8Array([1]) }] }],
    ['what looks like a large integer and is none', { body: { bigint: '5' } }],
    ['what looks like bytes and is none', [{ bytes: 'AAAA' }]],
    ['what looks like what was written for these', { plain: [['bigint', '5']] }],
    ['marks in marks', { plain: { bytes: { bigint: { plain: 7n } } } }],
    ['a map with more than a mark', { bigint: '5', bytes: 'AAAA' }],
  ])('comes back as it was: %s', (_what, value) => {
    expect(revive(freeze(value))).toEqual(value)
  })

  it('is read from journals of before', () => {
    expect(revive('{"result":{"plain":"text"}}')).toEqual({ result: { plain: 'text' } })
    expect(revive('{"result":{"bigint":"7"}}')).toEqual({ result: 7n })
  })
})
