import type { OutboxRow } from '../../store/contract.ts'

/** One PUBLISH, always at QoS 1. */
export interface UpstreamPacket {
  readonly topic: string
  readonly payload: string | Uint8Array
  readonly isRetained: boolean
  /** MQTT 5 user properties; left out where the far broker speaks 3.1.1. */
  readonly properties?: Readonly<Record<string, string>>
}

/** How this gateway speaks to one upstream. Pure: values are kept in the outbox, and become packets only when they leave. */
export interface UpstreamFormat {
  /** What the far broker publishes for us when we are gone without a word. */
  readonly will: UpstreamPacket
  /** Said first on each connection. */
  readonly hello: UpstreamPacket
  /** Said last, where there is time for it. */
  readonly goodbye: UpstreamPacket
  /** Undefined where the row makes no packet that a broker would take. */
  packet(row: OutboxRow): UpstreamPacket | undefined
}
