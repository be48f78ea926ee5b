import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from './load-value.ts'

export interface Message {
  readonly topic: string
  readonly payload: string
  /** When its packet was read, CLOCK_MONOTONIC and wall clock. */
  readonly atMs: number
  readonly atEpochMs: number
}

export interface Listener extends AsyncDisposable {
  onMessage(listener: (message: Message) => void): void
}

const retryEveryMs = 5
let clients = 0

/** A QoS 0 subscriber of everything that costs next to nothing, so that what is measured is the broker. Tries until the port opens. */
export async function listenTo(port: number, filter: string, signal: AbortSignal): Promise<Listener> {
  const socket = await connected(port, signal)
  const listeners: ((message: Message) => void)[] = []
  socket.write(subscribePacket(filter))
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    const at = { atMs: monotonicMs(), atEpochMs: Date.now() }
    rest = readPackets(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), (topic, payload) => {
      for (const listener of listeners) listener({ topic, payload, ...at })
    })
  })
  return {
    onMessage: (listener) => void listeners.push(listener),
    [Symbol.asyncDispose]: async () => void socket.destroy(),
  }
}

/** Tries until the port opens; says who it is. */
async function connected(port: number, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    signal.throwIfAborted()
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const attempt = connect(port, '127.0.0.1', () => resolve(attempt))
      attempt.once('error', () => resolve(undefined))
    })
    if (socket === undefined) {
      await sleep(retryEveryMs)
      continue
    }
    clients += 1
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.write(connectPacket(`bench-${process.pid}-${clients}`))
    return socket
  }
}

function connectPacket(clientId: string): Buffer {
  // MQTT 3.1.1, clean session, no keep-alive
  return packet(0x10, Buffer.concat([text('MQTT'), Buffer.from([4, 2, 0, 0]), text(clientId)]))
}

function subscribePacket(filter: string): Buffer {
  return packet(0x82, Buffer.concat([Buffer.from([0, 1]), text(filter), Buffer.from([0])]))
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes])
}

function packet(type: number, body: Buffer): Buffer {
  if (body.length > 127) throw new Error('the bench sends short packets only')
  return Buffer.concat([Buffer.from([type, body.length]), body])
}

/** Hands on every complete PUBLISH; what is left over waits for more. */
function readPackets(bytes: Buffer, onPublish: (topic: string, payload: string) => void): Buffer {
  let start = 0
  for (;;) {
    const length = remainingLength(bytes, start + 1)
    if (length === undefined || length.end + length.value > bytes.length) return bytes.subarray(start)
    const type = bytes[start] ?? 0
    if (type >> 4 === 3) {
      const topicEnd = length.end + 2 + bytes.readUInt16BE(length.end)
      const payloadStart = topicEnd + ((type & 0x06) === 0 ? 0 : 2)
      onPublish(bytes.toString('utf8', length.end + 2, topicEnd), bytes.toString('utf8', payloadStart, length.end + length.value))
    }
    start = length.end + length.value
  }
}

function remainingLength(bytes: Buffer, start: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  for (let index = 0; index < 4; index += 1) {
    const byte = bytes[start + index]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 128 ** index
    if (byte < 128) return { value, end: start + index + 1 }
  }
  throw new Error('malformed MQTT packet')
}
