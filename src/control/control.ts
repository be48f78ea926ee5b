import type { Chance } from '../base/chance.ts'
import type { Clock } from '../base/clock.ts'
import type { Door } from '../base/door.ts'
import type { Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { firstFailure, type Running, startLoop } from '../base/running.ts'
import type { DeviceStatus } from '../model/device.ts'
import type { AnyEvent, SiteEvent } from '../model/event.ts'
import { packChanges } from '../model/packed-changes.ts'
import type { Change, ChangeBatch } from '../model/sample.ts'
import type { TagIndex, TagMeta } from '../model/tag.ts'
import type { DeviceConfig } from '../south/config.ts'
import type { StoreCalls } from '../store/contract.ts'
import { BreakerPool } from './breaker-pool.ts'
import { recoverCommands } from './command-recovery.ts'
import { CommandRoad } from './command-road.ts'
import type { BatchRoad, CommandRoad as CommandPort, NorthCalls } from './contract.ts'
import { loadsSlowly, sharingAcross } from './drivers.ts'
import type { DevicePlace } from './errand.ts'
import { Events } from './events.ts'
import { Feed } from './feed.ts'
import type { FlowDefinition } from './flows/definition.ts'
import type { Flows } from './flows/flows.ts'
import { startFlowsPatiently } from './flows/patient.ts'
import type { PipelineStep } from './flows/pipeline-step.ts'
import type { FlowPort } from './flows/port.ts'
import type { KeepRuns } from './flows/run-journal.ts'
import { compileInterlocks } from './interlocks.ts'
import { JournalSink } from './journal-sink.ts'
import { openDevice } from './open-device.ts'
import { type OutboxSink, startOutboxSink, type Wanted } from './outbox-sink.ts'
import type { RouteConfig } from './routes/config.ts'
import { openRoutes, type RouteCalls } from './routes/open.ts'
import type { ServiceConfig } from './routes/service-config.ts'
import { SharedPlaces } from './shared-places.ts'
import { TagTable } from './tag-table.ts'

/** What the control room is told at birth. Plain data. */
export interface ControlData {
  readonly site: string
  readonly node: string
  readonly stateFolder: string
  /** For commands that people are told to type. */
  readonly siteFolder?: string
  readonly devices: readonly DeviceConfig[]
  /** All tags, a device's own side by side in the order of its device file. */
  readonly tags: readonly TagMeta[]
  readonly flows: readonly FlowDefinition[]
  /** The main sequence of the site. */
  readonly pipeline?: readonly PipelineStep[]
  readonly upstreams: Readonly<Record<string, Wanted>>
  readonly routes: readonly RouteConfig[]
  readonly services: Readonly<Record<string, ServiceConfig>>
  /** Filters of tags whose history is kept, beside those that flows ask for. */
  readonly history?: { readonly tags: readonly string[] }
}

export interface ControlPorts {
  readonly north: Door<NorthCalls>
  readonly store: Door<StoreCalls>
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

export interface Control extends Running {
  readonly calls: Pick<CommandPort & BatchRoad, 'write' | 'writeAll'> & RouteCalls & FlowPort & { record(event: SiteEvent): Promise<void> }
  metrics(): readonly Metric[]
}

/** Batches of changes that north may be behind before newer values overtake older ones. */
const changesInflight = { inflightMax: 8, answerEvery: 4 } as const
const refreshPauseMs = 250
/** Enough for a PLC in the same hall to be connected to and polled once. */
const firstPollMs = 100

/** Starts everything that talks to the plant. Consumers before producers, so that no first sample is missed. */
export async function startControl(data: ControlData, ports: ControlPorts): Promise<Control> {
  await using parts = new AsyncDisposableStack()
  const { clock, log, north, store } = ports
  const table = new TagTable(data.tags, clock)
  const sinks = openSinks(data, ports, parts)
  const places = new Map<string, DevicePlace>()
  const journal = (event: SiteEvent): Promise<void> => sinks.events.record(event)
  const record = (event: SiteEvent): void => void journal(event)
  const note = (event: SiteEvent): void => void sinks.events.note(event)
  const shared = new SharedPlaces(table, sharingAcross(data.devices))
  const road = new CommandRoad({ table, devices: places, journal, note, interlocks: compileInterlocks(table, shared), clock, log })
  const events = (ask: { readonly type: string; readonly rowsMax: number }) => store.call('events', ask)
  const settling = parts.use(await recoverCommands({ road, table, devices: places, events, clock, log }))
  const breakers = new BreakerPool({ record, clock })
  const around = { data, ...ports, table, road, ...sinks, breakers, record, note }
  const flows = parts.use(await startFlowsPatiently({ ...around, devices: places }))
  const routes = parts.use(await openRoutes({ ...around, startFlow: flows.startRouted }))
  const feeds = openFeeds({ table, places, north })
  table.onChanges((batch) => {
    feeds.take(batch)
    sinks.outbox.take(batch)
    flows.take(batch)
    routes.take(batch)
  })
  const refreshing = parts.use(startLoop((signal) => refreshForever({ table, feeds, clock }, signal)))
  const [quick, slow] = inOrderOfLoading(data.devices)
  for (const { config, first } of [...quick, ...slow]) {
    // Loading an OPC UA client holds this thread up for half a second: those that need none have their first values before it.
    if (config === slow[0]?.config && quick.length > 0) await clock.sleep(firstPollMs)
    const device = parts.use(await openDevice({ config, first, data, ports, table, shared, onStatus: feeds.status, record }))
    places.set(config.device, { device, first })
  }
  const devices = [...places.values()].map(({ device }) => device)
  parts.defer(() => road.close()) // before the devices go, so that what is under way can end
  const started = parts.move()
  return {
    calls: callsOf({ road, journal, flows, routes }),
    failure: firstFailure([flows, routes, sinks.outbox, refreshing, settling, ...devices]),
    metrics: () => [...devices, table, road, sinks, flows, routes, feeds].flatMap((part) => part.metrics()),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

interface Answering {
  readonly road: CommandRoad
  readonly journal: (event: SiteEvent) => Promise<void>
  readonly flows: Flows
  readonly routes: { readonly calls: RouteCalls }
}

function callsOf({ road, journal, flows, routes }: Answering): Control['calls'] {
  return {
    write: (command) => road.write(command),
    writeAll: (batch) => road.writeAll(batch),
    record: journal,
    ...flows.calls,
    ...routes.calls,
    messages: async (batch) => {
      await Promise.all([routes.calls.messages(batch), flows.messages(batch)])
      return null
    },
  }
}

interface PlacedDevice {
  readonly config: DeviceConfig
  /** TagIndex of its first tag. */
  readonly first: number
}

/** First those whose driver is here at once, then those whose driver must be loaded. */
function inOrderOfLoading(configs: readonly DeviceConfig[]): readonly [quick: readonly PlacedDevice[], slow: readonly PlacedDevice[]] {
  let next = 0
  const placed = configs.map((config): PlacedDevice => {
    const first = next
    next += config.tags.length
    return { config, first }
  })
  return [placed.filter(({ config }) => !loadsSlowly(config.driver)), placed.filter(({ config }) => loadsSlowly(config.driver))]
}

interface Sinks {
  readonly events: Events
  readonly outbox: OutboxSink
  readonly keepRuns: KeepRuns
  /** Called whenever the journal has grown. */
  readonly journalled: (() => void)[]
  metrics(): readonly Metric[]
}

/** The ways out of control: into the journal, the outbox, and to whoever listens for events. */
function openSinks(data: ControlData, { store, north, clock, log }: ControlPorts, parts: AsyncDisposableStack): Sinks {
  const { node, site, tags, upstreams } = data
  const journalled: (() => void)[] = []
  const grown = (): void => {
    for (const tell of journalled) tell()
  }
  const append = async (events: readonly AnyEvent[]): Promise<void> => {
    await store.call('append', events)
    grown()
  }
  const journal = new JournalSink({ append, clock, log })
  parts.defer(() => journal.flush())
  const outbox = parts.use(startOutboxSink({ site, tags, upstreams, accept: (rows) => store.call('accept', rows), clock, log }))
  const events = new Events({
    site,
    node,
    journal: (event) => journal.record(event),
    gather: (event) => journal.gather(event),
    outbox: (topic, payload) => outbox.acceptMessage(topic, payload),
    broker: (texts) => north.call('publishTexts', texts),
    clock,
    log,
  })
  const keepRuns: KeepRuns = (records, told) =>
    events.tellKept(told, (own) =>
      journal.along(async (noted) => {
        const all = [...noted, ...own]
        await store.call('recordRuns', { records, events: all })
        if (all.length > 0) grown()
      }),
    )
  const metrics = (): readonly Metric[] => [journal, outbox, events].flatMap((part) => part.metrics())
  return { events, outbox, journalled, keepRuns, metrics }
}

interface Feeds {
  take(batch: ChangeBatch): void
  status(status: DeviceStatus): void
  /** Sends what north did not take, if it is there. */
  retry(): void
  metrics(): readonly Metric[]
}

/** What north is told, conflated while it is slow; everything anew whenever it is back. */
function openFeeds({
  table,
  places,
  north,
}: {
  readonly table: TagTable
  readonly places: ReadonlyMap<string, DevicePlace>
  readonly north: Door<NorthCalls>
}): Feeds {
  const changes = new Feed<TagIndex, Change>({
    ...changesInflight,
    keyOf: ({ tag }) => tag,
    tell: (batch) => north.tell('changes', packChanges(batch)),
    deliver: (batch) => north.call('changes', packChanges(batch)),
  })
  const statuses = new Feed<string, DeviceStatus>({
    inflightMax: 1,
    answerEvery: 1,
    keyOf: ({ device }) => device,
    tell: (batch) => north.tell('devices', batch),
    deliver: (batch) => north.call('devices', batch),
  })
  const take = (batch: ChangeBatch): void => changes.take(batch)
  const status = (told: DeviceStatus): void => statuses.take([told])
  north.onAttach(() => {
    take(table.snapshot())
    for (const { device } of places.values()) status(device.status())
  })
  const retry = (): void => {
    if (!north.isOpen) return
    changes.send()
    statuses.send()
  }
  return { take, status, retry, metrics: () => feedMetrics(changes, statuses) }
}

function feedMetrics(changes: Feed<TagIndex, Change>, statuses: Feed<string, DeviceStatus>): readonly Metric[] {
  const taken = 'Values that north has taken in.'
  const overtaken = 'Values that north did not see because newer ones came.'
  const rejected = 'Deliveries that north did not take, because it was away or had no room; what was in them is sent again.'
  return [
    { name: 'lineside_north_values_total', help: taken, type: 'counter', value: changes.delivered },
    { name: 'lineside_north_overtaken_total', help: overtaken, type: 'counter', value: changes.overtaken },
    { name: 'lineside_north_rejected_total', help: rejected, type: 'counter', value: changes.rejected, labels: { feed: 'values' } },
    { name: 'lineside_north_rejected_total', help: rejected, type: 'counter', value: statuses.rejected, labels: { feed: 'devices' } },
  ]
}

interface Refreshing {
  readonly table: TagTable
  readonly feeds: Feeds
  readonly clock: Clock
}

async function refreshForever({ table, feeds, clock }: Refreshing, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(refreshPauseMs, signal)
    table.refresh()
    feeds.retry() // in a plant that stands still no change comes that would take them along
  }
}
