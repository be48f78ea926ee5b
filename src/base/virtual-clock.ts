import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, type EpochMs, epochMs, monotonicMs } from './clock.ts'

/** Time that passes only when its owner says so: hours of a plant in a moment of ours. */
export interface VirtualClock extends Clock {
  /** Lets what is ready run on until nothing is, without time passing. False where it does not come to rest. */
  settle(): Promise<boolean>
  /** To be called for what happens without the clock: it is not at rest yet. */
  stir(): void
  /** When something falls due next, in ms of the monotonic clock. */
  readonly nextMs: number | undefined
  /** Lets time pass until that moment of the monotonic clock, which must not lie behind what falls due next, and fires what is due then. */
  passTo(ms: number): void
}

interface Timer {
  readonly dueMs: number
  readonly fire: () => void
}

/** Turns of the loop without anything happening after which all has come to rest: what goes on takes one turn to be told, and one to be written. */
const quietTurns = 4
const turnsMax = 20_000

export function startVirtualClock(begin: EpochMs): VirtualClock {
  let elapsedMs = 0
  let stirred = 0
  const timers = new Set<Timer>()
  const after = (ms: number, fire: () => void): Disposable => {
    const timer = { dueMs: elapsedMs + Math.max(0, ms), fire }
    timers.add(timer)
    stirred += 1
    return { [Symbol.dispose]: () => void timers.delete(timer) }
  }
  return {
    now: () => epochMs(begin + elapsedMs),
    elapsed: () => monotonicMs(elapsedMs),
    after,
    sleep: (ms, signal) => sleepOn(after, ms, signal),
    stir: () => {
      stirred += 1
    },
    settle: async () => {
      for (let quiet = 0, turns = 0; quiet < quietTurns; turns += 1) {
        if (turns > turnsMax) return false
        const before = stirred
        await nextTurn()
        quiet = stirred === before ? quiet + 1 : 0
      }
      return true
    },
    get nextMs() {
      return earliest(timers)?.dueMs
    },
    passTo: (ms) => {
      elapsedMs = Math.max(elapsedMs, ms)
      for (let due = earliest(timers); due !== undefined && due.dueMs <= elapsedMs; due = earliest(timers)) {
        timers.delete(due)
        stirred += 1
        due.fire()
      }
    },
  }
}

function sleepOn(after: Clock['after'], ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const timer = after(ms, () => {
      signal?.removeEventListener('abort', stop)
      resolve()
    })
    const stop = (): void => {
      timer[Symbol.dispose]()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', stop, { once: true })
  })
}

/** Of those that fall due at one moment, the one that was asked for first. */
function earliest(timers: ReadonlySet<Timer>): Timer | undefined {
  let first: Timer | undefined
  for (const timer of timers) if (first === undefined || timer.dueMs < first.dueMs) first = timer
  return first
}
