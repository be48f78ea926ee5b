import { type Clock, systemClock } from '../base/clock.ts'

/** One press of Ctrl-C arrives twice where npm passes on what the terminal sent to all already; so does `timeout`'s SIGTERM. A person who presses again is slower. */
const samePressMs = 1_000

export interface StopOptions {
  readonly clock?: Clock
  readonly signals?: Pick<NodeJS.Process, 'on'>
  /** Ends the process at once. */
  readonly end?: () => void
}

/** Aborts at the first SIGTERM, SIGINT or SIGHUP; another SIGTERM or SIGINT later on ends the process at once. */
export function stopSignal({ clock = systemClock, signals = process, end = endAtOnce }: StopOptions = {}): AbortSignal {
  const stop = new AbortController()
  let firstMs: number | undefined
  const onSignal = (): void => {
    firstMs ??= clock.elapsed()
    if (clock.elapsed() - firstMs < samePressMs) stop.abort()
    else end()
  }
  signals.on('SIGTERM', onSignal)
  signals.on('SIGINT', onSignal)
  // The terminal was closed: an end like any other, but shell and npm may both pass it on, so it never ends the process at once.
  signals.on('SIGHUP', () => stop.abort())
  return stop.signal
}

function endAtOnce(): void {
  process.kill(process.pid, 'SIGKILL') // process.exit would wait for a thread that hangs
}
