import type { MqttLimits } from './config.ts'
import type { PendingChanges } from './pending-changes.ts'

export interface IncomingPacket {
  readonly messageId?: number | undefined
  readonly payload: string | Uint8Array
  /** The parser's, of the whole packet. */
  readonly length?: number
}

interface Received {
  readonly packet: IncomingPacket
  readonly bytes: number
  readonly isStored: boolean
}

/** QoS 2 messages of clients that were passed on and whose packet identifier is not released yet: the same identifier once more is the same message. */
export class Incoming {
  readonly #limits: MqttLimits
  readonly #pending: PendingChanges
  readonly #received = new Map<string, Map<number, Received>>()
  #bytes = 0

  constructor(options: { readonly limits: MqttLimits; readonly pending: PendingChanges }) {
    this.#limits = options.limits
    this.#pending = options.pending
  }

  has(client: string, packetId?: number): boolean {
    const received = this.#received.get(client)
    return received !== undefined && (packetId === undefined || received.has(packetId))
  }

  count(client: string): number {
    return this.#received.get(client)?.size ?? 0
  }

  get(client: string, packetId: number | undefined): IncomingPacket {
    const received = packetId === undefined ? undefined : this.#received.get(client)?.get(packetId)
    if (received === undefined) throw new Error('no such packet')
    return received.packet
  }

  /** In memory only: nobody depends on this message. */
  store(client: string, packet: IncomingPacket): void {
    const { messageId } = packet
    if (messageId === undefined || this.has(client, messageId)) return
    const bytes = packet.payload.length
    if (this.#bytes + bytes > this.#limits.offlineBytesMax) throw new Error('no room for one more QoS 2 message that is not released')
    // A copy: what the parser gives is a view that would keep all of its surroundings in memory.
    const payload = typeof packet.payload === 'string' ? packet.payload : Buffer.from(packet.payload)
    const { length: _, ...rest } = packet
    this.#add(client, messageId, { packet: { ...rest, payload }, bytes, isStored: false })
  }

  /** The identifier alone, of a message that is in queues already. */
  storeId(client: string, packetId: number, lasts: 'onDisk' | 'inMemory'): void {
    const isStored = lasts === 'onDisk'
    this.#add(client, packetId, { packet: { messageId: packetId, payload: '' }, bytes: 0, isStored })
    if (isStored) this.#pending.received({ client, packetId, isOpen: true })
  }

  restore(client: string, packetId: number, isWanted: boolean): void {
    if (isWanted) this.#add(client, packetId, { packet: { messageId: packetId, payload: '' }, bytes: 0, isStored: true })
    else this.#pending.received({ client, packetId, isOpen: false })
  }

  /** `onDisk`: the removal has to get there, too, before the identifier may be used again. */
  remove(client: string, packetId: number | undefined): 'onDisk' | 'inMemory' {
    const all = this.#received.get(client)
    const received = packetId === undefined ? undefined : all?.get(packetId)
    if (received === undefined || packetId === undefined) throw new Error('no such packet')
    this.#bytes -= received.bytes
    all?.delete(packetId)
    if (all?.size === 0) this.#received.delete(client)
    if (!received.isStored) return 'inMemory'
    this.#pending.received({ client, packetId, isOpen: false })
    return 'onDisk'
  }

  forget(client: string): void {
    for (const [packetId, { bytes, isStored }] of this.#received.get(client) ?? []) {
      this.#bytes -= bytes
      if (isStored) this.#pending.received({ client, packetId, isOpen: false })
    }
    this.#received.delete(client)
  }

  repeatAll(): void {
    for (const [client, all] of this.#received) {
      for (const [packetId, { isStored }] of all) if (isStored) this.#pending.received({ client, packetId, isOpen: true })
    }
  }

  #add(client: string, packetId: number, received: Received): void {
    const all = this.#received.get(client) ?? new Map<number, Received>()
    this.#received.set(client, all)
    all.set(packetId, received)
    this.#bytes += received.bytes
  }
}
