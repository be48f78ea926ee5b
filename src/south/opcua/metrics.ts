import type { Metric } from '../../base/metric.ts'
import type { EventFeed } from './events.ts'
import type { Monitoring } from './monitoring.ts'
import type { ServerInfo } from './server-info.ts'

export interface MetricSources {
  readonly info: ServerInfo
  /** undefined where the server is read instead. */
  readonly items: Monitoring['counts'] | undefined
  readonly feed: EventFeed | undefined
}

/** What one connection shows of itself. */
export function connectionMetrics({ info, items, feed }: MetricSources): readonly Metric[] {
  return [...clockMetrics(info), ...itemMetrics(items), ...eventMetrics(feed)]
}

function clockMetrics({ clockOffsetMs }: ServerInfo): readonly Metric[] {
  if (clockOffsetMs === undefined) return []
  const help = 'By how much the clock of the server was ahead of ours when the connection was made.'
  return [{ name: 'lineside_opcua_clock_offset_seconds', help, type: 'gauge', value: clockOffsetMs / 1_000 }]
}

function itemMetrics(items: MetricSources['items']): readonly Metric[] {
  if (items === undefined) return []
  const states = { reported: items.items - items.refused - items.surplus, read: items.surplus, refused: items.refused }
  const help = 'Nodes by how their values come: reported, read because the server takes no more items, or refused.'
  return Object.entries(states).map(([state, value]) => ({ name: 'lineside_opcua_items', help, type: 'gauge', value, labels: { state } }))
}

function eventMetrics(feed: EventFeed | undefined): readonly Metric[] {
  if (feed === undefined) return []
  return [
    { name: 'lineside_opcua_events_total', help: 'Events that the server told.', type: 'counter', value: feed.count },
    { name: 'lineside_opcua_events_dropped_total', help: 'Events that came too fast.', type: 'counter', value: feed.dropped },
  ]
}
