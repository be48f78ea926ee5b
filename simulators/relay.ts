import { connect, createServer, type Server, type Socket } from 'node:net'
import type { PlantFault } from './faults.ts'

/** Stands between a device's public port and its real server, so that it can do to the bytes what no server library would. */
export interface Relay extends AsyncDisposable {
  readonly port: number
  /** What happens to the bytes from now on; undefined: they pass. */
  setFault(fault: PlantFault | undefined): void
  /** Nobody listens any more, and who was connected no longer is. */
  close(): Promise<void>
  /** Listens again, on the same port. */
  open(): Promise<void>
}

export interface RelayOptions {
  readonly port: number
  /** `modbus` sees requests; `stream` sees bytes. */
  readonly framing: 'modbus' | 'stream'
  /** The port of the real server on this machine. While there is none yet, clients are kept waiting. */
  readonly serverPort: () => Promise<number>
}

const host = '127.0.0.1'
const clientsMax = 64
const garbage = Buffer.from('a55a0000ffff0042', 'hex')

export async function startRelay(options: RelayOptions): Promise<Relay> {
  const clients = new Set<Client>()
  let fault: PlantFault | undefined
  let port = options.port
  const server = createServer({ noDelay: true }, (socket) => {
    const client = new Client(socket, options, () => fault)
    clients.add(client)
    socket.once('close', () => clients.delete(client))
  })
  server.maxConnections = clientsMax
  const dropAll = () => {
    for (const client of clients) client.hangUp()
  }
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    dropAll()
    if (server.listening) await closed
  }
  const open = async () => {
    if (!server.listening) port = await listen(server, port)
  }
  await open()
  return {
    get port() {
      return port
    },
    setFault: (next) => {
      fault = next
      if (fault?.kind === 'drop') dropAll()
      for (const client of clients) client.faultChanged()
    },
    close,
    open,
    [Symbol.asyncDispose]: close,
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host }, () => {
      server.off('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

/** One client and its own connection to the real server. */
class Client {
  readonly #socket: Socket
  readonly #options: RelayOptions
  readonly #fault: () => PlantFault | undefined
  #server: Socket | undefined
  #unread = Buffer.alloc(0)

  constructor(socket: Socket, options: RelayOptions, fault: () => PlantFault | undefined) {
    this.#socket = socket
    this.#options = options
    this.#fault = fault
    socket.on('error', () => {})
    socket.once('close', () => this.#server?.destroy())
    this.#meet().catch(() => this.hangUp())
  }

  hangUp(): void {
    this.#socket.destroy()
    this.#server?.destroy()
  }

  /** A hung server reads nothing; its bytes wait in the network until it wakes up. */
  faultChanged(): void {
    if (this.#options.framing !== 'stream') return
    const isHung = this.#fault()?.kind === 'silence'
    for (const socket of [this.#socket, this.#server]) isHung ? socket?.pause() : socket?.resume()
  }

  async #meet(): Promise<void> {
    const port = await this.#options.serverPort()
    if (this.#socket.destroyed) return
    const server = connect({ host, port, noDelay: true })
    this.#server = server
    server.on('error', () => {})
    server.once('close', () => this.#socket.destroy())
    this.#socket.on('data', (bytes: Buffer) => this.#fromClient(bytes))
    server.on('data', (bytes: Buffer) => this.#fromServer(bytes))
    this.faultChanged()
  }

  #fromClient(bytes: Buffer): void {
    if (this.#options.framing === 'modbus') {
      this.#unread = Buffer.concat([this.#unread, bytes])
      for (let frame = this.#nextFrame(); frame !== undefined; frame = this.#nextFrame()) this.#request(frame)
    } else {
      this.#request(bytes)
    }
  }

  #nextFrame(): Buffer | undefined {
    if (this.#unread.length < 8) return undefined
    const length = 6 + this.#unread.readUInt16BE(4)
    if (length < 8 || length > 260) {
      this.hangUp() // no Modbus
      return undefined
    }
    if (this.#unread.length < length) return undefined
    const frame = this.#unread.subarray(0, length)
    this.#unread = this.#unread.subarray(length)
    return frame
  }

  #request(frame: Buffer): void {
    const fault = this.#fault()
    const isModbus = this.#options.framing === 'modbus'
    if (fault?.kind === 'drop') this.hangUp()
    else if (fault?.kind === 'garbage') this.#socket.write(garbage)
    else if (fault?.kind === 'exception' && isModbus) this.#socket.write(exceptionTo(frame, fault.code))
    else if (!(fault?.kind === 'silence' && isModbus)) forward(frame, this.#socket, this.#server)
  }

  #fromServer(bytes: Buffer): void {
    const fault = this.#fault()
    if (fault?.kind === 'silence' && this.#options.framing === 'modbus') return
    if (fault?.kind === 'late') setTimeout(() => forward(bytes, this.#server, this.#socket), fault.ms)
    else forward(bytes, this.#server, this.#socket)
  }
}

function forward(bytes: Buffer, from: Socket | undefined, to: Socket | undefined): void {
  if (to === undefined || to.destroyed || to.write(bytes)) return
  from?.pause()
  to.once('drain', () => from?.resume())
}

/** Transaction, protocol, length 3, unit, function with its top bit, code. */
function exceptionTo(request: Buffer, code: number): Buffer {
  const answer = Buffer.from(request.subarray(0, 9))
  answer.writeUInt16BE(3, 4)
  return Buffer.concat([answer.subarray(0, 7), Buffer.from([request.readUInt8(7) | 0x80, code & 0xff])])
}
