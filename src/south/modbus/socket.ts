import { readFile } from 'node:fs/promises'
import { connect, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { Fault } from '../../base/fault.ts'
import { revealSecret } from '../../base/secret.ts'
import { closedByPeer } from './faults.ts'
import type { PemSource, TlsSettings } from './settings.ts'

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

/** Resolves when the socket can be written to; `signal` limits the wait. The socket is the caller's to close. */
export async function untilConnected(
  socket: Socket,
  { peer, event, signal }: { readonly peer: string; readonly event: 'connect' | 'secureConnect'; readonly signal: AbortSignal },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const stop = (): void => reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  socket.once(event, resolve)
  socket.once('error', reject)
  socket.once('close', () => reject(closedByPeer(peer)))
  try {
    await promise
  } finally {
    signal.removeEventListener('abort', stop)
    socket.off('error', reject)
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
export async function tlsOptions(tls: TlsSettings): Promise<ConnectionOptions> {
  const [ca, cert, key] = await Promise.all([pemOf(tls.ca), pemOf(tls.cert), pemOf(tls.key)])
  return {
    minVersion: 'TLSv1.2', // Modbus/TCP Security 36, R-01
    rejectUnauthorized: tls.isVerified,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
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
