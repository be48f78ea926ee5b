import { matchesFilter } from '../../model/topic.ts'

/** The parts of an aedes packet that keeping it looks at. */
export interface KeptPacket {
  readonly topic: string
  readonly payload: string | Uint8Array
}

/** Topics looked at in one turn of the loop, for one who subscribes to thousands of filters. */
const turnTopics = 5_000

/** Retained messages of clients and flows, bounded. When full, a message for a new topic is not retained, and counted; a known topic may always change. */
export class Retained<Packet extends KeptPacket> {
  readonly #messagesMax: number
  readonly #bytesMax: number
  readonly #packets = new Map<string, Packet>()
  #bytes = 0
  #refused = 0

  constructor(options: { readonly messagesMax: number; readonly bytesMax: number }) {
    this.#messagesMax = options.messagesMax
    this.#bytesMax = options.bytesMax
  }

  get size(): number {
    return this.#packets.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get refused(): number {
    return this.#refused
  }

  /** An empty payload takes the topic's message away (MQTT 3.3.1.3). */
  store(packet: Packet): void {
    const before = this.#packets.get(packet.topic)
    const bytesBefore = before === undefined ? 0 : bytesOf(before)
    const bytes = packet.payload.length === 0 ? 0 : bytesOf(packet)
    const isTooMany = bytes > 0 && before === undefined && this.#packets.size >= this.#messagesMax
    if (isTooMany || (bytes > bytesBefore && this.#bytes - bytesBefore + bytes > this.#bytesMax)) {
      this.#refused += 1
      return
    }
    this.#bytes += bytes - bytesBefore
    if (bytes === 0) this.#packets.delete(packet.topic)
    else this.#packets.set(packet.topic, packet)
  }

  /** Every retained message that one of the filters matches, in small turns so that nobody else waits. */
  async *matching(filters: readonly string[]): AsyncIterable<Packet> {
    let looked = 0
    for (const filter of filters) {
      if (!filter.includes('+') && !filter.includes('#')) {
        const packet = this.#packets.get(filter)
        if (packet !== undefined) yield packet
        continue
      }
      for (const packet of this.#packets.values()) {
        looked += 1
        if (looked % turnTopics === 0) await new Promise((resolve) => setImmediate(resolve))
        if (matchesFilter(packet.topic, filter)) yield packet
      }
    }
  }
}

function bytesOf(packet: KeptPacket): number {
  return packet.topic.length + packet.payload.length
}
