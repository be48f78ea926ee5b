import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import { freeze, revive } from '../../../src/control/flows/frozen.ts'
import { detailOf } from '../../../src/control/flows/run-info.ts'

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

  it('is JSON to whoever looks at the run, 64-bit counters and bytes included', () => {
    const timeMs = epochMs(0)
    const data = freeze({ result: { counter: 7n, large: 2n ** 63n, bytes: new Uint8Array([0, 255]), list: [1n] } })
    const input = JSON.stringify({ trigger: { kind: 'start' }, input: {} })
    const records = [{ kind: 'outcome', run: 'r', step: 's', status: 'done', data, timeMs }] as const
    const kept = { id: 1, run: 'r', flow: 'f', version: '1', definition: '', begunMs: timeMs, input, records }
    const detail = detailOf({ run: 'r', flow: 'f', state: 'running', begunMs: timeMs }, kept)
    expect(JSON.parse(JSON.stringify(detail.records))).toEqual([
      { step: 's', what: 'done', timeMs: 0, data: { result: { counter: 7, large: '9223372036854775808', bytes: 'AP8=', list: [1] } } },
    ])
  })
})
