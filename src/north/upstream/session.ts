import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { firstFailure } from '../../base/running.ts'
import type { OutboxRow } from '../../store/contract.ts'
import type { Acknowledged } from './acknowledged.ts'
import { type Echo, startCanary } from './canary.ts'
import type { UpstreamConfig } from './config.ts'
import type { UpstreamConnection, Wanted } from './connection.ts'
import type { UpstreamFormat, UpstreamPacket } from './format.ts'
import { Lanes } from './lanes.ts'
import { markName, stamped } from './ledger.ts'
import { topicAbove } from './mapping.ts'
import type { Receiving } from './receiving.ts'
import { type Outbox, Sending } from './sending.ts'
import type { Tally } from './tally.ts'

export interface SessionOptions {
  readonly connection: UpstreamConnection
  readonly config: UpstreamConfig
  /** NODE/UPSTREAM. */
  readonly origin: string
  readonly canaryTopic: string
  /** How old an echo may be; undefined: no canary over this connection. */
  readonly canaryMs: number | undefined
  readonly format: UpstreamFormat
  readonly outbox: Outbox
  readonly receiving: Receiving | undefined
  readonly acknowledged: Acknowledged
  readonly refused: Acknowledged
  readonly tally: Tally
  readonly echo: Echo
  /** Told what the outbox has been rid of while the session lasts. */
  readonly onLanes: (lanes: Lanes) => void
  readonly clock: Clock
  readonly log: Log
}

/** All that goes on over one connection: sending, receiving, and the canary. Ends with the signal; throws the Fault with which the connection ended. */
export async function runSession(options: SessionOptions, signal: AbortSignal): Promise<void> {
  const { connection, config, outbox, tally, clock, log } = options
  await using stack = new AsyncDisposableStack()
  receive(options)
  const running = options.canaryMs === undefined ? [connection] : [connection, stack.use(canary(options, options.canaryMs))]
  const inflightMax = Math.min(config.inflightMax, connection.inflightMax)
  const lanes = new Lanes({
    source: outbox,
    hasStates: config.streams.state.length > 0,
    inflightMax,
    ...(config.backlogPerSecondMax === undefined ? {} : { backlogPerSecondMax: config.backlogPerSecondMax }),
    clock,
  })
  options.onLanes(lanes)
  const { acknowledged, refused } = options
  const sending = new Sending({
    ...{ connection, outbox, lanes, acknowledged, refused, tally, inflightMax, clock, log },
    failure: firstFailure(running),
    silenceMs: config.keepaliveMs,
    hello: dressed(options.format.hello, options),
    packet: packetsOf(options),
  })
  await sending.run(signal)
}

/** The last words, where they are to be said. */
export function dressed(packet: UpstreamPacket, { config, origin }: Pick<SessionOptions, 'config' | 'origin'>): UpstreamPacket {
  const topic = topicAbove(packet.topic, config.map)
  return { ...packet, topic, properties: { [markName]: origin, ...packet.properties } }
}

function packetsOf({ format, config, origin, connection }: SessionOptions): (row: OutboxRow) => UpstreamPacket | undefined {
  const { map } = config
  const isMarked = connection.version === 5 || config.ledger === 'payload'
  if (map.length === 0 && !isMarked) return (row) => format.packet(row)
  return (row) => {
    const packet = format.packet(row)
    if (packet === undefined) return undefined
    const stampedPacket = stamped(packet, row, { ledger: config.ledger, origin })
    return map.length === 0 ? stampedPacket : { ...stampedPacket, topic: topicAbove(packet.topic, map) }
  }
}

function receive({ connection, config, receiving, log }: SessionOptions): void {
  if (receiving === undefined || config.receive.length === 0) return
  const isFlagKept = connection.version === 5
  connection.onMessage((message) => receiving.take(message, isFlagKept ? 'as-published' : 'as-stored'))
  const filters = new Map<string, Wanted>()
  for (const { from: filter, action } of config.receive) {
    // A wish that its sender has marked as retained is a fresh one as long as it does not come out of that broker's store.
    const retain = action === 'publish' ? 'as-published' : 'as-stored'
    if (!filters.has(filter)) filters.set(filter, { filter, own: 'without-own', retain })
  }
  void connection.subscribe([...filters.values()]).then((refused) => {
    if (refused.length > 0) log.warn('The upstream broker does not let this gateway hear what its rules ask for.', { filters: refused })
  })
}

function canary({ connection, canaryTopic, echo, tally, clock }: SessionOptions, ageMsMax: number) {
  return startCanary({ connection, topic: canaryTopic, ageMsMax, echo, heardAt: () => tally.heardAt, clock })
}
