import { dirname, join } from 'node:path'
import type { Chance } from '../base/chance.ts'
import type { Clock } from '../base/clock.ts'
import type { Door } from '../base/door.ts'
import type { Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { firstFailure, type Running } from '../base/running.ts'
import type { RuntimeCalls } from '../base/thread.ts'
import type { CommandRoad, ControlCalls, LocalMessage } from '../control/contract.ts'
import type { AnonymousVisitors } from '../model/anonymous.ts'
import type { DeviceStatus } from '../model/device.ts'
import type { SiteEvent } from '../model/event.ts'
import type { ChangeBatch } from '../model/sample.ts'
import type { TagMeta } from '../model/tag.ts'
import type { StoreCalls } from '../store/contract.ts'
import { type Access, startAccess } from './access/access.ts'
import { startApi } from './api/api.ts'
import type { ApiConfig } from './api/config.ts'
import type { JournalPort } from './api/events.ts'
import type { FlowPort } from './api/flows.ts'
import { type Broker, startBroker } from './broker/broker.ts'
import type { MqttConfig } from './broker/config.ts'
import type { SessionStore } from './broker/session-keeper.ts'
import type { SparkplugHost, SparkplugHostOptions } from './broker/sparkplug/host.ts'
import type { TapOptions } from './broker/taps.ts'
import { startTagTopics } from './broker/topics.ts'
import { commandRoad } from './command-road.ts'
import { DoorEvents } from './door-events.ts'
import { FirstValues } from './first-values.ts'
import { FlowTopics } from './flow-topics.ts'
import { LiveTagsCopy } from './live-tags.ts'
import type { OpcuaServerConfig } from './opcua-server/config.ts'
import type { StartableFlow } from './opcua-server/methods.ts'
import type { OpcuaServer } from './opcua-server/server.ts'
import type { UpstreamConfig } from './upstream/config.ts'
import { startUpstreams, type Upstreams } from './upstreams.ts'

/** What the north room is told at birth. Plain data. */
export interface NorthData {
  readonly site: string
  readonly node: string
  readonly stateFolder: string
  /** Of the API's Unix socket. */
  readonly socketPath: string
  readonly tags: readonly TagMeta[]
  readonly mqtt: MqttConfig
  readonly opcua?: OpcuaServerConfig
  readonly api: ApiConfig
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>
  /** Topic filters that flows begin with, and routes below the site: clients may publish there. */
  readonly openTopics: readonly string[]
  /** Topic filters: what routes and flows begin at. */
  readonly taps: readonly string[]
  /** Flows that the OPC UA server shows as methods. */
  readonly startable?: readonly StartableFlow[]
}

export interface NorthPorts {
  readonly control: Door<ControlCalls>
  readonly store: Door<StoreCalls>
  readonly runtime: Door<RuntimeCalls>
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

export interface North extends Running {
  /** Resolves when the OPC UA server, too, is open: it takes seconds, in which MQTT and HTTP serve already. */
  readonly opened: Promise<void>
  changes(batch: ChangeBatch): void
  devices(statuses: readonly DeviceStatus[]): void
  publish(messages: readonly LocalMessage[]): Promise<void>
  /** The outbox has something new. */
  accepted(): void
  metrics(): readonly Metric[]
}

/** Starts everything that people and systems connect to. Ready when all of it listens; an upstream that is away does not count. */
export async function startNorth(data: NorthData, ports: NorthPorts): Promise<North> {
  await using parts = new AsyncDisposableStack()
  const { clock, log, runtime } = ports
  const tags = new LiveTagsCopy(data.tags)
  const statuses = new Map<string, DeviceStatus>()
  const events = parts.use(new DoorEvents(ports))
  const told = { clock, log, record: (event: SiteEvent): void => events.record(event) }
  const commands = commandRoad({ ...ports, ...told })
  const access = parts.use(startAccess({ stateFolder: dirname(data.stateFolder), gateway: data, ...told }))
  const broker = parts.use(await openBroker(data, { ports, access, ...told }))
  parts.use(new FlowTopics({ ...data, ...ports, broker })) // before those whose prefix holds its own
  const topics = parts.use(await startTagTopics({ ...data, broker, tags, commands, clock, log }))
  const above: { upstreams?: Upstreams } = {}
  const host = parts.use(await openSparkplugHost(data, { broker, ...told }))
  const api = parts.use(
    await startApi({
      ...data,
      config: data.api,
      tags,
      devices: () => [...statuses.values()],
      health: () => runtime.call('health', null),
      metrics: () => runtime.call('metricsOfAll', null),
      upstreams: async () => (await above.upstreams?.rows()) ?? [],
      journal: journalOf(ports),
      commands,
      flows: flowPort(ports),
      access: access.at('api', anonymousAtApi(data)),
      onMqtt: (socket) => broker.receivePrivate(socket),
      clock,
      log,
    }),
  )
  // Last: a gateway that cannot listen must not have told the upstream that it is there, and taken the place of the one that runs.
  const upstreams = parts.use(await startUpstreams({ ...data, ...ports, live: tags, commands, broker }))
  above.upstreams = upstreams
  const first = data.opcua === undefined ? undefined : parts.use(new FirstValues(tags))
  const opening = data.opcua && first && openOpcuaServer(data.opcua, { data, ports, access, tags, commands, fed: first.heard })
  const opcua = parts.use(new OpcuaPart(opening))
  const started = parts.move()
  return {
    failure: firstFailure([access, broker, host, api, upstreams, opcua]),
    opened: opcua.opened,
    changes: (batch) => tags.take(batch),
    devices: (rows) => takeStatuses(rows, statuses, [topics, upstreams, ...(first === undefined ? [] : [first])]),
    publish: broker.publish,
    accepted: () => upstreams.accepted(),
    metrics: () => metricsOf([access, events, commands, broker, topics, host, api, upstreams, opcua]),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

function takeStatuses(
  rows: readonly DeviceStatus[],
  statuses: Map<string, DeviceStatus>,
  listeners: readonly { devices(rows: readonly DeviceStatus[]): void }[],
): void {
  for (const status of rows) statuses.set(status.device, status)
  for (const listener of listeners) listener.devices(rows)
}

/** Without a rule of its own, HTTP follows that of the broker. */
function anonymousAtApi({ api, mqtt }: NorthData): AnonymousVisitors | undefined {
  if (api.anonymous === undefined) return mqtt.anonymous
  return api.anonymous === false ? undefined : api.anonymous
}

interface BrokerContext {
  readonly ports: NorthPorts
  readonly access: Access
  readonly clock: Clock
  readonly log: Log
  readonly record: (event: SiteEvent) => void
}

/** What this gateway says of itself it need not keep: it tells it anew at each start. */
function openBroker({ mqtt, node, taps }: NorthData, { ports, access, ...told }: BrokerContext): Promise<Broker> {
  const { store } = ports
  const sessions: SessionStore = { keep: (changes) => store.call('keepSessions', changes), page: (ask) => store.call('sessionsPage', ask) }
  return startBroker({
    ...told,
    config: mqtt,
    access: access.at('mqtt', mqtt.anonymous),
    store: sessions,
    transient: [`lineside/${node}/`],
    taps: tapsOf(ports, taps),
  })
}

function flowPort({ control }: NorthPorts): FlowPort {
  return {
    flows: (ask) => control.call('flows', ask),
    startFlow: (ask) => control.call('startFlow', ask),
    runs: (ask) => control.call('runs', ask),
    run: (ask) => control.call('run', ask),
    steerRun: (ask) => control.call('steerRun', ask),
    pipeline: (ask) => control.call('pipeline', ask),
  }
}

function journalOf({ control, store }: NorthPorts): JournalPort {
  return {
    page: (ask) => store.call('eventsPage', ask),
    dead: (ask) => store.call('deadLetters', ask),
    orderDead: (order) => control.call('orderDeadLetters', order),
    deadCounts: () => store.call('deadLetterCounts', null),
    routes: () => control.call('routes', null),
  }
}

function tapsOf({ control }: NorthPorts, filters: readonly string[]): TapOptions {
  return { filters, deliver: (batch) => control.call('messages', batch) }
}

function metricsOf(parts: readonly { metrics(): readonly Metric[] }[]): readonly Metric[] {
  return parts.flatMap((part) => part.metrics())
}

/** Loaded only by a site that is a host to Sparkplug edge nodes. */
async function openSparkplugHost(
  { mqtt, node }: NorthData,
  parts: Pick<SparkplugHostOptions, 'broker' | 'clock' | 'log' | 'record'>,
): Promise<SparkplugHost> {
  if (mqtt.sparkplug === undefined) return { failure: new Promise(() => {}), metrics: () => [], [Symbol.asyncDispose]: async () => {} }
  const { startSparkplugHost } = await import('./broker/sparkplug/host.ts')
  return await startSparkplugHost({ ...parts, config: mqtt.sparkplug, node })
}

/** The OPC UA server while it opens, once it is open, or where there is none. */
class OpcuaPart implements Running {
  readonly opened: Promise<void>
  readonly failure: Promise<never>
  readonly #opening: Promise<OpcuaServer> | undefined
  #server: OpcuaServer | undefined

  constructor(opening: Promise<OpcuaServer> | undefined) {
    this.#opening = opening
    this.opened = this.#open()
    this.failure = this.opened.then(() => this.#server?.failure ?? new Promise<never>(() => {}))
    this.failure.catch(() => {}) // seen by whoever watches the room
  }

  metrics(): readonly Metric[] {
    return this.#server?.metrics() ?? []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.opened.catch(() => {})
    await this.#server?.[Symbol.asyncDispose]()
  }

  async #open(): Promise<void> {
    this.#server = await this.#opening
  }
}

interface ServerContext {
  /** Resolves with the first good value of the last device. */
  readonly fed: Promise<void>
  readonly data: NorthData
  readonly ports: NorthPorts
  readonly access: Access
  readonly tags: LiveTagsCopy
  readonly commands: CommandRoad
}

/** Loading the server's library holds this thread up for about a second: so long at the most it lets the first values of all devices pass to MQTT and HTTP. */
const feedMs = 1_500
/** For those values to reach whoever asks for them. */
const handOverMs = 120

/** Loaded only by a site that has one: the server's library costs some hundred megabytes. */
async function openOpcuaServer(
  config: OpcuaServerConfig,
  { data, ports, access, tags, commands, fed }: ServerContext,
): Promise<OpcuaServer> {
  const { clock, log } = ports
  await Promise.race([fed.then(() => clock.sleep(handOverMs)), clock.sleep(feedMs)])
  const { startOpcuaServer } = await import('./opcua-server/server.ts')
  return await startOpcuaServer({
    config,
    site: data.site,
    node: data.node,
    access: access.at('opcua', config.anonymous),
    tags,
    commands,
    flows: { flows: data.startable ?? [], start: (ask) => ports.control.call('startFlow', ask) },
    clock,
    log,
    stateFolder: join(data.stateFolder, 'opcua'),
  })
}
