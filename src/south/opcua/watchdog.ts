import { AttributeIds } from 'node-opcua-client'
import type { Clock } from '../../base/clock.ts'
import { connectionLost } from './faults.ts'
import type { OwnTime } from './own-time.ts'
import type { Requests } from './requests.ts'

export interface WatchdogOptions {
  readonly requests: Requests
  readonly clock: Clock
  /** Silence is measured by it: while our own loop stands still, everybody is silent. */
  readonly ownTime: OwnTime
  readonly url: string
  readonly keepaliveMs: number
  /** ms within which the server should have been heard by its own word; undefined where it speaks only when asked. */
  readonly heartbeatMs?: number
  /** When it was heard last, by `ownTime`. */
  readonly heardMs: () => number
}

/**
 * A hung server closes no socket and raises no event: only its silence tells. A lost subscription in a living session shows here too.
 * Rejects with the Fault when the server is to be taken for lost; keeps the session alive meanwhile.
 */
export async function watchForSilence(options: WatchdogOptions, until: AbortSignal): Promise<void> {
  const { clock, ownTime, url, keepaliveMs, heartbeatMs, heardMs } = options
  const silentMsMax = heartbeatMs === undefined ? Number.POSITIVE_INFINITY : heartbeatMs * 3 + keepaliveMs * 2
  let probedMs = ownTime.elapsed()
  while (!until.aborted) {
    await clock.sleep(keepaliveMs / 4, until)
    await socketsRead()
    const silentMs = ownTime.elapsed() - heardMs()
    if (silentMs > silentMsMax) throw connectionLost(url, `it has reported nothing for ${Math.round(silentMs)} ms`)
    if (silentMs < keepaliveMs || ownTime.elapsed() - probedMs < keepaliveMs) continue
    probedMs = ownTime.elapsed()
    await probe(options, until)
  }
}

const serverState = 'i=2259'

async function probe({ requests, ownTime, url, keepaliveMs }: WatchdogOptions, until: AbortSignal): Promise<void> {
  const limit = new AbortController()
  const giveUp = (): void => limit.abort(connectionLost(url, `it was silent, and did not answer within ${keepaliveMs} ms`))
  using _timer = ownTime.after(keepaliveMs, () => setImmediate(giveUp))
  await requests.ask(
    'whether it lives',
    (session) => session.read({ nodeId: serverState, attributeId: AttributeIds.Value }),
    AbortSignal.any([until, limit.signal]),
  )
}

/** After our own loop was held up, what the server sent meanwhile is still unread when the timers run: its silence would be ours. */
async function socketsRead(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}
