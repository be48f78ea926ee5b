/** A request as it came. Nothing here is shared with the product. */
export interface Request {
  /** 0 over RTU, which has none. */
  readonly transaction: number
  readonly unit: number
  readonly pdu: Buffer
}

/** What a frame says that is not so. */
export interface Lies {
  readonly transaction?: number
  readonly protocol?: number
  readonly length?: number
  readonly unit?: number
  readonly isCrcWrong?: boolean
}

/** How requests and answers lie in the stream. */
export interface Wire {
  /** The requests that are whole, and what is left of the bytes. */
  take(held: Buffer): { readonly requests: readonly Request[]; readonly rest: Buffer }
  frame(request: Request, pdu: Buffer, lies?: Lies): Buffer
}

/** Modbus Messaging on TCP/IP 1.0b, 3.1.3. */
export const tcpWire: Wire = {
  take: (held) => {
    const requests: Request[] = []
    let rest = held
    while (rest.length >= 8 && rest.length >= 6 + rest.readUInt16BE(4)) {
      const end = 6 + rest.readUInt16BE(4)
      requests.push({ transaction: rest.readUInt16BE(0), unit: rest.readUInt8(6), pdu: Buffer.from(rest.subarray(7, end)) })
      rest = rest.subarray(end)
    }
    return { requests, rest }
  },
  frame: (request, pdu, lies = {}) => {
    const header = Buffer.alloc(7)
    header.writeUInt16BE((lies.transaction ?? request.transaction) & 0xffff, 0)
    header.writeUInt16BE(lies.protocol ?? 0, 2)
    header.writeUInt16BE((lies.length ?? pdu.length + 1) & 0xffff, 4)
    header.writeUInt8((lies.unit ?? request.unit) & 0xff, 6)
    return Buffer.concat([header, pdu])
  },
}

/** Modbus over Serial Line 1.02, 2.5.1. Where bytes make no request, all that has come is passed over, as a unit does after a silence. */
export const rtuWire: Wire = {
  take: (held) => {
    const requests: Request[] = []
    let rest = held
    for (;;) {
      const length = requestBytes(rest)
      if (length === undefined || rest.length < length) return { requests, rest }
      const frame = rest.subarray(0, length)
      if (crc(frame.subarray(0, length - 2)) !== frame.readUInt16LE(length - 2)) return { requests, rest: Buffer.alloc(0) }
      requests.push({ transaction: 0, unit: frame.readUInt8(0), pdu: Buffer.from(frame.subarray(1, length - 2)) })
      rest = rest.subarray(length)
    }
  },
  frame: (request, pdu, lies = {}) => {
    const body = Buffer.concat([Buffer.of((lies.unit ?? request.unit) & 0xff), pdu])
    const sum = Buffer.alloc(2)
    sum.writeUInt16LE(crc(body) ^ (lies.isCrcWrong === true ? 0x0100 : 0))
    return Buffer.concat([body, sum])
  },
}

/** Of the request that begins here; undefined where more must be seen to say. */
function requestBytes(bytes: Buffer): number | undefined {
  const code = bytes[1]
  if (code === undefined) return undefined
  if (code === 15 || code === 16) return bytes[6] === undefined ? undefined : 9 + bytes[6]
  return code === 22 ? 10 : 8
}

function crc(bytes: Buffer): number {
  let sum = 0xffff
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit += 1) sum = (sum & 1) === 1 ? (sum >> 1) ^ 0xa001 : sum >> 1
  }
  return sum
}
