import type { Chance } from '../base/chance.ts'
import type { Clock } from '../base/clock.ts'
import type { Door } from '../base/door.ts'
import type { Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { firstFailure, type Running } from '../base/running.ts'
import type { CommandRoad, LiveTags } from '../control/contract.ts'
import type { DeviceStatus } from '../model/device.ts'
import type { StoreCalls } from '../store/contract.ts'
import type { UpstreamConfig } from './upstream/config.ts'

export interface UpstreamsOptions {
  readonly site: string
  readonly node: string
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>
  readonly stateFolder: string
  readonly store: Door<StoreCalls>
  readonly live: LiveTags
  readonly commands: CommandRoad
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

export interface Upstreams extends Running {
  /** The store says that there is something new to send. */
  accepted(): void
  /** What control says of the devices. */
  devices(statuses: readonly DeviceStatus[]): void
  metrics(): readonly Metric[]
}

/** Starts every upstream of the site. Their library is loaded only where there is one. */
export async function startUpstreams(options: UpstreamsOptions): Promise<Upstreams> {
  const { site, node, upstreams, store, clock, chance, log } = options
  await using parts = new AsyncDisposableStack()
  const listeners = new Set<() => void>()
  const running: OpenUpstream[] = []
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
    devices: (statuses) => {
      for (const upstream of running) upstream.devices?.(statuses)
    },
    metrics: () => running.flatMap((upstream) => upstream.metrics()),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
  async function openUpstream(name: string, config: UpstreamConfig): Promise<OpenUpstream> {
    const outbox = {
      next: (afterId: number, rowsMax: number) => store.call('nextUnsent', { upstream: name, afterId, rowsMax }),
      remove: async (ids: readonly number[]) => void (await store.call('removeSent', { upstream: name, ids })),
      onAccepted: (listener: () => void) => {
        listeners.add(listener)
        return { [Symbol.dispose]: () => listeners.delete(listener) }
      },
    }
    const common = { name, site, node, outbox, clock, chance, log }
    const { sparkplug } = config
    if (sparkplug === undefined) {
      const { startUpstream } = await import('./upstream/upstream.ts')
      return startUpstream({ ...common, config })
    }
    const { startEdgeNode } = await import('./upstream/sparkplug/edge-node.ts')
    const { live, commands, stateFolder } = options
    return startEdgeNode({ ...common, config: { ...config, sparkplug }, live, commands, stateFolder })
  }
}

interface OpenUpstream extends Running {
  metrics(): readonly Metric[]
  devices?(statuses: readonly DeviceStatus[]): void
}
