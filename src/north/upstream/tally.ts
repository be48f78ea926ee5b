import type { MonotonicMs } from '../../base/clock.ts'
import type { Metric } from '../../base/metric.ts'

/** Counts over all connections of one upstream. */
export interface Tally {
  connects: number
  acknowledged: number
  /** Sent again, because the connection was lost before their acknowledgement came: the receiver may see them twice. */
  resent: number
  /** Rows that make no packet, or that the far broker will never take; they are taken out, for they would stand in the way for ever. */
  unsendable: number
  inflight: number
  /** When the far broker last acknowledged something, or began to owe it. */
  heardAt: MonotonicMs
  /** Rows sent and not yet acknowledged, by their ids. */
  underway: Set<number>
}

export function newTally(heardAt: MonotonicMs): Tally {
  return { connects: 0, acknowledged: 0, resent: 0, unsendable: 0, inflight: 0, heardAt, underway: new Set() }
}

export interface LinkMetrics {
  readonly upstream: string
  readonly isConnected: boolean
  readonly echoAgeMs?: number
}

export function tallyMetrics(tally: Tally, { upstream, isConnected, echoAgeMs }: LinkMetrics): readonly Metric[] {
  const labels = { upstream }
  const row = (type: Metric['type'], name: string, help: string, value: number): Metric => ({ name, help, type, value, labels })
  return [
    row('gauge', 'lineside_upstream_connected', 'Whether the upstream broker is connected.', isConnected ? 1 : 0),
    row('counter', 'lineside_upstream_connects_total', 'Connections that came about.', tally.connects),
    row('counter', 'lineside_upstream_acknowledged_total', 'Messages that the upstream broker has acknowledged.', tally.acknowledged),
    row(
      'counter',
      'lineside_upstream_resent_total',
      'Messages sent again after a lost connection: the receiver may see them twice.',
      tally.resent,
    ),
    row(
      'counter',
      'lineside_upstream_unsendable_total',
      'Rows of the outbox that made no message, or none that the broker would take, and were taken out.',
      tally.unsendable,
    ),
    row('gauge', 'lineside_upstream_inflight', 'Messages sent and not yet acknowledged.', tally.inflight),
    ...(echoAgeMs === undefined
      ? []
      : [
          row(
            'gauge',
            'lineside_upstream_echo_age_seconds',
            'How long ago the canary last came back through the upstream broker.',
            echoAgeMs / 1_000,
          ),
        ]),
  ]
}
