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

/** One frame as it came; the bytes are only good until the listener returns. */
export interface Frame {
  readonly transaction: number
  readonly unit: number
  readonly pdu: Buffer
}

/** What came is no Modbus, so nothing that follows on this stream can be trusted. */
export class FrameViolation extends Error {}

/** Takes a stream apart into frames, however it was cut. Holds at most one frame. */
export class FrameReader {
  readonly #listener: (frame: Frame) => void
  readonly #held = Buffer.alloc(frameBytesMax)
  #heldBytes = 0

  constructor(listener: (frame: Frame) => void) {
    this.#listener = listener
  }

  /** Throws a FrameViolation; the reader is of no more use then. */
  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) at = this.#heldBytes === 0 ? this.#takeWhole(chunk, at) : this.#takePart(chunk, at)
  }

  /** The usual case: frames that lie in the chunk whole are not copied. */
  #takeWhole(chunk: Buffer, at: number): number {
    if (chunk.length - at < headerBytes) return this.#takePart(chunk, at)
    const frameBytes = frameLength(chunk, at)
    if (chunk.length - at < frameBytes) return this.#takePart(chunk, at)
    this.#tell(chunk, at, frameBytes)
    return at + frameBytes
  }

  #takePart(chunk: Buffer, at: number): number {
    const wantedBytes = this.#heldBytes < headerBytes ? headerBytes : frameLength(this.#held, 0)
    const takenBytes = chunk.copy(this.#held, this.#heldBytes, at, at + wantedBytes - this.#heldBytes)
    this.#heldBytes += takenBytes
    if (this.#heldBytes >= headerBytes && this.#heldBytes === frameLength(this.#held, 0)) {
      const frameBytes = this.#heldBytes
      this.#heldBytes = 0
      this.#tell(this.#held, 0, frameBytes)
    }
    return at + takenBytes
  }

  #tell(bytes: Buffer, at: number, frameBytes: number): void {
    const pdu = bytes.subarray(at + headerBytes, at + frameBytes)
    this.#listener({ transaction: bytes.readUInt16BE(at), unit: bytes.readUInt8(at + 6), pdu })
  }
}

/** Of the whole frame whose header stands at `at`. */
function frameLength(bytes: Buffer, at: number): number {
  const protocol = bytes.readUInt16BE(at + 2)
  if (protocol !== 0) throw new FrameViolation(`protocol id ${protocol} instead of 0`)
  const length = bytes.readUInt16BE(at + 4)
  if (length < lengthMin || length > lengthMax) throw new FrameViolation(`length ${length} instead of ${lengthMin} to ${lengthMax}`)
  return headerBytes - 1 + length
}
