import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
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
})
