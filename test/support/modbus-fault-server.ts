import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** A request as it came, taken apart by hand: nothing here is shared with the client under test. */
export interface RawRequest {
  readonly transaction: number
  readonly unit: number
  readonly pdu: Buffer
  readonly socket: Socket
}

export interface FaultServer extends AsyncDisposable {
  readonly port: number
  /** All requests so far, over all connections. */
  readonly requests: readonly RawRequest[]
  readonly sockets: ReadonlySet<Socket>
  /** Connections so far. */
  readonly connections: number
}

/** A Modbus TCP server made of raw bytes: `answer` decides what is said to each request, or that nothing is. */
export async function startFaultServer(answer: (request: RawRequest, position: number) => void): Promise<FaultServer> {
  const requests: RawRequest[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer({ noDelay: true }, (socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    let held = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk])
      while (held.length >= 7 && held.length >= 6 + held.readUInt16BE(4)) {
        const end = 6 + held.readUInt16BE(4)
        const request = { transaction: held.readUInt16BE(0), unit: held.readUInt8(6), pdu: Buffer.from(held.subarray(7, end)), socket }
        held = held.subarray(end)
        answer(request, requests.push(request) - 1)
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
      return connections
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

export interface HeaderLies {
  readonly transaction?: number
  readonly protocol?: number
  readonly length?: number
  readonly unit?: number
}

/** An answer to `request`, true but for the lies. */
export function frameFor(request: RawRequest, pdu: Buffer, lies: HeaderLies = {}): Buffer {
  const header = Buffer.alloc(7)
  header.writeUInt16BE(lies.transaction ?? request.transaction, 0)
  header.writeUInt16BE(lies.protocol ?? 0, 2)
  header.writeUInt16BE(lies.length ?? pdu.length + 1, 4)
  header.writeUInt8(lies.unit ?? request.unit, 6)
  return Buffer.concat([header, pdu])
}

/** Each register holds its own address and each bit is odd or even like its own, so that a value tells where it came from; writes are echoed. */
export function truth({ pdu }: RawRequest): Buffer {
  const [code = 0] = pdu
  const start = pdu.readUInt16BE(1)
  const count = pdu.readUInt16BE(3)
  if (code === 3 || code === 4) {
    const data = Buffer.alloc(2 + 2 * count)
    data[0] = code
    data[1] = 2 * count
    for (let place = 0; place < count; place += 1) data.writeUInt16BE((start + place) & 0xffff, 2 + 2 * place)
    return data
  }
  if (code === 1 || code === 2) {
    const data = Buffer.alloc(2 + Math.ceil(count / 8))
    data[0] = code
    data[1] = data.length - 2
    for (let place = 0; place < count; place += 1)
      if ((start + place) % 2 === 1) data[2 + (place >> 3)] = (data[2 + (place >> 3)] ?? 0) | (1 << (place & 7))
    return data
  }
  return code === 22 ? Buffer.from(pdu) : Buffer.from(pdu.subarray(0, 5))
}

export function exception({ pdu }: RawRequest, code: number): Buffer {
  return Buffer.of((pdu[0] ?? 0) | 0x80, code)
}

export function honestly(request: RawRequest): void {
  request.socket.write(frameFor(request, truth(request)))
}

/** A read of `count` registers as the reader of a test expects it from `truth`. */
export function registersFrom(start: number, count: number): Buffer {
  const data = Buffer.alloc(2 * count)
  for (let place = 0; place < count; place += 1) data.writeUInt16BE(start + place, 2 * place)
  return data
}
