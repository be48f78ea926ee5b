import type { EpochMs } from '../../base/clock.ts'
import { NumberMap } from '../../base/number-map.ts'

/** The parts of an aedes packet that a queue keeps. */
export interface QueuedPacket {
  readonly topic: string
  readonly payload: string | Uint8Array
  readonly qos?: number
  readonly brokerId?: string
  readonly brokerCounter?: number
}

/** A packet as aedes takes it from a queue. */
export type OutgoingPacket =
  | {
      readonly cmd: 'publish'
      readonly brokerId: string
      readonly brokerCounter: number
      readonly topic: string
      readonly payload: string | Uint8Array
      readonly qos: number
      readonly retain: boolean
      readonly dup: boolean
      readonly messageId: number | undefined
    }
  | { readonly cmd: 'pubrel'; readonly messageId: number | undefined }

/** A message that waits for one client's acknowledgement. */
export interface Entry {
  /** Says in which order the messages came. */
  readonly id: number
  readonly client: string
  readonly topic: string
  readonly payload: string | Uint8Array
  readonly bytes: number
  readonly qos: number
  brokerId: string
  /** aedes' own number of the message; until it has one, the message is only being kept, and nobody may see it. */
  number: number | undefined
  packetId: number | undefined
  isReleased: boolean
  isGone: boolean
  /** It was sent over an earlier connection (MQTT 3.3.1.1). */
  isRepeat: boolean
}

export interface SubscriptionRecord {
  readonly topic: string
  readonly qos: number
  readonly rh?: number | undefined
  readonly rap?: boolean | undefined
  readonly nl?: boolean | undefined
}

/** What is kept for one client: what it subscribed to, and what it has not acknowledged. */
export class Session {
  readonly client: string
  readonly subscriptions = new Map<string, SubscriptionRecord>()
  /** By id: in the order in which they came. */
  readonly #entries = new NumberMap<Entry>()
  readonly #byNumber = new NumberMap<Entry>()
  readonly #byPacketId = new NumberMap<Entry>()
  /** The connection it belongs to; undefined while its client is away. */
  #owner: object | undefined
  #awayMs: EpochMs | undefined
  #user: string | null = null
  /** It has a row in the store. */
  isNoted = false
  /** The packet identifiers go on where those of the last connection ended, so that none means two messages. */
  lastPacketId: number | undefined
  /** What is sent first over a new connection; undefined when that is done, and messages go out as they come. */
  #backlog: Entry[] | undefined

  constructor(client: string) {
    this.client = client
  }

  get size(): number {
    return this.#entries.size
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0 && this.subscriptions.size === 0
  }

  get owner(): object | undefined {
    return this.#owner
  }

  /** undefined while its client is here. */
  get awayMs(): EpochMs | undefined {
    return this.#awayMs
  }

  /** Whose it is; null: of nobody in particular. */
  get user(): string | null {
    return this.#user
  }

  isOfOtherThan(user: string | null): boolean {
    return this.#user !== null && this.#user !== user
  }

  get isSendingBacklog(): boolean {
    return this.#backlog !== undefined
  }

  entries(): Iterable<Entry> {
    return this.#entries.values()
  }

  add(entry: Entry): void {
    this.#entries.set(entry.id, entry)
    if (entry.number !== undefined) this.show(entry, { brokerId: entry.brokerId, counter: entry.number })
    if (entry.packetId !== undefined) this.#byPacketId.set(entry.packetId, entry)
  }

  /** The message is on its way through aedes, and has its number there. */
  show(entry: Entry, { brokerId, counter }: { readonly brokerId: string; readonly counter: number }): void {
    if (entry.isGone) return
    entry.brokerId = brokerId
    entry.number = counter
    this.#byNumber.set(counter, entry)
    this.#backlog?.push(entry)
  }

  has(id: number): boolean {
    return this.#entries.has(id)
  }

  findNumber(number: number | undefined): Entry | undefined {
    return number === undefined ? undefined : this.#byNumber.get(number)
  }

  findSent(packetId: number | undefined): Entry | undefined {
    return packetId === undefined ? undefined : this.#byPacketId.get(packetId)
  }

  send(entry: Entry, packetId: number): void {
    if (entry.packetId !== undefined && entry.packetId !== packetId) this.#byPacketId.delete(entry.packetId)
    entry.packetId = packetId
    this.lastPacketId = packetId
    this.#byPacketId.set(packetId, entry)
  }

  remove(entry: Entry): void {
    entry.isGone = true
    this.#entries.delete(entry.id)
    if (entry.number !== undefined) this.#byNumber.delete(entry.number)
    if (entry.packetId !== undefined && this.#byPacketId.get(entry.packetId) === entry) this.#byPacketId.delete(entry.packetId)
  }

  /** From now on everything goes by way of the backlog, so that nothing new overtakes what waits. */
  arrive(owner: object, user: string | null): void {
    this.#owner = owner
    this.#user = user
    this.#awayMs = undefined
    this.#backlog = this.#entries.values().filter(({ number }) => number !== undefined)
    for (const entry of this.#backlog) entry.isRepeat = entry.packetId !== undefined
  }

  leave(now: EpochMs): void {
    this.#owner = undefined
    this.#awayMs = now
    this.#backlog = undefined
  }

  restored(awayMs: EpochMs, user: string | null): void {
    this.isNoted = true
    this.#user = user
    this.#awayMs = awayMs
  }

  /** To the end of the backlog, what joins it meanwhile included. */
  *takeBacklog(): Iterable<OutgoingPacket> {
    const waiting = this.#backlog
    if (waiting === undefined) {
      for (const entry of this.#entries.values()) if (!entry.isGone) yield outgoing(entry)
      return
    }
    for (const entry of waiting) if (!entry.isGone) yield outgoing(entry)
    if (this.#backlog === waiting) this.#backlog = undefined
  }
}

export function outgoing(entry: Entry): OutgoingPacket {
  if (entry.isReleased) return { cmd: 'pubrel', messageId: entry.packetId }
  return {
    cmd: 'publish',
    brokerId: entry.brokerId,
    brokerCounter: entry.number ?? 0,
    topic: entry.topic,
    payload: entry.payload,
    qos: entry.qos,
    retain: false,
    dup: false,
    messageId: entry.packetId,
  }
}
