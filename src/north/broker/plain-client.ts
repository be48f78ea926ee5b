import type { Duplex } from 'node:stream'
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet'
import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { startLoop } from '../../base/running.ts'

/** A client for a look from the terminal: it does not come back by itself, and keeps nothing. */
export interface PlainClient extends AsyncDisposable {
  /** The filters that were refused. */
  subscribe(filters: readonly string[]): Promise<readonly string[]>
  /** Resolves when the broker has it. */
  publish(message: { readonly topic: string; readonly payload: string; readonly isRetained: boolean }): Promise<void>
  /** Resolves with why, when the connection has ended. */
  readonly ended: Promise<Fault>
}

export interface PlainMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: number
  readonly isRetained: boolean
}

export interface PlainClientOptions {
  readonly stream: Duplex
  readonly clientId: string
  readonly user?: string
  readonly password?: string
  readonly onMessage: (message: PlainMessage) => void
  readonly clock: Clock
}

const answerMs = 10_000
const keepAliveMs = 30_000
const refusals: Readonly<Record<number, string>> = {
  2: 'the client id does not suit it',
  3: 'it has no room just now, or too many wrong passwords came',
  4: 'user name or password is wrong',
  5: 'it lets nobody in like this',
}

/** Speaks MQTT 3.1.1 over a stream that stands. Throws `mqtt.refused` or `daemon.unreachable`. */
export async function connectPlainClient(options: PlainClientOptions): Promise<PlainClient> {
  const { stream, clientId, user, password, clock } = options
  const session = new Session(options)
  const connect: IConnectPacket = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId,
    clean: true,
    keepalive: (2 * keepAliveMs) / 1_000,
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password: Buffer.from(password) }),
  }
  const answer = await session.ask(connect, 'connack')
  const code = answer.cmd === 'connack' ? (answer.returnCode ?? 0) : 0
  if (code !== 0) {
    stream.destroy()
    throw new Fault('mqtt.refused', `The broker refused the connection: ${refusals[code] ?? `code ${code}`}.`, {
      remedy: 'Name a user with --user, or ask on the gateway itself without --url.',
    })
  }
  const pinging = startLoop(async (signal) => {
    while (!signal.aborted) {
      await clock.sleep(keepAliveMs, signal)
      session.send({ cmd: 'pingreq' })
    }
  })
  return {
    ended: session.ended,
    subscribe: async (filters) => {
      const messageId = session.nextId()
      const subscriptions = filters.map((topic) => ({ topic, qos: 0 as const }))
      const suback = await session.ask({ cmd: 'subscribe', messageId, subscriptions }, `suback ${messageId}`)
      const granted: readonly unknown[] = suback.cmd === 'suback' ? suback.granted : []
      return filters.filter((_filter, place) => granted[place] === 128)
    },
    publish: async ({ topic, payload, isRetained }) => {
      const messageId = session.nextId()
      await session.ask({ cmd: 'publish', topic, payload, qos: 1, retain: isRetained, dup: false, messageId }, `puback ${messageId}`)
    },
    [Symbol.asyncDispose]: async () => {
      await pinging[Symbol.asyncDispose]()
      session.send({ cmd: 'disconnect' })
      stream.end()
    },
  }
}

/** One connection: what was asked, and what comes. */
class Session {
  readonly ended: Promise<Fault>
  readonly #options: PlainClientOptions
  readonly #waiting = new Map<string, (packet: Packet) => void>()
  #id = 0

  constructor(options: PlainClientOptions) {
    this.#options = options
    const { stream } = options
    const parsing = parser({ protocolVersion: 4 })
    parsing.on('packet', (packet: Packet) => this.#take(packet))
    parsing.on('error', (error: Error) => stream.destroy(error))
    stream.on('data', (chunk: Buffer) => parsing.parse(chunk))
    this.ended = new Promise((resolve) => {
      let why = 'it closed the connection'
      stream.on('error', ({ message }) => {
        why = message
      })
      stream.on('close', () => resolve(unreachable(why)))
    })
  }

  nextId(): number {
    this.#id += 1
    return this.#id
  }

  send(packet: Packet): void {
    this.#options.stream.write(generate(packet))
  }

  async ask(packet: Packet, answer: string): Promise<Packet> {
    const { promise, resolve, reject } = Promise.withResolvers<Packet>()
    this.#waiting.set(answer, resolve)
    using _timer = this.#options.clock.after(answerMs, () => reject(unreachable(`it has not answered for ${answerMs / 1_000} s`)))
    this.send(packet)
    return await Promise.race([promise, this.ended.then((fault) => Promise.reject(fault))])
  }

  #take(packet: Packet): void {
    if (packet.cmd === 'publish') {
      const { topic, payload, qos, retain } = packet
      this.#options.onMessage({ topic, payload: Buffer.from(payload), qos, isRetained: retain })
      return
    }
    const key = packet.cmd === 'connack' ? 'connack' : `${packet.cmd} ${packet.messageId}`
    const take = this.#waiting.get(key)
    this.#waiting.delete(key)
    take?.(packet)
  }
}

function unreachable(why: string): Fault {
  return new Fault('daemon.unreachable', `The MQTT broker cannot be reached (${why}).`, {
    remedy: 'Start the gateway with `lineside run`, or name the folder of its site with --site, or a broker with --url.',
    isRetryable: true,
  })
}
