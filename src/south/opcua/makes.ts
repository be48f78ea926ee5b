import type { ServerLimits } from './resolve.ts'

/** What a make of server is known to need, where it does not say so itself. */
export interface Make {
  readonly name: string
  /** Seen in manufacturer, product name or product URI of the server's BuildInfo. */
  readonly pattern: RegExp
  /** Nodes or items a request. */
  readonly perCallMax?: number
  /** The limit is on all requests under way together. */
  readonly takesTurns?: boolean
  /** Monitored items in all; those beyond are read instead. */
  readonly itemsMax?: number
  /** ms; asked for less, such a server refuses or is overloaded. */
  readonly samplingMsMin?: number
  readonly publishingMsMin?: number
}

/**
 * In the order of looking. What others met in the field: the S7-1500 takes 1000 nodes a call, and no more in all calls under way (EPICS opcua
 * 177 and 201); the S7-1200 about 1000 items in all; WAGO's controllers 100 a call, and they run CODESYS's server. Kepware and Ignition name
 * their own limits: a thousand is only where to begin.
 */
const makes: readonly Make[] = [
  {
    name: 'S7-1200',
    pattern: /S7[- ]?1200|CPU ?12\d\d|6ES7 ?21\d/i,
    perCallMax: 1_000,
    takesTurns: true,
    itemsMax: 1_000,
    samplingMsMin: 100,
    publishingMsMin: 200,
  },
  { name: 'S7-1500', pattern: /S7[- ]?1500|CPU ?15\d\d|6ES7 ?51\d|ET ?200SP/i, perCallMax: 1_000, takesTurns: true },
  { name: 'WAGO', pattern: /\bWAGO\b/i, perCallMax: 100 },
  { name: 'CODESYS', pattern: /CODESYS|3S[ -]Smart/i, perCallMax: 100 },
  { name: 'Kepware', pattern: /Kepware|KEPServer/i, perCallMax: 1_000 },
  { name: 'Ignition', pattern: /Inductive Automation|Ignition/i, perCallMax: 1_000 },
]

export function recogniseMake(buildInfo: readonly string[]): Make | undefined {
  const text = buildInfo.join(' ')
  return makes.find(({ pattern }) => pattern.test(text))
}

/** The server's own word and what is known of its make: the smaller of the two, where there are two. */
export function limitedBy(limits: ServerLimits, make: Make | undefined): ServerLimits {
  const { perCallMax } = make ?? {}
  if (perCallMax === undefined) return limits
  const least = (own: number): number => (own === 0 ? perCallMax : Math.min(own, perCallMax))
  return {
    read: least(limits.read),
    write: least(limits.write),
    monitor: least(limits.monitor),
    translate: least(limits.translate),
  }
}
