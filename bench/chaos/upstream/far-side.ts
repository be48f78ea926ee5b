import { connect, createServer, type Server, type Socket } from 'node:net'
import { type Mosquitto, startMosquitto } from '../../mqtt/mosquitto.ts'
import { Judge } from './judge.ts'

/** The broker above, behind a wire at which somebody reads along. */
export class FarSide implements AsyncDisposable {
  readonly judge = new Judge()
  readonly #folder: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #broker: Mosquitto
  #isSwallowing = false

  private constructor(folder: string, server: Server, broker: Mosquitto) {
    this.#folder = folder
    this.#server = server
    this.#broker = broker
    server.on('connection', (socket) => this.#join(socket))
  }

  /** The wire begins at `host`. */
  static async start({ folder, host }: { readonly folder: string; readonly host: string }): Promise<FarSide> {
    const broker = await startMosquitto({ folder })
    const server = createServer({ noDelay: true })
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve))
    return new FarSide(folder, server, broker)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  signal(signal: NodeJS.Signals): void {
    this.#broker.program.kill(signal)
  }

  async killBroker(): Promise<void> {
    this.signal('SIGKILL')
    await this.#broker.program.ended
  }

  /** On its old port, with what it had written to its disk. */
  async startBroker(): Promise<void> {
    this.#broker = await startMosquitto({ folder: this.#folder, port: this.#broker.port })
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Half-open without a network to drop packets in: takes all and passes nothing on. What is swallowed is gone, so those connections never work again. */
  swallow(): void {
    this.#isSwallowing = true
  }

  endSwallowing(): void {
    this.#isSwallowing = false
    this.cut()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#server.close()
    this.signal('SIGCONT')
    await this.#broker[Symbol.asyncDispose]()
  }

  #join(near: Socket): void {
    const far = connect({ port: this.#broker.port, host: '127.0.0.1', noDelay: true })
    const { up, down } = this.judge.watch()
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        if (!this.#isSwallowing) for (const each of [near, far]) each.destroy()
      })
    }
    near.on('data', (bytes: Buffer) => {
      if (this.#isSwallowing) return
      up(bytes)
      far.write(bytes)
    })
    far.on('data', (bytes: Buffer) => {
      if (this.#isSwallowing) return
      down(bytes)
      near.write(bytes)
    })
  }
}
