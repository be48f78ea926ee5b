import type { Chance } from '../base/chance.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { DeviceStatus } from '../model/device.ts'
import type { SiteEvent } from '../model/event.ts'
import { asTagIndex } from '../model/tag.ts'
import type { DeviceConfig } from '../south/config.ts'
import { type Device, startDevice } from '../south/device.ts'
import type { DeviceListener } from '../south/device-listener.ts'
import { loadDriver } from './drivers.ts'
import type { SharedPlaces } from './shared-places.ts'
import type { TagTable } from './tag-table.ts'

interface OpenDeviceOptions {
  readonly config: DeviceConfig
  readonly first: number
  readonly data: { readonly stateFolder: string; readonly siteFolder?: string }
  readonly ports: { readonly clock: Clock; readonly chance: Chance; readonly log: Log }
  readonly table: TagTable
  readonly shared: SharedPlaces
  readonly onStatus: (status: DeviceStatus) => void
  readonly record: (event: SiteEvent) => void
}

export async function openDevice({ config, first, data, ports, table, shared, onStatus, record }: OpenDeviceOptions): Promise<Device> {
  const driver = await loadDriver(config.driver)
  let state: DeviceStatus['state'] = 'connecting'
  const listener: DeviceListener = {
    readings: (readings, receivedMs) => table.take(first, readings, receivedMs),
    heard: (tags, receivedMs) => table.heard(first, tags, receivedMs),
    stale: (tags) => table.stale(first, tags),
    events: (events) => {
      for (const event of events) record({ ...event, subject: config.device })
    },
    learnt: ({ sinceMs, ...note }) => record({ type: 'device.learnt', subject: config.device, timeMs: sinceMs, data: note }),
    sharing: (tags) => shared.add(tags.map((tag) => asTagIndex(first + tag))),
    status: (status) => {
      onStatus(status)
      if (status.state === state) return
      state = status.state
      record(deviceEvent(status))
    },
  }
  const { siteFolder } = data
  const stateFolder = `${data.stateFolder}/devices/${config.device}`
  return startDevice({ ...ports, config, driver, listener, stateFolder, ...(siteFolder === undefined ? {} : { siteFolder }) })
}

const deviceEvents: Readonly<Record<DeviceStatus['state'], string>> = {
  connecting: 'device.lost',
  online: 'device.online',
  degraded: 'device.degraded',
}

function deviceEvent(status: DeviceStatus): SiteEvent {
  return {
    type: deviceEvents[status.state],
    subject: status.device,
    timeMs: status.sinceMs,
    // A device that is well has no fault: the last one stands in the event of its loss.
    data: status.lastFault === undefined || status.state === 'online' ? {} : { fault: status.lastFault },
  }
}
