import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** A request as it came, taken apart by hand: nothing here is shared with the client under test. `transaction` means nothing on RTU. */
export interface RtuRequest {
  readonly transaction: number
  readonly unit: number
  readonly pdu: Buffer
  readonly socket: Socket
}

export interface RtuFaultServer extends AsyncDisposable {
  readonly port: number
  /** All requests so far, over all connections. */
  readonly requests: readonly RtuRequest[]
  readonly sockets: ReadonlySet<Socket>
  /** Connections so far. */
  readonly connections: number
  /** Bytes that were no request. */
  readonly strayBytes: number
}

/** RTU slaves made of raw bytes, behind a socket: directly, or at the far end of a serial line that socat makes. */
export async function startRtuFaultServer(answer: (request: RtuRequest, position: number) => void): Promise<RtuFaultServer> {
  const requests: RtuRequest[] = []
  const sockets = new Set<Socket>()
  const seen = { connections: 0, strayBytes: 0 }
  const server = createServer({ noDelay: true }, (socket) => {
    seen.connections += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    let held = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk])
      for (let frameBytes = lengthOf(held); frameBytes !== undefined && held.length >= frameBytes; frameBytes = lengthOf(held)) {
        const frame = Buffer.from(held.subarray(0, frameBytes))
        held = held.subarray(frameBytes)
        if (bitwiseCrc(frame.subarray(0, -2)) !== frame.readUInt16LE(frameBytes - 2)) seen.strayBytes += frameBytes
        else {
          const request = { transaction: 0, unit: frame.readUInt8(0), pdu: frame.subarray(1, -2), socket }
          answer(request, requests.push(request) - 1)
        }
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    sockets,
    get connections() {
      return seen.connections
    },
    get strayBytes() {
      return seen.strayBytes
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A frame by `unit`, with another CRC where one is given. */
export function rtuFrame(unit: number, pdu: Uint8Array, crc?: number): Buffer {
  const body = Buffer.concat([Buffer.of(unit), pdu])
  const tail = Buffer.alloc(2)
  tail.writeUInt16LE(crc ?? bitwiseCrc(body))
  return Buffer.concat([body, tail])
}

/** Modbus over Serial Line 1.02, appendix B, bit by bit. */
export function bitwiseCrc(bytes: Uint8Array): number {
  let crc = 0xffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >> 1) ^ 0xa001 : crc >> 1
  }
  return crc
}

/** Of the request that begins here. */
function lengthOf(bytes: Buffer): number | undefined {
  if (bytes.length < 8) return undefined
  const code = bytes.readUInt8(1)
  if (code === 15 || code === 16) return 9 + bytes.readUInt8(6)
  return code === 22 ? 10 : 8
}
