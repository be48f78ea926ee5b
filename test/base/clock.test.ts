import { once } from 'node:events'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { epochMs, isoTime, lastResort, systemClock } from '../../src/base/clock.ts'

describe('the text of a moment', () => {
  it('is the same whatever moments were asked for before', () => {
    const begin = fc.constantFrom(0, -3_000, 999, 1_795_000_000_000, 253_402_300_798_000, -62_198_755_200_000)
    const far = { min: -2_500, max: 2_500, noNaN: true }
    const step = fc.oneof(fc.integer(far), fc.double(far), fc.constantFrom(-0.5, 0.5))
    fc.assert(
      fc.property(begin, fc.array(step, { maxLength: 20 }), (first, steps) => {
        let moment: number = first
        for (const each of [0, ...steps]) {
          moment += each
          expect(isoTime(epochMs(moment))).toBe(new Date(moment).toISOString())
        }
      }),
    )
  })

  it('is right for each millisecond of a second', () => {
    const moments = Array.from({ length: 1_001 }, (_, ms) => 1_795_000_000_000 + ms)
    expect(moments.map((moment) => isoTime(epochMs(moment)))).toEqual(moments.map((moment) => new Date(moment).toISOString()))
  })

  it('is none where there is no moment', () => {
    expect(() => isoTime(epochMs(Number.NaN))).toThrow(RangeError)
  })
})

describe('the clock', () => {
  it.each<[string, () => unknown]>([
    ['sleep', () => systemClock.sleep(-5)],
    ['after', () => new Promise<void>((resolve) => systemClock.after(-5, resolve))],
    ['lastResort', () => lastResort(-5, () => {})],
  ])('takes what was due already for due now, and Node does not warn of it: %s', async (_, wait) => {
    const warnings: string[] = []
    const onWarning = ({ name }: Error): void => void warnings.push(name)
    process.on('warning', onWarning)
    await wait()
    process.emitWarning('the last one', 'TestWarning')
    const [last] = (await once(process, 'warning')) as [Error]
    process.off('warning', onWarning)
    expect(last.name).toBe('TestWarning')
    expect(warnings).toEqual(['TestWarning'])
  })

  it('waits where Node could not count so far, instead of firing at once', async () => {
    let hasFired = false
    using _timer = systemClock.after(60 * 86_400_000, () => {
      hasFired = true
    })
    await systemClock.sleep(20)
    expect(hasFired).toBe(false)
  })

  it('fires neither early nor late where Node could not count so far', () => {
    vi.useFakeTimers()
    try {
      let fired = 0
      const far = systemClock.after(60 * 86_400_000, () => (fired += 1))
      const gone = systemClock.after(60 * 86_400_000, () => (fired += 1))
      vi.advanceTimersByTime(59 * 86_400_000)
      gone[Symbol.dispose]()
      expect(fired).toBe(0)
      vi.advanceTimersByTime(2 * 86_400_000)
      expect(fired).toBe(1)
      far[Symbol.dispose]()
    } finally {
      vi.useRealTimers()
    }
  })
})
