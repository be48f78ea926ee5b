import { join } from 'node:path'
import type { ControlData } from '../control/control.ts'
import type { NorthData } from '../north/north.ts'
import type { Site } from '../site/site.ts'
import type { StoreData } from '../store/thread.ts'
import type { RoomPlan } from './room-thread.ts'

/** The rooms of a site in the order of starting, each told just what it needs. */
export function planRooms(site: Site): readonly [store: RoomPlan, north: RoomPlan, control: RoomPlan] {
  const stateFolder = site.storage.path
  const store: StoreData = { path: stateFolder, outbox: { upstreams: mapValues(site.upstreams, ({ buffer }) => buffer) } }
  const north: NorthData = {
    site: site.site,
    node: site.node,
    stateFolder: join(stateFolder, 'north'),
    tags: site.tags,
    mqtt: site.mqtt,
    ...(site.opcua === undefined ? {} : { opcua: site.opcua }),
    api: site.api,
    upstreams: site.upstreams,
  }
  const control: ControlData = {
    site: site.site,
    node: site.node,
    stateFolder: join(stateFolder, 'control'),
    devices: site.devices,
    tags: site.tags,
    flows: site.flows,
    upstreams: mapValues(site.upstreams, ({ send }) => ({ send })),
  }
  return [
    { name: 'store', entry: new URL('../store/thread.ts', import.meta.url), data: store },
    { name: 'north', entry: new URL('../north/thread.ts', import.meta.url), data: north },
    { name: 'control', entry: new URL('../control/thread.ts', import.meta.url), data: control },
  ]
}

function mapValues<Value, Result>(record: Readonly<Record<string, Value>>, change: (value: Value) => Result): Record<string, Result> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
}
