import { connect, type Socket } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { cannotConnect, noConnection, notOpcua } from './faults.ts'

/** A server far away answers within this; the library would wait for 10 s, and could not say what is wrong. */
const answerMs = 2_000
const connectMs = 5_000
const bufferBytes = 65_535
/** Kinds of answers to the first message: acknowledged, or refused with a reason that the library will tell. */
const answers = ['ACK', 'ERR']

/** Says the first word of OPC UA (OPC 10000-6, 7.1.2.3), and hangs up when it is answered. Rejects with a Fault where whatever listens there does not. */
export async function greetServer(url: string, { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }): Promise<void> {
  signal.throwIfAborted()
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || 4840 })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  socket.on('error', (error) => reject(socket.bytesWritten > 0 ? notOpcua(url) : cannotConnect(url, error)))
  socket.on('close', () => reject(notOpcua(url)))
  listenForAnswer(socket, (kind) => (answers.includes(kind) ? resolve() : reject(notOpcua(url))))
  using timers = new DisposableStack()
  timers.use(clock.after(connectMs, () => socket.connecting && reject(noConnection(url, connectMs))))
  socket.on('connect', () => {
    timers.use(clock.after(answerMs, () => reject(notOpcua(url))))
    socket.write(hello(url))
  })
  try {
    await promise
  } finally {
    signal.removeEventListener('abort', onAbort)
    socket.destroy()
  }
}

/** A server that has not taken us by then is looked at a second time: the library cannot tell one that is slow from what is none. */
const doubtMs = 1_500

/** What `connecting` brings; rejects with a Fault as soon as it is known that whatever listens there is no OPC UA server. */
export async function unlessNotOpcua<Result>(
  connecting: Promise<Result>,
  url: string,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<Result> {
  const done = new AbortController()
  const doubt = Promise.withResolvers<never>()
  doubt.promise.catch(() => {}) // seen below, or nobody waits any more
  connecting.catch(() => {}) // it may fail long after nobody waits for it any more
  const greet = (): void => void greetServer(url, { clock, signal: AbortSignal.any([signal, done.signal]) }).catch(doubt.reject)
  using _timer = clock.after(doubtMs, greet)
  try {
    return await Promise.race([connecting, doubt.promise])
  } finally {
    done.abort()
  }
}

function listenForAnswer(socket: Socket, take: (kind: string) => void): void {
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1', 0, 3)
    if (text.length >= 3) take(text.slice(0, 3))
  })
}

function hello(url: string): Buffer {
  const fields = Buffer.alloc(24)
  for (const [place, value] of [0, bufferBytes, bufferBytes, 0, 0, Buffer.byteLength(url)].entries()) fields.writeUInt32LE(value, place * 4)
  const body = Buffer.concat([fields, Buffer.from(url)])
  const head = Buffer.from('HELF\0\0\0\0', 'latin1')
  head.writeUInt32LE(head.length + body.length, 4)
  return Buffer.concat([head, body])
}
