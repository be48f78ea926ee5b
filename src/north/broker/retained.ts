import { matchesFilter } from '../../model/topic.ts'
import { bytesOf, type PendingChanges } from './pending-changes.ts'

/** The parts of an aedes packet that keeping it looks at. */
export interface KeptPacket {
  readonly cmd?: string
  readonly topic: string
  readonly payload: string | Uint8Array
  readonly qos?: number
  readonly retain?: boolean
}

/** Topics looked at in one turn of the loop, for one who subscribes to thousands of filters. */
const turnTopics = 5_000

interface RetainedOptions {
  readonly messagesMax: number
  readonly bytesMax: number
  readonly pending: PendingChanges
  /** Something is pending that nobody waits for. */
  readonly changed: () => void
  /** Topics below these are told anew at each start by who publishes them: they are not stored. */
  readonly transient: readonly string[]
}

/** Retained messages of clients and flows, bounded, also in the store. When full, a message for a new topic is not retained, and counted; a known topic may always change. */
export class Retained {
  readonly #options: RetainedOptions
  readonly #packets = new Map<string, KeptPacket>()
  #bytes = 0
  #refused = 0

  constructor(options: RetainedOptions) {
    this.#options = options
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

  /** An empty payload takes the topic's message away (MQTT 3.3.1.3). Says whether there is something to be stored. */
  store(packet: KeptPacket): boolean {
    if (!this.#put(packet)) return false
    if (this.#isTransient(packet.topic)) return false
    this.#note(packet)
    return true
  }

  /** What does not fit any more is taken out of the store, too. */
  restore({ topic, qos }: { readonly topic: string; readonly qos: number }, payload: Uint8Array): void {
    if (this.#packets.has(topic)) return // newer than the file
    // A copy: a view would keep the whole page in memory.
    const packet = { cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain: true }
    if (this.#isTransient(topic) || !this.#put(packet)) this.#note({ topic, payload: '' })
  }

  /** Into a fresh file. */
  repeatAll(): void {
    for (const packet of this.#packets.values()) if (!this.#isTransient(packet.topic)) this.#note(packet)
  }

  #note({ topic, payload, qos = 0 }: KeptPacket): void {
    this.#options.pending.retain({ topic, qos, payload: bytesOf(payload) })
    this.#options.changed()
  }

  #isTransient(topic: string): boolean {
    return this.#options.transient.some((prefix) => topic.startsWith(prefix))
  }

  /** Whether it made a difference. */
  #put(packet: KeptPacket): boolean {
    const before = this.#packets.get(packet.topic)
    const bytesBefore = before === undefined ? 0 : weightOf(before)
    const bytes = packet.payload.length === 0 ? 0 : weightOf(packet)
    const isTooMany = bytes > 0 && before === undefined && this.#packets.size >= this.#options.messagesMax
    if (isTooMany || (bytes > bytesBefore && this.#bytes - bytesBefore + bytes > this.#options.bytesMax)) {
      this.#refused += 1
      return false
    }
    this.#bytes += bytes - bytesBefore
    if (bytes === 0) this.#packets.delete(packet.topic)
    else this.#packets.set(packet.topic, packet)
    return bytes > 0 || before !== undefined
  }

  /** Every retained message that one of the filters matches, in small turns so that nobody else waits. */
  async *matching(filters: readonly string[]): AsyncIterable<KeptPacket> {
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

function weightOf(packet: KeptPacket): number {
  return packet.topic.length + packet.payload.length
}
