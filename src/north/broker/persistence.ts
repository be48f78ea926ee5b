import { Readable } from 'node:stream'
import type { MqttLimits } from './config.ts'
import { type KeptPacket, Retained } from './retained.ts'

interface StoredPacket extends KeptPacket {
  readonly messageId?: number | undefined
}

interface Owner {
  readonly clientId: string
}

/** What we change of aedes' persistence in memory. Each is called by aedes by this name. */
export interface AedesPersistence {
  storeRetained(packet: StoredPacket): Promise<void>
  createRetainedStreamCombi(filters: readonly string[]): Readable
  outgoingEnqueue(owner: Owner, packet: StoredPacket): Promise<void>
  outgoingEnqueueCombi(owners: readonly Owner[], packet: StoredPacket): Promise<void>
  outgoingUpdate(client: { readonly id: string }, packet: StoredPacket): Promise<void>
  outgoingClearMessageId(client: { readonly id: string }, packet: StoredPacket): Promise<StoredPacket | undefined>
}

interface Queue {
  readonly messages: number
  readonly bytes: number
}

export interface Bounds {
  readonly retained: Retained<StoredPacket>
  /** QoS 1 and 2 messages kept for clients with a session. */
  offlineMessages(): number
  offlineLost(): number
}

/** Puts limits on what aedes keeps, which has none of its own. */
export function boundPersistence(persistence: AedesPersistence, limits: MqttLimits): Bounds {
  const retained = new Retained<StoredPacket>({ messagesMax: limits.retainedMax, bytesMax: limits.retainedBytesMax })
  persistence.storeRetained = async (packet) => retained.store({ ...packet })
  persistence.createRetainedStreamCombi = (filters) => Readable.from(retained.matching(filters))
  return { retained, ...boundQueues(persistence, limits) }
}

function boundQueues(persistence: AedesPersistence, limits: MqttLimits): Omit<Bounds, 'retained'> {
  const enqueue = persistence.outgoingEnqueueCombi.bind(persistence)
  const update = persistence.outgoingUpdate.bind(persistence)
  const clear = persistence.outgoingClearMessageId.bind(persistence)
  const queues = new Map<string, Queue>()
  let bytes = 0
  let lost = 0
  persistence.outgoingEnqueueCombi = async (owners, packet) => {
    const size = packet.payload.length
    const taken = owners.filter(({ clientId }) => {
      const queue = queues.get(clientId) ?? { messages: 0, bytes: 0 }
      if (queue.messages >= limits.offlineMessagesMax || bytes + size > limits.offlineBytesMax) return false
      queues.set(clientId, { messages: queue.messages + 1, bytes: queue.bytes + size })
      bytes += size
      return true
    })
    lost += owners.length - taken.length
    if (taken.length > 0) await enqueue(taken, packet)
  }
  persistence.outgoingEnqueue = (owner, packet) => persistence.outgoingEnqueueCombi([owner], packet)
  // aedes closes the connection where a packet is not in its store, which is so for what did not fit and for retained QoS 2 messages:
  // such a packet is delivered all the same, only without a second try after a reconnect.
  persistence.outgoingUpdate = (client, packet) => update(client, packet).catch(() => {})
  persistence.outgoingClearMessageId = async (client, packet) => {
    const cleared = await clear(client, packet)
    if (cleared === undefined) return undefined
    const queue = queues.get(client.id)
    if (queue === undefined) return cleared
    // A message of QoS 2 is a mere PUBREL by now and does not say what it weighed: the mean keeps the sum from drifting.
    const weight = queue.bytes / queue.messages
    bytes -= weight
    if (queue.messages === 1) queues.delete(client.id)
    else queues.set(client.id, { messages: queue.messages - 1, bytes: queue.bytes - weight })
    return cleared
  }
  return { offlineMessages: () => queues.values().reduce((sum, queue) => sum + queue.messages, 0), offlineLost: () => lost }
}
