import { describe, expect, it } from 'vitest'
import { startWatchdog } from '../../src/runtime/watchdog.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { keptLog } from '../support/quiet-log.ts'

describe('the watchdog', () => {
  it('is fed three times a period while all rooms answer, not while one hangs, and again when it is back', async () => {
    const clock = startManualClock()
    const log = keptLog()
    const seen = { fed: 0, isHung: false }
    const yes = (): boolean => true
    const feed = (): boolean => {
      seen.fed += 1
      return true
    }
    const notify = { ready: yes, watchdog: feed, stopping: yes, status: yes }
    const ping = async (ms: number): Promise<void> => {
      if (!seen.isHung) return
      await clock.sleep(ms)
      throw new Error('control did not answer')
    }
    await using _watchdog = startWatchdog({ notify, periodMs: 15_000, ping, clock, log })
    const fedIn = async (ms: number): Promise<number> => {
      const before = seen.fed
      await clock.advance(ms)
      return seen.fed - before
    }
    await clock.advance(14_000)
    expect(seen.fed).toBe(3)
    seen.isHung = true
    await fedIn(5_000)
    expect(await fedIn(60_000)).toBe(0)
    expect(log.lines.map(({ level, message }) => [level, message])).toEqual([['error', 'A room does not answer; the watchdog is not fed.']])
    seen.isHung = false
    await fedIn(10_000)
    expect(await fedIn(15_000)).toBe(3)
  })
})
