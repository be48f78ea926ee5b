import type { Clock } from '../base/clock.ts'
import { errorFields, type Log } from '../base/log.ts'
import { type Running, startLoop } from '../base/running.ts'
import type { Notify } from './notify.ts'

export interface WatchdogOptions {
  readonly notify: Notify
  /** Within this systemd must hear of us, or it restarts the daemon. */
  readonly periodMs: number
  /** Rejects unless every room answers within `ms`. */
  readonly ping: (ms: number) => Promise<void>
  readonly clock: Clock
  readonly log: Log
}

/** Feeds systemd's watchdog three times a period, but only while all three rooms answer: a daemon that hangs in one room is restarted. */
export function startWatchdog({ notify, periodMs, ping, clock, log }: WatchdogOptions): Running {
  const pauseMs = periodMs / 3
  return startLoop(async (signal) => {
    let isHungry = false
    while (!signal.aborted) {
      try {
        await ping(pauseMs)
        notify.watchdog()
        isHungry = false
      } catch (error) {
        if (!isHungry) log.error('A room does not answer; the watchdog is not fed.', errorFields(error))
        isHungry = true
      }
      await clock.sleep(pauseMs, signal)
    }
  })
}
