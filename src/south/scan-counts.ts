import type { Metric } from '../base/metric.ts'

/** How one scan class of a device fares. */
export interface ScanCounts {
  readonly periodMs: number
  /** From the beginning of the last poll to its end. */
  cycleMs: number
  /** Polls left out because the one before took too long. */
  overruns: number
}

export function scanMetrics(scans: ReadonlyMap<string, ScanCounts>, device: Readonly<Record<string, string>>): readonly Metric[] {
  return [...scans].flatMap(([scan, { periodMs, cycleMs, overruns }]): readonly Metric[] => {
    const labels = { ...device, scan }
    return [
      { name: 'lineside_scan_period_seconds', help: 'What was asked for.', type: 'gauge', value: periodMs / 1_000, labels },
      {
        name: 'lineside_scan_cycle_seconds',
        help: 'How long the last poll of a scan class took.',
        type: 'gauge',
        value: cycleMs / 1_000,
        labels,
      },
      {
        name: 'lineside_scan_overruns_total',
        help: 'Polls of a scan class left out because the one before took too long.',
        type: 'counter',
        value: overruns,
        labels,
      },
    ]
  })
}

/** A line is not the device's alone: its numbers say themselves whose they are. */
export function ofDevice(metric: Metric, labels: Readonly<Record<string, string>>): Metric {
  return metric.labels?.['line'] === undefined ? { ...metric, labels: { ...metric.labels, ...labels } } : metric
}
