import { once } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { lastResort, systemClock } from '../../src/base/clock.ts'

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
