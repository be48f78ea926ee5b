import { describe, expect, it } from 'vitest'
import { FingerprintSet } from '../../src/base/fingerprint-set.ts'

describe('a set of fingerprints', () => {
  it('knows each of 100,000 texts again, and no other, in 4 MB', () => {
    const set = new FingerprintSet({ sizeMax: 1_000_000 })
    for (let place = 0; place < 100_000; place += 1) expect(set.add(`node ${place}`)).toBe(true)
    for (let place = 0; place < 100_000; place += 1) if (set.add(`node ${place}`)) throw new Error(`forgot ${place}`)
    expect(set.size).toBe(100_000)
    expect(set.add('another')).toBe(true)
  })

  it('takes no more than it may', () => {
    const set = new FingerprintSet({ sizeMax: 2 })
    expect([set.add('a'), set.add('b'), set.add('c'), set.isFull, set.size]).toEqual([true, true, false, true, 2])
  })
})
