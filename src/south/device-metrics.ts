import { Histogram } from '../base/histogram.ts'
import type { Metric } from '../base/metric.ts'
import type { DeviceState } from '../model/device.ts'
import { ofDevice, type ScanCounts, scanMetrics } from './scan-counts.ts'

/** s; finest where a loop that is well lies, up to where it is a nuisance. */
const latenessBounds = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1]

/** What has happened to one device since the start. */
export class DeviceCounts {
  connects = 0
  losses = 0
  polls = 0
  overruns = 0
  silences = 0
  readonly scans = new Map<string, ScanCounts>()
  readonly lateness = new Histogram(latenessBounds)
}

interface DeviceMetricsOptions {
  readonly device: string
  readonly state: DeviceState
  readonly counts: DeviceCounts
  readonly ofConnection: readonly Metric[]
}

export function deviceMetrics({ device, state, counts, ofConnection }: DeviceMetricsOptions): readonly Metric[] {
  const labels = { device }
  return [
    ...ofConnection.map((metric) => ofDevice(metric, labels)),
    {
      name: 'lineside_device_online',
      help: 'Whether the device answers, if only in part.',
      type: 'gauge',
      value: state === 'connecting' ? 0 : 1,
      labels,
    },
    {
      name: 'lineside_device_degraded',
      help: 'Whether a part of the device (a unit, a block) keeps silent while the rest answers.',
      type: 'gauge',
      value: state === 'degraded' ? 1 : 0,
      labels,
    },
    { name: 'lineside_device_connects_total', help: 'Connections made.', type: 'counter', value: counts.connects, labels },
    { name: 'lineside_device_losses_total', help: 'Connections lost.', type: 'counter', value: counts.losses, labels },
    { name: 'lineside_device_polls_total', help: 'Scan classes read.', type: 'counter', value: counts.polls, labels },
    {
      name: 'lineside_device_overruns_total',
      help: 'Polls left out because the one before took too long.',
      type: 'counter',
      value: counts.overruns,
      labels,
    },
    {
      name: 'lineside_device_silences_total',
      help: 'Polls that were not answered in full.',
      type: 'counter',
      value: counts.silences,
      labels,
    },
    ...scanMetrics(counts.scans, labels),
    ...counts.lateness.metrics({
      name: 'lineside_poll_lateness_seconds',
      help: 'How much later than due polls began.',
      labels,
    }),
  ]
}
