import type { Client } from 'aedes'
import type { MqttLimits } from './config.ts'
import type { ConnectedClient } from './connected-client.ts'
import { type Incidents, incidentKinds } from './incidents.ts'
import { copyPublish, type PublishBytes, publishOverheadMax } from './publish-bytes.ts'
import type { MessageCounts } from './sys.ts'

export interface DeliveryOptions {
  readonly limits: MqttLimits
  readonly incidents: Incidents
  readonly counts: MessageCounts
  readonly drop: (client: ConnectedClient, sentence: string) => void
}

/** Messages that nobody stored, on their way to clients without a session: what is received is copied to each of them, and nothing else is done. */
export class Delivery {
  readonly #options: DeliveryOptions

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  /** `qos` is the lower one of message and subscription: 0 or 1. */
  deliver(client: ConnectedClient, packet: PublishBytes, qos: number): void {
    const { counts } = this.#options
    if (client.aedes.closed) return
    const { outgoing } = client.wire
    const bytes = packet.end - packet.start
    if (this.whyNot(client, qos, 'new') !== undefined) {
      counts.dropped += 1
      return
    }
    const packetId = qos === 0 ? undefined : nextId(client.aedes)
    if (packetId !== undefined) client.unacknowledged += 1
    const target = outgoing.room(bytes + publishOverheadMax)
    const from = outgoing.length
    outgoing.took(copyPublish(target, from, { packet, ...(packetId === undefined ? {} : { packetId }) }) - from)
    counts.sent += 1
    counts.sentBytes += packet.end - packet.topicEnd - (packet.hasId ? 2 : 0)
  }

  /** Why this client cannot be sent one more message; who reads or acknowledges far too little has then been disconnected. */
  whyNot(client: ConnectedClient, qos: number, kind: 'new' | 'ofBacklog'): string | undefined {
    const { limits, incidents, drop } = this.#options
    const unread = client.wire.unreadBytes
    if (unread > limits.unreadBytesMax) {
      drop(client, incidentKinds.overrun)
      return incidentKinds.overrun
    }
    if (qos > 0 && kind === 'new' && client.unacknowledged >= limits.unacknowledgedMax) {
      drop(client, incidentKinds.unacknowledged)
      return incidentKinds.unacknowledged
    }
    if (qos > 0 || unread <= limits.unreadBytesMax / 4) return undefined
    incidents.note(incidentKinds.skipped, client.who)
    return incidentKinds.skipped
  }
}

/** aedes counts them there for what it sends by itself. */
function nextId(client: Client): number {
  const counter = client as unknown as { _nextId: number }
  const id = counter._nextId
  counter._nextId = id >= 65_535 ? 1 : id + 1
  return id
}
