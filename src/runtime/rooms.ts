import { join } from 'node:path'
import type { ControlData } from '../control/control.ts'
import { fullFilter } from '../model/topic.ts'
import type { NorthData } from '../north/north.ts'
import type { Site } from '../site/site.ts'
import { socketPathOf } from '../site/socket-path.ts'
import type { StoreData } from '../store/thread.ts'
import type { RoomEntry, RoomName } from './room-thread.ts'

/** The rooms in the order of starting. */
export const roomEntries: readonly [store: RoomEntry, north: RoomEntry, control: RoomEntry] = [
  { name: 'store', entry: new URL('../store/thread.ts', import.meta.url) },
  { name: 'north', entry: new URL('../north/thread.ts', import.meta.url) },
  { name: 'control', entry: new URL('../control/thread.ts', import.meta.url) },
]

/** What each room of a site is told: just what it needs. */
export function roomData(site: Site): Readonly<Record<RoomName, unknown>> {
  const stateFolder = site.storage.path
  const { history } = site.storage
  const store: StoreData = { path: stateFolder, outbox: { upstreams: outboxLimits(site) }, history }
  const flowTopics = site.flows.flatMap(({ on }) =>
    on.flatMap((trigger) => (trigger.kind === 'topic' ? [fullFilter(trigger.topic, site.site)] : [])),
  )
  const routeTopics = site.routes.flatMap(({ from }) => (from.kind === 'topic' ? [from.topic] : []))
  const north: NorthData = {
    site: site.site,
    node: site.node,
    stateFolder: join(stateFolder, 'north'),
    socketPath: socketPathOf(stateFolder),
    tags: site.tags,
    mqtt: site.mqtt,
    ...(site.opcua === undefined ? {} : { opcua: site.opcua, startable: startable(site) }),
    api: site.api,
    upstreams: site.upstreams,
    // Of routes only those that name the site: one that listens to everything means to open nothing.
    openTopics: [...flowTopics, ...routeTopics.filter((topic) => topic.startsWith(`${site.site}/`))],
    taps: [...new Set([...flowTopics, ...routeTopics])],
  }
  const control: ControlData = {
    site: site.site,
    node: site.node,
    stateFolder: join(stateFolder, 'control'),
    siteFolder: site.folder,
    devices: site.devices,
    tags: site.tags,
    flows: site.flows,
    upstreams: mapValues(site.upstreams, ({ send, streams, format }, name) => ({
      ...{ send, streams, takesTagsOnly: format === 'sparkplug' },
      ...tellingOf(site, { name, format }),
    })),
    routes: site.routes,
    services: site.services,
    history: { tags: history.tags },
    ...(site.pipeline === undefined ? {} : { pipeline: site.pipeline }),
  }
  return { store, north, control }
}

/** Not where an OPC UA client takes in thousands of values at once: half of control's time would go into collecting them. */
export function savesMemory({ devices }: Site): boolean {
  return !devices.some(({ driver }) => driver === 'opcua')
}

function startable({ flows }: Site): NonNullable<NorthData['startable']> {
  return flows
    .filter(({ on }) => on.some(({ kind }) => kind === 'start'))
    .map(({ flow, title, input }) => ({
      flow,
      ...(title === undefined ? {} : { title }),
      inputs: Object.entries(input).map(([name, { type, title: of }]) => ({ name, type, ...(of === undefined ? {} : { title: of }) })),
    }))
}

function outboxLimits({ node, upstreams }: Site): StoreData['outbox']['upstreams'] {
  return mapValues(upstreams, ({ buffer, format }, name) => ({
    ...buffer,
    ...tellingOf({ node }, { name, format }),
  }))
}

/** Sparkplug has no words for it. */
function tellingOf(
  { node }: Pick<Site, 'node'>,
  { name, format }: { readonly name: string; readonly format: string },
): { readonly dropTopic?: string } {
  return format === 'uns' ? { dropTopic: `lineside/${node}/upstream/${name}/dropped` } : {}
}

function mapValues<Value, Result>(
  record: Readonly<Record<string, Value>>,
  change: (value: Value, name: string) => Result,
): Record<string, Result> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]))
}
