import { readFile } from 'node:fs/promises'
import { connect, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, createSecureContext } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { revealSecret } from '../../base/secret.ts'
import { cannotConnect, closedByPeer } from './faults.ts'
import type { PemSource, TlsSettings } from './settings.ts'
import { handshakeFailed, noHandshake } from './tls-faults.ts'

export interface SocketOptions {
  readonly host: string
  readonly port: number
  readonly tls?: ConnectionOptions
  /** False stops reading. The bytes are only good until it returns. */
  readonly onBytes: (chunk: Buffer) => boolean
}

/** A peer that vanished without a word is noticed by the kernel too, where nothing is asked that could time out. */
const keepAliveDelayMs = 10_000
const receiveBytes = 4_096

/** A socket that has begun to connect. */
export function openSocket({ host, port, tls, onBytes }: SocketOptions): Socket {
  const callback = (sizeBytes: number, buffer: Uint8Array): boolean => onBytes(Buffer.from(buffer.buffer, buffer.byteOffset, sizeBytes))
  // One buffer for the life of the connection: what comes is looked at, and what is kept is copied, before the next read.
  const options = { host, port, onread: { buffer: new Uint8Array(receiveBytes), callback } }
  const socket = tls === undefined ? connect(options) : connectTls({ ...tls, ...options, servername: serverName(host, tls) })
  return socket.setNoDelay(true).setKeepAlive(true, keepAliveDelayMs)
}

export interface ConnectingOptions {
  readonly peer: string
  readonly isTls?: boolean
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** A peer that speaks no TLS mostly waits for more of what it takes for a request. */
const handshakeMs = 4_000

/** Resolves when the socket can be written to; `signal` limits the wait. The socket is the caller's to close. */
export async function untilConnected(socket: Socket, { peer, isTls = false, clock, signal }: ConnectingOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const stop = (): void => reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  using timers = new DisposableStack()
  let isShakingHands = false
  const fail = (error?: unknown): void => reject(isShakingHands ? handshakeFailed(peer, error) : (error ?? closedByPeer(peer)))
  if (isTls) {
    socket.once('connect', () => {
      isShakingHands = true
      timers.use(clock.after(handshakeMs, () => reject(noHandshake(peer, handshakeMs))))
    })
  }
  socket.once(isTls ? 'secureConnect' : 'connect', resolve)
  socket.once('error', fail)
  socket.once('close', () => fail())
  try {
    await promise
  } finally {
    signal.removeEventListener('abort', stop)
    socket.off('error', fail)
  }
}

/** Resolves when it is closed: a device that serves two connections must never see a third because ours was still closing. */
export async function closeSocket(socket: Socket): Promise<void> {
  if (socket.closed) return
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.destroy()
  await closed
}

/** Reads certificates and key at each connecting, so that renewed ones are taken up. */
export async function tlsOptions(tls: TlsSettings, peer: string): Promise<ConnectionOptions> {
  const [ca, cert, key] = await Promise.all([pemOf(tls.ca), pemOf(tls.cert), pemOf(tls.key)])
  const pem = { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) }
  try {
    return {
      secureContext: createSecureContext({ ...pem, minVersion: 'TLSv1.2' }), // the least that Modbus/TCP Security allows
      rejectUnauthorized: tls.isVerified,
      ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    }
  } catch (error) {
    throw cannotConnect(peer, error)
  }
}

/** An IP address is no server name (RFC 6066, 3); the certificate is compared with it all the same. */
function serverName(host: string, { servername }: ConnectionOptions): string {
  return servername ?? (isIP(host) === 0 ? host : '')
}

async function pemOf(source: PemSource | undefined): Promise<string | undefined> {
  if (source === undefined) return undefined
  if (typeof source !== 'string') return revealSecret(source)
  try {
    return await readFile(source, 'utf8')
  } catch (cause) {
    throw new Fault('modbus.tls-file', `The file ${source} cannot be read.`, {
      remedy: 'Check its path and that the user of the daemon may read it.',
      isRetryable: true,
      cause,
    })
  }
}
