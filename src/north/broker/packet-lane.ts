import type { Client } from 'aedes'
import type { ConnectedClient } from './connected-client.ts'
import type { PublishBytes } from './publish-bytes.ts'

/** What is read from a client, packet by packet. */
export interface LaneTaker {
  /** A PUBLISH of QoS 0 or 1. False: it was not taken, and aedes is to have it. */
  publish(message: LaneMessage): boolean
  /** A PUBACK. False as above. */
  acknowledged(client: ConnectedClient): boolean
}

export interface LaneMessage {
  readonly client: ConnectedClient
  readonly topic: string
  readonly bytes: PublishBytes
  readonly qos: 0 | 1
  readonly isRetained: boolean
  readonly packetId: number
}

/** A packet that comes in parts is put together here up to this size; a larger one is left to the library, which gathers without copying. */
const partBytesMax = 64 * 1024
const publishType = 3
const puback = 0x40

interface Parser {
  parse(bytes: Buffer): number
  /** The library's: what it holds of a packet that has not come whole, and what it waits for next (0: the first byte of a packet). */
  readonly _list: { readonly length: number }
  readonly _stateCounter: number
}

interface Parsing {
  readonly _parser: Parser
  readonly _keepaliveInterval: number
  readonly _keepaliveTimer: { refresh(): void } | null
}

/**
 * The packets that come in thousands are read here, at a tenth of what the library's parser and aedes' way through its hooks cost. All others, and
 * whatever is not well formed, go to the library, which has an opinion on it. To be called when the client has its CONNACK.
 */
export function openLane(client: ConnectedClient, taker: LaneTaker): void {
  const parsing = client.aedes as unknown as Parsing
  const lane = new PacketLane({ client, taker, parser: parsing._parser })
  parsing._parser.parse = (bytes) => {
    lane.take(bytes)
    if (parsing._keepaliveInterval > 0) parsing._keepaliveTimer?.refresh()
    return 0
  }
}

interface LaneOptions {
  readonly client: ConnectedClient
  readonly taker: LaneTaker
  readonly parser: Parser
}

class PacketLane {
  readonly #client: ConnectedClient
  readonly #aedes: Client
  readonly #taker: LaneTaker
  readonly #parser: Parser
  readonly #parse: (bytes: Buffer) => number
  #part: Buffer | undefined
  /** Of a large packet, what the library still has to get. */
  #partLeft = 0
  /** The last topic, which is mostly the next one too. */
  #topic = { bytes: Buffer.alloc(0), text: '' }

  constructor({ client, taker, parser }: LaneOptions) {
    this.#client = client
    this.#aedes = client.aedes
    this.#taker = taker
    this.#parser = parser
    this.#parse = parser.parse.bind(parser)
  }

  take(chunk: Buffer): void {
    const rest = this.#feedLibrary(chunk)
    if (rest === undefined) return
    const bytes = this.#part === undefined ? rest : Buffer.concat([this.#part, rest])
    this.#part = undefined
    let at = 0
    while (at < bytes.length && !this.#aedes.closed) {
      const size = packetSize(bytes, at)
      if (size === undefined || at + size.head + size.body > bytes.length) {
        this.#keepPart(bytes.subarray(at), size === undefined ? 0 : size.head + size.body)
        return
      }
      const end = at + size.head + size.body
      if (!this.#takePacket(bytes, { start: at, bodyStart: at + size.head, end })) this.#parse(bytes.subarray(at, end))
      at = end
    }
  }

  /** What is left when the library has the packet that it is in the midst of. */
  #feedLibrary(chunk: Buffer): Buffer | undefined {
    if (this.#partLeft > 0) {
      const share = chunk.subarray(0, this.#partLeft)
      this.#partLeft -= share.length
      this.#parse(share)
      return share.length === chunk.length ? undefined : chunk.subarray(share.length)
    }
    // What came with the CONNECT may end in the midst of a packet.
    if (this.#parser._list.length === 0 && this.#parser._stateCounter === 0) return chunk
    this.#parse(chunk)
    return undefined
  }

  #keepPart(part: Buffer, wholeBytes: number): void {
    if (wholeBytes <= partBytesMax) {
      this.#part = part
      return
    }
    this.#partLeft = wholeBytes - part.length
    this.#parse(part)
  }

  #takePacket(bytes: Buffer, place: { readonly start: number; readonly bodyStart: number; readonly end: number }): boolean {
    const { start, bodyStart, end } = place
    const first = bytes[start] ?? 0
    if (first === puback) return end - bodyStart === 2 && this.#taker.acknowledged(this.#client)
    const qos = (first >> 1) & 3
    if (first >> 4 !== publishType || qos > 1 || end - bodyStart < 2) return false
    const topicEnd = bodyStart + 2 + bytes.readUInt16BE(bodyStart)
    if (topicEnd + (qos === 0 ? 0 : 2) > end || topicEnd === bodyStart + 2) return false
    return this.#taker.publish({
      client: this.#client,
      topic: this.#text(bytes, bodyStart + 2, topicEnd),
      bytes: { bytes, start, bodyStart, topicEnd, end, hasId: qos === 1 },
      qos: qos === 1 ? 1 : 0,
      isRetained: (first & 1) === 1,
      packetId: qos === 1 ? bytes.readUInt16BE(topicEnd) : 0,
    })
  }

  #text(bytes: Buffer, start: number, end: number): string {
    const last = this.#topic
    if (last.bytes.length === end - start && bytes.compare(last.bytes, 0, last.bytes.length, start, end) === 0) return last.text
    this.#topic = { bytes: Buffer.from(bytes.subarray(start, end)), text: bytes.toString('utf8', start, end) }
    return this.#topic.text
  }
}

/** Undefined where it has not come, or is malformed. */
function packetSize(bytes: Buffer, start: number): { readonly head: number; readonly body: number } | undefined {
  let body = 0
  for (let count = 1; count <= 4; count += 1) {
    const byte = bytes[start + count]
    if (byte === undefined) return undefined
    body += (byte & 0x7f) * 128 ** (count - 1)
    if (byte < 128) return { head: 1 + count, body }
  }
  return undefined
}
