import type { Clock, MonotonicMs } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { type Running, startLoop } from '../../base/running.ts'
import type { UpstreamConnection } from './connection.ts'

/** What is known of the canary over all connections of one upstream. */
export interface Echo {
  /** A broker that never gave it back (no right to do so) is judged by its acknowledgements alone. */
  hasCome: boolean
  at: MonotonicMs
}

export interface CanaryOptions {
  readonly connection: Pick<UpstreamConnection, 'whisper' | 'subscribe' | 'onMessage'>
  readonly topic: string
  /** How old an echo may be. */
  readonly ageMsMax: number
  readonly echo: Echo
  /** When the far broker last acknowledged a message: one that is slow is not lost. */
  readonly heardAt: () => MonotonicMs
  readonly clock: Clock
}

const perAge = 3

/**
 * Sends a message through the far broker and back, again and again. `failure` rejects with `upstream.half-open` when none has come back for too
 * long and nothing was acknowledged either.
 */
export function startCanary({ connection, topic, ageMsMax, echo, heardAt, clock }: CanaryOptions): Running {
  const startedAt = clock.elapsed()
  let sung = 0
  connection.onMessage((message) => {
    if (message.topic !== topic) return
    echo.hasCome = true
    echo.at = clock.elapsed()
  })
  return startLoop(async (signal) => {
    void connection.subscribe([{ filter: topic, own: 'with-own', retain: 'as-stored' }])
    while (!signal.aborted) {
      sung += 1
      connection.whisper({ topic, payload: String(sung), isRetained: false })
      await clock.sleep(ageMsMax / perAge, signal).catch(() => {})
      const quietMs = clock.elapsed() - Math.max(startedAt, echo.at, heardAt())
      if (echo.hasCome && quietMs > ageMsMax && !signal.aborted) throw halfOpen(quietMs)
    }
  })
}

function halfOpen(quietMs: number): Fault {
  return new Fault('upstream.half-open', `Nothing has come back through the upstream broker for ${Math.round(quietMs)} ms.`, {
    remedy: 'Nothing is lost; it is called again. If this comes back, look at the network between: something lets packets disappear.',
    isRetryable: true,
  })
}
