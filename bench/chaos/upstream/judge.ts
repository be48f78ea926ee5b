/** Reads what passes between a gateway and its far broker, MQTT 5, and keeps the books by the numbers that the messages carry. Shares no code with src. */
export class Judge {
  readonly #streams = new Map<string, Book>()
  readonly #topics = new Map<string, number>()
  readonly #losses: string[] = []
  #resent = 0

  /** `NODE/UPSTREAM/LEDGER/STREAM` of every stream that was seen. */
  get streams(): readonly string[] {
    return [...this.#streams.keys()]
  }

  get losses(): readonly string[] {
    return this.#losses
  }

  /** Messages that came once more after they had been acknowledged or had got stuck: at least once. */
  get resent(): number {
    return this.#resent
  }

  /** Different messages that the far broker has acknowledged. */
  get acknowledged(): number {
    return [...this.#streams.values()].reduce((sum, { acknowledged }) => sum + acknowledged.size, 0)
  }

  highest(stream: string): number {
    return Math.max(0, ...(this.#streams.get(stream)?.acknowledged ?? []))
  }

  /** Numbers from 1 to `last` that the far broker has never acknowledged. */
  missing(stream: string, last: number): readonly number[] {
    const acknowledged = this.#streams.get(stream)?.acknowledged
    return Array.from({ length: last }, (_, place) => place + 1).filter((seq) => acknowledged?.has(seq) !== true)
  }

  /** One connection: a callback for each direction. */
  watch(): { readonly up: (bytes: Buffer) => void; readonly down: (bytes: Buffer) => void } {
    const underway = new Map<number, Mark>()
    return {
      up: packets((type, flags, body) => {
        if (type !== 3) return
        const { mark, topic, packetId } = publishOf(flags, body)
        if (mark === undefined || packetId === undefined) return
        underway.set(packetId, mark)
        this.#sent(mark, topic)
      }),
      down: packets((type, _flags, body) => {
        if (type !== 4) return
        const packetId = body.readUInt16BE(0)
        const mark = underway.get(packetId)
        underway.delete(packetId)
        if (mark === undefined) return
        if ((body[2] ?? 0) >= 0x80) this.#losses.push(`the far broker refused ${mark.stream}/${mark.seq} with ${body[2]}`)
        else this.#book(mark.stream).acknowledged.add(mark.seq)
      }),
    }
  }

  /** The order counts where a message comes for the first time: at least once allows it to come again. */
  #sent({ stream, seq }: Mark, topic: string): void {
    const { sent } = this.#book(stream)
    if (sent.has(seq)) {
      this.#resent += 1
      return
    }
    sent.add(seq)
    const key = `${stream} ${topic}`
    const last = this.#topics.get(key) ?? 0
    if (seq < last) this.#losses.push(`${topic}: ${stream}/${seq} came after ${last}`)
    this.#topics.set(key, seq)
  }

  #book(stream: string): Book {
    const known = this.#streams.get(stream) ?? { sent: new Set(), acknowledged: new Set() }
    this.#streams.set(stream, known)
    return known
  }
}

interface Book {
  readonly sent: Set<number>
  readonly acknowledged: Set<number>
}

interface Mark {
  readonly stream: string
  readonly seq: number
}

type OnPacket = (type: number, flags: number, body: Buffer) => void

/** Takes a stream of bytes apart. */
function packets(onPacket: OnPacket): (bytes: Buffer) => void {
  let held: Buffer = Buffer.alloc(0)
  return (bytes) => {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
    for (;;) {
      const length = varint(held, 1)
      if (length === undefined || held.length < length.end + length.value) return
      onPacket((held[0] ?? 0) >> 4, (held[0] ?? 0) & 0x0f, held.subarray(length.end, length.end + length.value))
      held = held.subarray(length.end + length.value)
    }
  }
}

function varint(bytes: Buffer, start: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  for (let place = 0; place < 4; place += 1) {
    const byte = bytes[start + place]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 128 ** place
    if (byte < 128) return { value, end: start + place + 1 }
  }
  throw new Error('malformed MQTT packet')
}

function publishOf(
  flags: number,
  body: Buffer,
): { readonly topic: string; readonly packetId: number | undefined; readonly mark: Mark | undefined } {
  const topicEnd = 2 + body.readUInt16BE(0)
  const hasId = (flags & 0x06) !== 0
  const packetId = hasId ? body.readUInt16BE(topicEnd) : undefined
  const properties = varint(body, topicEnd + (hasId ? 2 : 0))
  if (properties === undefined) throw new Error('malformed PUBLISH')
  return {
    topic: body.toString('utf8', 2, topicEnd),
    packetId,
    mark: markIn(body.subarray(properties.end, properties.end + properties.value)),
  }
}

const userProperty = 0x26
/** Of MQTT 5, those that a PUBLISH may have: how many bytes each takes; the others are texts with their length in front. */
const fixedBytes: Readonly<Record<number, number>> = { 1: 1, 2: 4, 35: 2 }

/** The user property `lineside`: `NODE/UPSTREAM/LEDGER/STREAM/SEQ`. */
function markIn(properties: Buffer): Mark | undefined {
  let at = 0
  const text = (): string => {
    const end = at + 2 + properties.readUInt16BE(at)
    const value = properties.toString('utf8', at + 2, end)
    at = end
    return value
  }
  while (at < properties.length) {
    const id = properties[at] ?? 0
    at += 1
    if (id !== userProperty) {
      if (fixedBytes[id] === undefined) text()
      else at += fixedBytes[id]
      continue
    }
    const [name, value] = [text(), text()]
    const [, stream, seq] = /^([^/]+\/[^/]+\/\d+\/[a-z]+)\/(\d+)$/.exec(value) ?? []
    if (name === 'lineside' && stream !== undefined) return { stream, seq: Number(seq) }
  }
  return undefined
}
