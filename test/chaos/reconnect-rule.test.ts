import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AttemptEnd, ReconnectRule } from '../../bench/chaos/south/reconnect-rule.ts'
import { ReconnectPace } from '../../src/south/reconnect-pace.ts'

interface Lived {
  readonly how: AttemptEnd
  readonly wellMs: number
}

/** A device that was connected to as often, each time at once when the last attempt had ended. */
function lived(...attempts: readonly Lived[]) {
  const clock = { nowMs: 0 }
  const rule = new ReconnectRule(() => clock.nowMs)
  for (const { how, wellMs } of attempts) {
    const attempt = rule.begun()
    attempt.answered()
    clock.nowMs += wellMs
    attempt.ended(how)
  }
  return { rule, clock, leftAloneMs: () => rule.dueMs(clock.nowMs + 1) - clock.nowMs }
}

const brokenAtOnce: Lived = { how: 'broken', wellMs: 0 }
const times = (count: number, attempt: Lived): readonly Lived[] => Array.from({ length: count }, () => attempt)

describe('how long a device may be left alone', () => {
  it.each([
    ['that broke off once', times(1, brokenAtOnce), 100],
    ['that broke off seven times', times(7, brokenAtOnce), 6_400],
    ['that broke off ever again', times(50, brokenAtOnce), 10_000],
    ['that was silent ever again', times(50, { how: 'silent', wellMs: 0 }), 2_000],
    ['that is absent', times(50, { how: 'absent', wellMs: 0 }), 700],
    ['that answered well in between, and broke off', [...times(50, brokenAtOnce), { how: 'broken', wellMs: 6_000 }], 100],
    ['that sends rubbish every few seconds', times(50, { how: 'broken', wellMs: 4_000 }), 100],
    [
      'that was broken for long, and sends rubbish every other second now',
      [...times(50, brokenAtOnce), ...times(7, { how: 'broken', wellMs: 2_200 })],
      100,
    ],
    ['that answers for less than a second each time', times(50, { how: 'broken', wellMs: 900 }), 10_000],
    ['that answered in between, but not for long', [...times(6, brokenAtOnce), { how: 'broken', wellMs: 600 }], 6_400],
  ] as const)('is known of one %s', (_, attempts, longestMs) => {
    expect(lived(...attempts).leftAloneMs()).toBe(longestMs)
  })

  it('is what the product does, and no longer', () => {
    const attempt = fc.record({
      how: fc.constantFrom<AttemptEnd>('absent', 'broken', 'broken', 'broken', 'silent'),
      // Not where a late look at the clock would make a difference.
      wellMs: fc
        .tuple(fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 19 })), fc.integer({ min: 100, max: 999 }))
        .map(([s, ms]) => s * 1_000 + ms),
    })
    fc.assert(
      fc.property(fc.array(attempt, { minLength: 1, maxLength: 30 }), (attempts) => {
        const pace = new ReconnectPace(() => 1)
        for (const { how, wellMs } of attempts) {
          if (how === 'absent') pace.missed()
          else pace.broke({ answeredMs: wellMs, isSilent: how === 'silent' })
        }
        expect(lived(...attempts).leftAloneMs()).toBe(pace.waitMs())
      }),
    )
  })

  it('is told where it was longer', () => {
    const { rule, clock } = lived(...times(3, brokenAtOnce))
    expect(rule.lateMs).toBe(0)
    clock.nowMs += 400
    rule.begun().ended('broken')
    expect(rule.lateMs).toBe(0)
    clock.nowMs += 900
    rule.begun().ended('broken')
    clock.nowMs += 1
    rule.begun()
    expect(rule.lateMs).toBe(100)
  })

  it('is over when it is called', () => {
    const { rule, clock } = lived(...times(7, brokenAtOnce))
    const sinceMs = clock.nowMs + 1
    clock.nowMs += 2_000
    rule.begun()
    expect(rule.dueMs(sinceMs)).toBe(clock.nowMs)
  })

  it('is no longer for a connection that was made after the faults and ended all the same', () => {
    const { rule, clock } = lived(...times(7, brokenAtOnce))
    const sinceMs = clock.nowMs + 1
    clock.nowMs += 2_000
    rule.begun().ended('broken')
    expect(rule.dueMs(sinceMs)).toBe(clock.nowMs)
  })

  it('is longer for one that was there when the faults ended, and ended by what they left behind', () => {
    const { rule, clock } = lived(...times(6, brokenAtOnce))
    const attempt = rule.begun()
    const sinceMs = clock.nowMs + 1
    expect(rule.dueMs(sinceMs)).toBe(sinceMs)
    clock.nowMs += 20
    attempt.ended('broken')
    expect(rule.dueMs(sinceMs)).toBe(clock.nowMs + 6_400)
  })
})
