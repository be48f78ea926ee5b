/** One PUBLISH as it stands in bytes: from the fixed header to the end of its payload. */
export interface PublishBytes {
  readonly bytes: Buffer
  readonly start: number
  /** Behind the fixed header. */
  readonly bodyStart: number
  readonly topicEnd: number
  readonly end: number
  /** Whether a packet identifier stands behind the topic. */
  readonly hasId: boolean
}

/** Header, remaining length and packet identifier at the most. */
export const publishOverheadMax = 7

/** MQTT 2.2.3: seven bits a byte, least first. Returns the place behind it. */
export function writeRemainingLength(target: Uint8Array, offset: number, length: number): number {
  let place = offset
  let rest = length
  do {
    const more = rest > 127 ? 0x80 : 0
    target[place] = (rest & 0x7f) | more
    rest = Math.floor(rest / 128)
    place += 1
  } while (rest > 0)
  return place
}

/** Made of its parts, without an identifier. */
export function publishBytes(topic: string, payload: string | Uint8Array): PublishBytes {
  const topicBytes = Buffer.byteLength(topic)
  const payloadBytes = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
  const bytes = Buffer.allocUnsafe(publishOverheadMax + 2 + topicBytes + payloadBytes)
  bytes[0] = 0x30
  const bodyStart = writeRemainingLength(bytes, 1, 2 + topicBytes + payloadBytes)
  bytes.writeUInt16BE(topicBytes, bodyStart)
  const topicEnd = bodyStart + 2 + bytes.write(topic, bodyStart + 2)
  if (typeof payload === 'string') bytes.write(payload, topicEnd)
  else bytes.set(payload, topicEnd)
  return { bytes, start: 0, bodyStart, topicEnd, end: topicEnd + payloadBytes, hasId: false }
}

/** Writes it to `target` at `offset`, live (neither retained nor repeated); returns the place behind it. */
export function copyPublish(
  target: Buffer,
  offset: number,
  { packet, packetId }: { readonly packet: PublishBytes; readonly packetId?: number },
): number {
  const { bytes, start, bodyStart, topicEnd, end, hasId } = packet
  const isWithId = packetId !== undefined
  let place = offset
  if (hasId === isWithId) {
    bytes.copy(target, offset, start, end)
    place += topicEnd - start
    if (packetId !== undefined) target.writeUInt16BE(packetId, place)
    target[offset] = isWithId ? 0x32 : 0x30
    return offset + end - start
  }
  target[offset] = isWithId ? 0x32 : 0x30
  place = writeRemainingLength(target, offset + 1, end - bodyStart + (isWithId ? 2 : -2))
  place += bytes.copy(target, place, bodyStart, topicEnd)
  if (packetId !== undefined) place = target.writeUInt16BE(packetId, place)
  return place + bytes.copy(target, place, hasId ? topicEnd + 2 : topicEnd, end)
}
