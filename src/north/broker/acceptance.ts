import type { Aedes, Client, PublishPacket } from 'aedes'
import type { ConnectedClient } from './connected-client.ts'
import type { SessionKeeper } from './session-keeper.ts'
import type { Sessions, Subscriber } from './sessions.ts'
import type { Taps } from './taps.ts'

interface AcceptanceOptions {
  readonly sessions: Sessions
  readonly keeper: SessionKeeper
  readonly taps: Taps
  /** A message was refused for the first time over this connection. */
  readonly onRefused: (client: ConnectedClient) => void
}

type Done = (error?: Error | null) => void

interface Candidate {
  readonly client: ConnectedClient
  readonly packet: PublishPacket
  readonly depending: readonly Subscriber[]
  readonly done: Done
}

/** Messages of one client, and bytes of all, that may wait for the disk; then nothing more is read from who sends, or refused where the disk keeps nothing. */
const waitingMessagesMax = 1_000
const waitingBytesMax = 8 * 1024 ** 2
/** QoS 2 messages of one client whose identifiers are not released; MQTT 3.1.1 cannot announce a window, so who ignores this is disconnected. */
const receivedMax = 1_000
/** Where a message goes that nobody is to get. No client may subscribe to it. */
const nowhere = '$nowhere'
/** MQTT 3.4 and 3.5. */
export const puback = 0x40
const pubrec = 0x50

/**
 * The acknowledgement of what others depend on comes after the commit. aedes would write it first, so a message that is to be kept is taken out of
 * its hands, and given to it to be passed on when it is on the disk. Nothing is read from the client's connection any slower for that, and
 * a message that nobody depends on stays with aedes and touches no disk.
 */
export class Acceptance {
  readonly #options: AcceptanceOptions
  readonly #blocked: (() => void)[] = []
  #publish: ((packet: PublishPacket, publisher: Client) => void) | undefined
  #waiting = 0
  #refused = 0

  constructor(options: AcceptanceOptions) {
    this.#options = options
  }

  get waiting(): number {
    return this.#waiting
  }

  get refused(): number {
    return this.#refused
  }

  /** Where messages go on to. */
  follow(aedes: Aedes): void {
    // aedes does not declare that a message may name its publisher.
    const publishing = aedes as unknown as { publish(packet: PublishPacket, publisher: Client, done: () => void): void }
    this.#publish = (packet, publisher) => publishing.publish(packet, publisher, ignore)
  }

  /** Whether this QoS 2 message is here for the second time. */
  isRepeated(client: ConnectedClient, packet: PublishPacket): boolean {
    return packet.qos === 2 && packet.messageId !== undefined && this.#options.sessions.incoming.has(client.aedes.id, packet.messageId)
  }

  /** Whether this message cannot be taken now: `done` has then been called, and nobody has seen it. */
  refuses(client: ConnectedClient, packet: PublishPacket, done: Done): boolean {
    const { sessions, keeper, taps } = this.#options
    if (!isAcknowledged(packet)) return false
    const isUnkept = (this.#isFull(client) && keeper.isFailing) || taps.refuses(packet.topic)
    if (!client.isRefused && sessions.isRestored && !isUnkept) return false
    this.#refused += 1
    // No acknowledgement, and none for what follows: in their order the client sends all of it again, over its next connection.
    if (!client.isRefused) this.#options.onRefused(client)
    client.isRefused = true
    takeOver(packet)
    done(null)
    return true
  }

  /** Whether a route wants this message. */
  isTapped(topic: string): boolean {
    return this.#options.taps.wants(topic)
  }

  /** Whether the disk has no say in this QoS 1 message: nobody depends on it, and nothing of its client waits that it could overtake. */
  isFree(client: ConnectedClient, topic: string): boolean {
    const { sessions, keeper } = this.#options
    if (client.waiting > 0 || client.isRefused || !sessions.isRestored) return false
    return sessions.subscriptions.match(topic).length === 0 && !(keeper.isFailing && this.#isFull(client))
  }

  /** `done` lets aedes go on with the packet, as it is then. */
  admit(client: ConnectedClient, packet: PublishPacket, done: Done): void {
    const { sessions, taps } = this.#options
    const isRepeated = this.isRepeated(client, packet)
    const depending = isAcknowledged(packet) && !isRepeated ? sessions.subscriptions.match(packet.topic) : []
    if (isRepeated) {
      // PUBREC once more, but not before the first one.
      if (client.unkept.has(packet.messageId ?? 0)) takeOver(packet)
      done(null)
    } else if (!isAcknowledged(packet)) {
      void taps.take(packet)
      done(null)
    } else if (depending.length === 0 && !packet.retain && client.waiting === 0 && !taps.wants(packet.topic)) done(null)
    else if (this.#isFull(client)) this.#block(client, packet, done)
    else if (packet.qos === 2 && sessions.incoming.count(client.aedes.id) >= receivedMax) done(tooManyReceived())
    else this.#keep({ client, packet, depending, done })
  }

  /** Lets those go on who waited for room, or for nothing. To be called now and then. */
  unblock(): void {
    for (const admit of this.#blocked.splice(0)) admit()
  }

  #isFull(client: ConnectedClient): boolean {
    return client.waiting >= waitingMessagesMax || this.#options.sessions.pendingBytes >= waitingBytesMax
  }

  #block(client: ConnectedClient, packet: PublishPacket, done: Done): void {
    this.#blocked.push(() => {
      if (!this.refuses(client, packet, done)) this.admit(client, packet, done)
    })
  }

