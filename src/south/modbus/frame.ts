/** Transaction id, protocol id, length, unit: Modbus Messaging on TCP/IP 1.0b, 3.1.3. */
const headerBytes = 7
/** Unit and at least a function code; at most unit and the 253 bytes of the largest PDU. */
const lengthMin = 2
const lengthMax = 254
const frameBytesMax = headerBytes - 1 + lengthMax

export interface FramePlan {
  readonly transaction: number
  readonly unit: number
  readonly pdu: Uint8Array
}

/** Frames for one write to the socket, in order. */
export function buildFrames(plans: readonly FramePlan[]): Buffer {
  let sizeBytes = 0
  for (const { pdu } of plans) sizeBytes += headerBytes + pdu.length
  const bytes = Buffer.allocUnsafe(sizeBytes)
  let at = 0
  for (const { transaction, unit, pdu } of plans) {
    bytes.writeUInt16BE(transaction, at)
    bytes.writeUInt16BE(0, at + 2)
    bytes.writeUInt16BE(pdu.length + 1, at + 4)
    bytes[at + 6] = unit
    bytes.set(pdu, at + headerBytes)
    at += headerBytes + pdu.length
  }
  return bytes
}

/** One frame as it came; the bytes are only good until the reader gets more. */
export interface Frame {
  readonly transaction: number
  readonly unit: number
  readonly pdu: Buffer
}

/** What came is no Modbus, so nothing that follows on this stream can be trusted. */
export class FrameViolation extends Error {}

/** Takes a stream apart into frames, however it was cut. Holds at most one frame. */
export class FrameReader {
  readonly #held = Buffer.alloc(frameBytesMax)
  #heldBytes = 0

  /** Whose frame has begun and not ended. */
  get begunTransaction(): number | undefined {
    return this.#heldBytes < 2 ? undefined : this.#held.readUInt16BE(0)
  }

  /** The frames that are whole now. Throws a FrameViolation; the reader is of no more use then. */
  push(chunk: Buffer): readonly Frame[] {
    const frames: Frame[] = []
    let at = 0
    while (at < chunk.length) at = this.#heldBytes === 0 ? this.#takeWhole(chunk, at, frames) : this.#takePart(chunk, at, frames)
    return frames
  }

  /** The usual case: frames that lie in the chunk whole are not copied. */
  #takeWhole(chunk: Buffer, at: number, frames: Frame[]): number {
    const leftBytes = chunk.length - at
    const frameBytes = leftBytes < headerBytes ? headerBytes : frameLength(chunk.subarray(at))
    if (leftBytes < frameBytes) return this.#takePart(chunk, at, frames)
    frames.push(frameOf(chunk.subarray(at, at + frameBytes)))
    return at + frameBytes
  }

  #takePart(chunk: Buffer, at: number, frames: Frame[]): number {
    const wantedBytes = this.#heldBytes < headerBytes ? headerBytes : frameLength(this.#held)
    const takenBytes = chunk.copy(this.#held, this.#heldBytes, at, at + wantedBytes - this.#heldBytes)
    this.#heldBytes += takenBytes
    if (this.#heldBytes >= headerBytes && this.#heldBytes === frameLength(this.#held)) {
      frames.push(frameOf(Buffer.from(this.#held.subarray(0, this.#heldBytes))))
      this.#heldBytes = 0
    }
    return at + takenBytes
  }
}

function frameOf(bytes: Buffer): Frame {
  return { transaction: bytes.readUInt16BE(0), unit: bytes.readUInt8(6), pdu: bytes.subarray(headerBytes) }
}

/** Of the whole frame that begins with these bytes. */
function frameLength(bytes: Buffer): number {
  const protocol = bytes.readUInt16BE(2)
  if (protocol !== 0) throw new FrameViolation(`protocol id ${protocol} instead of 0`)
  const length = bytes.readUInt16BE(4)
  if (length < lengthMin || length > lengthMax) throw new FrameViolation(`length ${length} instead of ${lengthMin} to ${lengthMax}`)
  return headerBytes - 1 + length
}
