import type { OutboxRow } from '../../store/contract.ts'
import type { UpstreamConfig } from './config.ts'
import type { UpstreamPacket } from './format.ts'

/** Where messages that this gateway has sent up say so: `NODE/UPSTREAM`, and behind it `/LEDGER/STREAM/SEQ` where they have a number. */
export const markName = 'lineside'

export interface Stamp {
  readonly ledger: UpstreamConfig['ledger']
  /** NODE/UPSTREAM. */
  readonly origin: string
}

/** The message with its number in the ledger, by which a receiver can tell that none is missing. */
export function stamped(packet: UpstreamPacket, row: OutboxRow, { ledger, origin }: Stamp): UpstreamPacket {
  if (row.seq === undefined || row.ledger === undefined || ledger === 'off') return packet
  const stream = `${origin}/${row.ledger}/${row.stream ?? 'events'}`
  if (ledger === 'property') return { ...packet, properties: { ...packet.properties, [markName]: `${stream}/${row.seq}` } }
  if (typeof packet.payload !== 'string') return packet
  return { ...packet, payload: numbered(packet.payload, JSON.stringify({ stream, seq: row.seq })) }
}

/** A JSON object gets one field more; anything else is wrapped. */
function numbered(payload: string, ledger: string): string {
  if (payload === '{}') return `{"ledger":${ledger}}`
  if (payload.startsWith('{"') && payload.endsWith('}')) return `{"ledger":${ledger},${payload.slice(1)}`
  return `{"ledger":${ledger},"payload":${JSON.stringify(payload)}}`
}
