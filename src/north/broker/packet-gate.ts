/**
 * Follows the packets in a stream of bytes by their fixed headers alone and says at once when one announces more than is allowed: the parser
 * behind it would gather up to 256 MiB before it had an opinion.
 */
export class PacketGate {
  readonly #packetBytesMax: number
  #state: 'type' | 'length' | 'body' = 'type'
  #length = 0
  #lengthBytes = 0
  #bodyLeft = 0
  #packets = 0
  #replies = 0
  #firstByte = 0
  #refusedTopic: string | undefined

  constructor(options: { readonly packetBytesMax: number }) {
    this.#packetBytesMax = options.packetBytesMax
  }

  get packets(): number {
    return this.#packets
  }

  /** Of the PUBLISH that was too large, where it came along with the length. */
  get refusedTopic(): string | undefined {
    return this.#refusedTopic
  }

  /** How many of them MQTT has the broker answer with a packet. */
  get replies(): number {
    return this.#replies
  }

  /** False as soon as a packet is too large or its length field is malformed; the stream must not be read on then. */
  admits(chunk: Uint8Array): boolean {
    let place = 0
    while (place < chunk.length) {
      if (this.#state === 'body') {
        const skipped = Math.min(this.#bodyLeft, chunk.length - place)
        place += skipped
        this.#bodyLeft -= skipped
        if (this.#bodyLeft === 0) this.#state = 'type'
      } else if (this.#state === 'type') {
        this.#firstByte = chunk[place] ?? 0
        place += 1
        this.#packets += 1
        if (isAnswered(this.#firstByte)) this.#replies += 1
        this.#state = 'length'
        this.#length = 0
        this.#lengthBytes = 0
      } else {
        if (!this.#takeLength(chunk[place] ?? 0)) {
          this.#refusedTopic = this.#firstByte >> 4 === publish ? topicAt(chunk, place + 1) : undefined
          return false
        }
        place += 1
      }
    }
    return true
  }

  #takeLength(byte: number): boolean {
    this.#length += (byte & 0x7f) * 128 ** this.#lengthBytes
    this.#lengthBytes += 1
    if ((byte & 0x80) !== 0) return this.#lengthBytes < 4
    this.#bodyLeft = this.#length
    this.#state = this.#bodyLeft === 0 ? 'type' : 'body'
    return 1 + this.#lengthBytes + this.#length <= this.#packetBytesMax
  }
}

const publish = 3
const topicLengthMax = 200

function topicAt(chunk: Uint8Array, place: number): string | undefined {
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  if (place + 2 > bytes.length) return undefined
  const end = place + 2 + bytes.readUInt16BE(place)
  return end > bytes.length ? undefined : bytes.toString('utf8', place + 2, end).slice(0, topicLengthMax)
}

/** CONNECT, PUBREC, PUBREL, SUBSCRIBE, UNSUBSCRIBE and PINGREQ are; PUBLISH is with QoS 1 and 2. */
function isAnswered(firstByte: number): boolean {
  const type = firstByte >> 4
  return type === 3 ? (firstByte & 0x06) !== 0 : ((1 << type) & 0b0001_0101_0110_0010) !== 0
}
