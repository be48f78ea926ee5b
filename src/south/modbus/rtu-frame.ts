import { FrameViolation } from './frame.ts'
import { type Answer, type Ask, readAnswer } from './pdu.ts'

/** Unit, function, one byte more, CRC: Modbus over Serial Line 1.02, 2.5.1. */
const frameBytesMin = 5
const exceptionBytes = 5
const crcBytes = 2
/** Room for the largest frame and for what an answer that came too late may have left before it. */
const heldBytesMax = 512
const exceptionFlag = 0x80

const crcTable = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >> 1) ^ 0xa001 : crc >> 1
  return crc
})

/** CRC-16/MODBUS, which goes over the wire low byte first. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0xffff
  for (const byte of bytes) crc = (crc >> 8) ^ (crcTable[(crc ^ byte) & 0xff] ?? 0)
  return crc
}

export function buildRtuFrame({ unit, pdu }: Pick<Ask, 'unit' | 'pdu'>): Buffer {
  const frame = Buffer.alloc(1 + pdu.length + crcBytes)
  frame[0] = unit
  frame.set(pdu, 1)
  frame.writeUInt16LE(crc16(frame.subarray(0, 1 + pdu.length)), 1 + pdu.length)
  return frame
}

/** Of the frame that answers as it should. */
export function rtuAnswerBytes({ answer }: Pick<Ask, 'answer'>): number {
  return 1 + (answer.kind === 'data' ? 2 : 0) + answer.sizeBytes + crcBytes
}

/**
 * Looks for the answer to one request in whatever comes: RTU has no marks between frames, and a transceiver may add a byte when it turns round.
 * Unit, function, length and CRC must all be right, and a write's echo must be that of this write; everything else is passed over.
 */
export class AnswerFinder {
  readonly ask: Ask
  #held = Buffer.alloc(0)
  #isSpoiled = false
  #receivedBytes = 0

  constructor(ask: Ask) {
    this.ask = ask
  }

  /** A frame of the right form came, and its CRC is wrong. */
  get isSpoiled(): boolean {
    return this.#isSpoiled
  }

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  push(chunk: Uint8Array): Answer | undefined {
    this.#receivedBytes += chunk.length
    const all = Buffer.concat([this.#held, chunk])
    for (let at = 0; at + frameBytesMin <= all.length; at += 1) {
      const answer = all[at] === this.ask.unit ? this.#answerIn(all.subarray(at)) : undefined
      if (answer !== undefined) return answer
    }
    this.#held = all.subarray(-heldBytesMax)
    return undefined
  }

  #answerIn(bytes: Buffer): Answer | undefined {
    const frameBytes = this.#lengthOf(bytes)
    if (frameBytes === undefined || bytes.length < frameBytes) return undefined
    const end = frameBytes - crcBytes
    if (crc16(bytes.subarray(0, end)) !== bytes.readUInt16LE(end)) {
      this.#isSpoiled = true
      return undefined
    }
    try {
      return readAnswer(this.ask, bytes.subarray(1, end))
    } catch (error) {
      if (error instanceof FrameViolation) return undefined
      throw error
    }
  }

  #lengthOf(bytes: Buffer): number | undefined {
    const { pdu, answer } = this.ask
    const asked = pdu[0] ?? 0
    if (bytes[1] === (asked | exceptionFlag)) return exceptionBytes
    if (bytes[1] !== asked || (answer.kind === 'data' && bytes[2] !== answer.sizeBytes)) return undefined
    return rtuAnswerBytes(this.ask)
  }
}
