import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, type EpochMs, epochMs, monotonicMs } from '../../src/base/clock.ts'

/** Time that passes only when a test says so. */
export interface ManualClock extends Clock {
  /** Lets `ms` pass, firing what falls due in order and letting everything it wakes run on. */
  advance(ms: number): Promise<void>
  /** Lets what is ready run on, without time passing. */
  settle(): Promise<void>
  /** `ms` pass in which nothing of ours runs: a machine that is too busy for us. All that fell due meanwhile is late. */
  stall(ms: number): Promise<void>
  /** The wall clock jumps; intervals do not notice. */
  setWall(moment: EpochMs): void
}

interface Timer {
  readonly dueMs: number
  readonly fire: () => void
}

const turnsToSettle = 8

export function startManualClock(): ManualClock {
  let elapsedMs = 0
  let wallOffsetMs = Date.UTC(2026, 10, 21)
  const timers = new Set<Timer>()
  const after = (ms: number, fire: () => void): Disposable => {
    const timer = { dueMs: elapsedMs + ms, fire }
    timers.add(timer)
    return { [Symbol.dispose]: () => timers.delete(timer) }
  }
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < turnsToSettle; turn += 1) await nextTurn()
  }
  return {
    now: () => epochMs(wallOffsetMs + elapsedMs),
    elapsed: () => monotonicMs(elapsedMs),
    after,
    settle,
    setWall: (moment) => {
      wallOffsetMs = moment - elapsedMs
    },
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const timer = after(ms, resolve)
        signal?.addEventListener('abort', () => {
          timer[Symbol.dispose]()
          reject(signal.reason)
        })
      }),
    stall: async (ms) => {
      await settle()
      elapsedMs += ms
      for (const timer of [...timers].filter(({ dueMs }) => dueMs <= elapsedMs).sort((a, b) => a.dueMs - b.dueMs)) {
        if (timers.delete(timer)) timer.fire()
      }
      await settle()
    },
    advance: async (ms) => {
      const target = elapsedMs + ms
      await settle()
      for (let next = earliest(timers, target); next !== undefined; next = earliest(timers, target)) {
        timers.delete(next)
        elapsedMs = Math.max(elapsedMs, next.dueMs)
        next.fire()
        await settle()
      }
      elapsedMs = target
      await settle()
    },
  }
}

function earliest(timers: ReadonlySet<Timer>, untilMs: number): Timer | undefined {
  let first: Timer | undefined
  for (const timer of timers) if (timer.dueMs <= untilMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer
  return first
}
