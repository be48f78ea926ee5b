import type { Aedes } from 'aedes'
import { type Acceptance, acknowledge, puback } from './acceptance.ts'
import type { ConnectedClient } from './connected-client.ts'
import type { Ownership } from './ownership.ts'
import { type LaneMessage, openLane } from './packet-lane.ts'
import type { Router } from './router.ts'
import type { MessageCounts } from './sys.ts'

export interface LanesOptions {
  readonly acceptance: Acceptance
  readonly ownership: Ownership
  readonly router: Pick<Router<ConnectedClient>, 'pass'>
  readonly counts: MessageCounts
}

/** As aedes has it. */
const topicLevelsMax = 100

/** Messages that need nothing but to be passed on: from their bytes to the bytes of who reads them, past aedes. Any other is left to it. */
export class Lanes {
  readonly #options: LanesOptions
  #aedes: Aedes | undefined

  constructor(options: LanesOptions) {
    this.#options = options
  }

  follow(aedes: Aedes): void {
    this.#aedes = aedes
  }

  open(client: ConnectedClient): void {
    openLane(client, { publish: (message) => this.#publish(message), acknowledged })
  }

  #publish(message: LaneMessage): boolean {
    const { client, topic, bytes, qos, isRetained, packetId } = message
    const { acceptance, router, counts } = this.#options
    if (isRetained || !this.#isOpen(client, topic)) return false
    // One that aedes still has must not be overtaken, nor its acknowledgement.
    if (qos === 1 && (packetId === 0 || client.inAedes > 0 || !acceptance.isFree(client, topic))) return false
    if (!router.pass(topic, bytes)) return false
    counts.received += 1
    counts.receivedBytes += bytes.end - bytes.topicEnd - (bytes.hasId ? 2 : 0)
    if (qos === 1) acknowledge(client, puback, packetId)
    this.#tell(message)
    return true
  }

  /** The verdict on the last topic is mostly that on the next one, too. */
  #isOpen(client: ConnectedClient, topic: string): boolean {
    const { acceptance, ownership } = this.#options
    const last = client.lastOpen
    if (last.topic === topic && last.generation === ownership.generation) return true
    if (topic.split('/', topicLevelsMax + 1).length > topicLevelsMax || !ownership.isOpen(client, topic)) return false
    if (acceptance.isTapped(topic)) return false // it is to be kept first
    client.lastOpen = { topic, generation: ownership.generation }
    return true
  }

  /** To those who watch what passes. */
  #tell({ client, topic, bytes, qos }: LaneMessage): void {
    const aedes = this.#aedes
    if (aedes === undefined || aedes.listenerCount('publish') === 0) return
    const payload = bytes.bytes.subarray(bytes.topicEnd + (bytes.hasId ? 2 : 0), bytes.end)
    aedes.emit('publish', { cmd: 'publish', topic, payload, qos, retain: false, dup: false, brokerId: '', brokerCounter: 0 }, client.aedes)
  }
}

function acknowledged(client: ConnectedClient): boolean {
  if (!client.isPlain) return false
  if (client.unacknowledged > 0) client.unacknowledged -= 1
  return true
}
