import type { Chance } from '../base/chance.ts'
import type { Clock } from '../base/clock.ts'
import type { Door } from '../base/door.ts'
import type { Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { firstFailure, type Running, startLoop } from '../base/running.ts'
import type { CommandResult } from '../model/command.ts'
import type { DeviceStatus } from '../model/device.ts'
import type { SiteEvent } from '../model/event.ts'
import type { Sample } from '../model/sample.ts'
import type { TagIndex, TagMeta } from '../model/tag.ts'
import type { DeviceConfig } from '../south/config.ts'
import { type Device, type DeviceListener, startDevice } from '../south/device.ts'
import type { StoreCalls } from '../store/contract.ts'
import { CommandRoad, type DevicePlace } from './command-road.ts'
import type { ControlCalls, NorthCalls } from './contract.ts'
import { loadDriver } from './drivers.ts'
import { Feed } from './feed.ts'
import type { FlowConfig } from './flows/config.ts'
import { startFlows } from './flows/flows.ts'
import { compileInterlocks } from './interlocks.ts'
import { JournalSink } from './journal-sink.ts'
import { startOutboxSink } from './outbox-sink.ts'
import { TagTable } from './tag-table.ts'

/** What the control room is told at birth. Plain data. */
export interface ControlData {
  readonly site: string
  readonly node: string
  readonly stateFolder: string
  readonly devices: readonly DeviceConfig[]
  /** All tags, a device's own side by side in the order of its device file. */
  readonly tags: readonly TagMeta[]
  readonly flows: readonly FlowConfig[]
  readonly upstreams: Readonly<Record<string, { readonly send: readonly string[] }>>
}

export interface ControlPorts {
  readonly north: Door<NorthCalls>
  readonly store: Door<StoreCalls>
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

export interface Control extends Running {
  readonly calls: { write: (command: Parameters<ControlCalls['write']>[0]) => Promise<CommandResult> }
  metrics(): readonly Metric[]
}

/** Batches of changes that north may be behind before newer values overtake older ones. */
const changesInflightMax = 2
const refreshPauseMs = 250

/** Starts everything that talks to the plant. Consumers before producers, so that no first sample is missed. */
export async function startControl(data: ControlData, ports: ControlPorts): Promise<Control> {
  await using parts = new AsyncDisposableStack()
  const { clock, log, north, store } = ports
  const table = new TagTable(data.tags, clock)
  const journal = new JournalSink({ append: (events) => store.call('append', events), clock, log })
  parts.defer(() => journal.flush())
  const outbox = parts.use(
    startOutboxSink({
      site: data.site,
      tags: data.tags,
      upstreams: data.upstreams,
      accept: (rows) => store.call('accept', rows),
      clock,
      log,
    }),
  )
  const changes = new Feed<TagIndex, Sample>({
    inflightMax: changesInflightMax,
    deliver: (batch) =>
      north.call(
        'changes',
        [...batch].map(([tag, sample]) => ({ tag, sample })),
      ),
  })
  const statuses = new Feed<string, DeviceStatus>({ inflightMax: 1, deliver: (batch) => north.call('devices', [...batch.values()]) })
  const places = new Map<string, DevicePlace>()
  const road = new CommandRoad({
    table,
    devices: places,
    journal: (event) => journal.record(event),
    interlock: compileInterlocks(table),
    clock,
    log,
  })
  const record = (event: SiteEvent): void => void journal.record(event)
  const flows = parts.use(await startFlows({ data, table, road, store, north, outbox, record, clock, log }))
  table.onChanges((batch) => {
    for (const { tag, sample } of batch) changes.push(tag, sample)
    changes.send()
    outbox.take(batch)
    flows.take(batch)
  })
  north.onAttach(() => {
    for (const { tag, sample } of table.snapshot()) changes.push(tag, sample)
    for (const { device } of places.values()) statuses.push(device.status().device, device.status())
    changes.send()
    statuses.send()
  })
  const refreshing = parts.use(startLoop((signal) => refreshForever(table, clock, signal)))
  const devices: Device[] = []
  let first = 0
  for (const config of data.devices) {
    const device = parts.use(await openDevice({ config, first, data, ports, table, statuses, record }))
    devices.push(device)
    places.set(config.device, { device, first })
    first += config.tags.length
  }
  const started = parts.move()
  return {
    calls: { write: (command) => road.write(command) },
    failure: firstFailure([flows, outbox, refreshing, ...devices]),
    metrics: () => [
      ...devices.flatMap((device) => device.metrics()),
      ...road.metrics(),
      ...journal.metrics(),
      ...outbox.metrics(),
      ...flows.metrics(),
      {
        name: 'lineside_north_overtaken_total',
        help: 'Values that north did not see because newer ones came.',
        type: 'counter',
        value: changes.overtaken,
      },
    ],
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

async function refreshForever(table: TagTable, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(refreshPauseMs, signal)
    table.refresh()
  }
}

interface OpenDeviceOptions {
  readonly config: DeviceConfig
  readonly first: number
  readonly data: ControlData
  readonly ports: ControlPorts
  readonly table: TagTable
  readonly statuses: Feed<string, DeviceStatus>
  readonly record: (event: SiteEvent) => void
}

async function openDevice({ config, first, data, ports, table, statuses, record }: OpenDeviceOptions): Promise<Device> {
  const driver = await loadDriver(config.driver)
  let state: DeviceStatus['state'] = 'connecting'
  const listener: DeviceListener = {
    readings: (readings, receivedMs) => table.take(first, readings, receivedMs),
    heard: (tags, receivedMs) => table.heard(first, tags, receivedMs),
    stale: (tags) => table.stale(first, tags),
    status: (status) => {
      statuses.push(status.device, status)
      statuses.send()
      if (status.state === state) return
      state = status.state
      record(deviceEvent(status))
    },
  }
  const { clock, chance, log } = ports
  return startDevice({ config, driver, listener, stateFolder: `${data.stateFolder}/devices/${config.device}`, clock, chance, log })
}

function deviceEvent(status: DeviceStatus): SiteEvent {
  const type = status.state === 'online' ? 'device.online' : 'device.lost'
  return { type, subject: status.device, timeMs: status.sinceMs, data: status.lastFault === undefined ? {} : { fault: status.lastFault } }
}