  #keep({ client, packet, depending, done }: Candidate): void {
    // A copy: the parser's view would keep all of its surroundings in memory.
    const message = { ...packet, payload: Buffer.from(packet.payload), dup: false }
    const tapped = this.#options.taps.take(message)
    const isKept = this.#options.sessions.keepFirst(message, depending) === 'unchanged' && tapped === undefined
    if (isKept && client.waiting === 0) packet.payload = message.payload
    else {
      this.#wait(client, message, tapped)
      takeOver(packet)
    }
    done(null)
  }

  #wait(client: ConnectedClient, message: PublishPacket, tapped: Promise<void> | undefined): void {
    const { sessions, keeper } = this.#options
    const { messageId = 0, qos } = message
    const { id, clean } = client.aedes
    client.waiting += 1
    this.#waiting += 1
    if (qos === 2) {
      sessions.receive(id, messageId, clean ? 'inMemory' : 'onDisk')
      client.unkept.add(messageId)
    }
    const goOn = (): void => {
      client.waiting -= 1
      this.#waiting -= 1
      client.unkept.delete(messageId)
      this.#publish?.(message, client.aedes)
      acknowledge(client, qos === 2 ? pubrec : puback, messageId)
      if (this.#blocked.length > 0) setImmediate(() => this.unblock())
    }
    keeper.whenKept(() => inTurn(client, tapped, goOn))
  }
}

/** The messages of a client go on in their order, also where one waits for the routes and the next does not. */
function inTurn(client: ConnectedClient, tapped: Promise<void> | undefined, goOn: () => void): void {
  if (tapped === undefined && client.lastTapped === undefined) {
    goOn()
    return
  }
  const turn: Promise<void> = Promise.all([client.lastTapped, tapped]).then(() => {
    if (client.lastTapped === turn) client.lastTapped = undefined
    goOn()
  })
  client.lastTapped = turn
}

const nothing = Buffer.alloc(0)

/** Nobody gets the message. aedes acknowledges it all the same, as MQTT 3.1.1 wants it of what is refused. */
export function divert(packet: PublishPacket): void {
  packet.topic = nowhere
  packet.payload = nothing
  packet.retain = false
}

/** The same, but what is to be said to its client is our business, not that of aedes. */
function takeOver(packet: PublishPacket): void {
  divert(packet)
  packet.qos = 0
}

/** Wills have no identifier. */
function isAcknowledged({ qos, messageId }: PublishPacket): boolean {
  return qos > 0 && messageId !== undefined
}

function tooManyReceived(): Error {
  return new Error(`${receivedMax} QoS 2 messages wait to be released`)
}

export function acknowledge({ aedes, wire }: ConnectedClient, type: number, packetId: number): void {
  if (aedes.closed || !wire.stream.writable) return
  const target = wire.outgoing.room(4)
  const at = wire.outgoing.length
  target[at] = type
  target[at + 1] = 2
  target.writeUInt16BE(packetId, at + 2)
  wire.outgoing.took(4)
}

function ignore(): void {}
