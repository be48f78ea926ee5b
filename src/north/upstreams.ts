import type { Chance } from '../base/chance.ts'
import { type Clock, type EpochMs, isoTime } from '../base/clock.ts'
import type { Door } from '../base/door.ts'
import type { Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { firstFailure, type Running } from '../base/running.ts'
import type { CommandRoad, LiveTags } from '../control/contract.ts'
import type { DeviceStatus } from '../model/device.ts'
import { asTagId } from '../model/tag.ts'
import type { OutboxStatus, StoreCalls } from '../store/contract.ts'
import type { UpstreamConfig } from './upstream/config.ts'
import { type Hosts, type Listening, ownDoors } from './upstream/own-broker.ts'
import type { ReceivingPorts } from './upstream/receiving.ts'
import type { Outbox } from './upstream/sending.ts'

export interface UpstreamsOptions {
  readonly site: string
  readonly node: string
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>
  readonly stateFolder: string
  readonly store: Door<StoreCalls>
  readonly live: LiveTags
  readonly commands: CommandRoad
  /** The embedded one. */
  readonly broker: Listening & { readonly publish: ReceivingPorts['publish'] }
  readonly mqtt: Hosts
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

export interface Upstreams extends Running {
  /** The store says that there is something new to send. */
  accepted(): void
  /** What control says of the devices. */
  devices(statuses: readonly DeviceStatus[]): void
  /** Each upstream with its connection and the books of its streams, as the API shows them. */
  rows(): Promise<readonly Readonly<Record<string, unknown>>[]>
  metrics(): readonly Metric[]
}

/** Starts every upstream of the site. Their library is loaded only where there is one. */
export async function startUpstreams(options: UpstreamsOptions): Promise<Upstreams> {
  const { upstreams, store } = options
  await using parts = new AsyncDisposableStack()
  const listeners = new Set<() => void>()
  const running: OpenUpstream[] = []
  const accepted = (): void => {
    for (const listener of listeners) listener()
  }
  const context = { options, listeners, accepted }
  for (const [name, config] of Object.entries(upstreams)) running.push(parts.use(await openUpstream(name, config, context)))
  store.onAttach(accepted)
  const started = parts.move()
  return {
    failure: firstFailure(running),
    accepted,
    devices: (statuses) => {
      for (const upstream of running) upstream.devices?.(statuses)
    },
    rows: async () => {
      if (running.length === 0) return []
      const books = new Map((await store.call('outboxStatus', null)).map((book) => [book.upstream, book]))
      return running.map((upstream) => upstreamRow(upstream, { config: upstreams[upstream.status().upstream], books }))
    },
    metrics: () => running.flatMap((upstream) => upstream.metrics()),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

interface OpenUpstream extends Running {
  status(): { readonly upstream: string; readonly sinceMs: EpochMs }
  metrics(): readonly Metric[]
  devices?(statuses: readonly DeviceStatus[]): void
}

interface OpenContext {
  readonly options: UpstreamsOptions
  readonly listeners: Set<() => void>
  readonly accepted: () => void
}

async function openUpstream(name: string, config: UpstreamConfig, { options, listeners, accepted }: OpenContext): Promise<OpenUpstream> {
  const { site, node, store, live, commands, stateFolder, broker, mqtt, clock, chance, log } = options
  const common = { name, site, node, outbox: outboxOf(name, { store, listeners }), ownDoors: ownDoors(mqtt, broker), clock, chance, log }
  const { sparkplug } = config
  if (sparkplug === undefined) {
    const { startUpstream } = await import('./upstream/upstream.ts')
    return startUpstream({ ...common, config, receiving: receivingPorts(name, { ...options, accepted }) })
  }
  const { startEdgeNode } = await import('./upstream/sparkplug/edge-node.ts')
  return startEdgeNode({ ...common, config: { ...config, sparkplug }, live, commands, stateFolder })
}

function outboxOf(
  upstream: string,
  { store, listeners }: { readonly store: Door<StoreCalls>; readonly listeners: Set<() => void> },
): Outbox {
  const part = (only: 'state' | 'others' | undefined) => (only === undefined ? {} : { only })
  return {
    next: (afterId, rowsMax, only) => store.call('nextUnsent', { upstream, afterId, rowsMax, ...part(only) }),
    survey: (afterId, rowsMax, only) => store.call('surveyUnsent', { upstream, afterId, rowsMax, ...part(only) }),
    remove: async (ids, outcome = 'sent') => void (await store.call('removeSent', { upstream, ids, outcome })),
    onAccepted: (listener) => {
      listeners.add(listener)
      return { [Symbol.dispose]: () => listeners.delete(listener) }
    },
  }
}

function receivingPorts(
  upstream: string,
  { live, commands, broker, store, clock, accepted }: UpstreamsOptions & Pick<OpenContext, 'accepted'>,
): ReceivingPorts {
  return {
    publish: broker.publish,
    write: (command) => commands.write(command),
    noteRefused: (refused) => commands.noteRefused(refused),
    findTag: (id) => {
      const place = live.find(asTagId(id))
      return place === undefined ? undefined : live.metas[place]
    },
    parseWish: async (payload, meta) => {
      const { parseWish } = await import('./broker/set.ts') // brings zod along
      return parseWish(payload, meta)
    },
    wishIdOf: async (payload) => (await import('./broker/set.ts')).wishIdOf(payload),
    answer: async (topic, payload) => {
      await store.call('accept', [{ upstream, kind: 'message', subject: topic, body: payload, timeMs: clock.now() }])
      accepted() // the store tells this thread of what others bring, and whoever commands waits for his answer
    },
  }
}

function upstreamRow(
  upstream: OpenUpstream,
  { config, books }: { readonly config: UpstreamConfig | undefined; readonly books: ReadonlyMap<string, OutboxStatus> },
): Readonly<Record<string, unknown>> {
  const { sinceMs, ...status } = upstream.status()
  const book = books.get(status.upstream)
  return {
    ...status,
    since: isoTime(sinceMs),
    ...(config === undefined ? {} : { url: config.url, format: config.format }),
    ...(book === undefined
      ? {}
      : {
          waiting: { rows: book.waitingRows, bytes: book.waitingBytes },
          ...(book.oldestMs === undefined ? {} : { oldest: isoTime(book.oldestMs) }),
          ledger: book.ledger,
          streams: book.streams,
        }),
  }
}
