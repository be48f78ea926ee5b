import { type AddressInfo, createServer, type Socket } from 'node:net'

/** A Modbus server that keeps the books of every write: it knows how often it was told which value, and where. */
export class LedgerPlant implements AsyncDisposable {
  readonly port: number
  readonly #server: ReturnType<typeof createServer>
  readonly #sockets: Set<Socket>
  readonly #times: ReadonlyMap<string, number>

  private constructor(server: ReturnType<typeof createServer>, sockets: Set<Socket>, times: ReadonlyMap<string, number>) {
    this.#server = server
    this.#sockets = sockets
    this.#times = times
    this.port = (server.address() as AddressInfo).port
  }

  static async start(): Promise<LedgerPlant> {
    const registers = Buffer.alloc(2 * 65_536)
    const sockets = new Set<Socket>()
    const times = new Map<string, number>()
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => sockets.delete(socket))
      let held = Buffer.alloc(0)
      socket.on('data', (chunk) => {
        held = Buffer.concat([held, chunk])
        while (held.length >= 6 && held.length >= 6 + held.readUInt16BE(4)) {
          const length = 6 + held.readUInt16BE(4)
          const answer = answered(held.subarray(7, length), registers, times)
          const header = Buffer.from(held.subarray(0, 7))
          header.writeUInt16BE(answer.length + 1, 4)
          socket.write(Buffer.concat([header, answer]))
          held = held.subarray(length)
        }
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new LedgerPlant(server, sockets, times)
  }

  /** How often these two registers were told this value. */
  times(register: number, value: number): number {
    return this.#times.get(`${register} ${value}`) ?? 0
  }

  /** Values that these two registers were told. */
  values(register: number): readonly number[] {
    return [...this.#times.keys()].flatMap((key) => (key.startsWith(`${register} `) ? [Number(key.split(' ')[1])] : []))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** Reading and writing of holding registers, two of them one number. */
function answered(pdu: Buffer, registers: Buffer, times: Map<string, number>): Buffer {
  const code = pdu.readUInt8(0)
  const start = pdu.readUInt16BE(1)
  const count = pdu.readUInt16BE(3)
  if (code === 3) return Buffer.concat([Buffer.of(3, 2 * count), registers.subarray(2 * start, 2 * (start + count))])
  if (code !== 16) return Buffer.of(code | 0x80, 1)
  pdu.copy(registers, 2 * start, 6, 6 + 2 * count)
  const key = `${start} ${pdu.readUInt32BE(6)}`
  times.set(key, (times.get(key) ?? 0) + 1)
  return pdu.subarray(0, 5)
}
