import type { Chance } from '../base/chance.ts'
import type { Clock } from '../base/clock.ts'
import type { Door } from '../base/door.ts'
import type { Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { firstFailure, type Running } from '../base/running.ts'
import type { StoreCalls } from '../store/contract.ts'
import type { UpstreamConfig } from './upstream/config.ts'

export interface UpstreamsOptions {
  readonly site: string
  readonly node: string
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>
  readonly store: Door<StoreCalls>
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

export interface Upstreams extends Running {
  /** The store says that there is something new to send. */
  accepted(): void
  metrics(): readonly Metric[]
}

/** Starts every upstream of the site. Their library is loaded only where there is one. */
export async function startUpstreams({ site, node, upstreams, store, clock, chance, log }: UpstreamsOptions): Promise<Upstreams> {
  await using parts = new AsyncDisposableStack()
  const listeners = new Set<() => void>()
  const running: Awaited<ReturnType<typeof openUpstream>>[] = []
  for (const [name, config] of Object.entries(upstreams)) {
    running.push(parts.use(await openUpstream(name, config)))
  }
  const accepted = (): void => {
    for (const listener of listeners) listener()
  }
  store.onAttach(accepted)
  const started = parts.move()
  return {
    failure: firstFailure(running),
    accepted,
    metrics: () => running.flatMap((upstream) => upstream.metrics()),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
  async function openUpstream(name: string, config: UpstreamConfig) {
    const { startUpstream } = await import('./upstream/upstream.ts')
    return await startUpstream({
      name,
      config,
      site,
      node,
      outbox: {
        next: (afterId, rowsMax) => store.call('nextUnsent', { upstream: name, afterId, rowsMax }),
        remove: async (ids) => void (await store.call('removeSent', { upstream: name, ids })),
        onAccepted: (listener) => {
          listeners.add(listener)
          return { [Symbol.dispose]: () => listeners.delete(listener) }
        },
      },
      clock,
      chance,
      log,
    })
  }
}
