import { once } from 'node:events'
import { chmod, lstat, mkdtemp, readdir, rename, rm, unlink } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { Fault } from '../../base/fault.ts'
import { answerClientError } from './errors.ts'

/** What fits into `sockaddr_un`, which holds 108 bytes with the NUL at the end. */
const pathBytesMax = 107
/** With mkdtemp's six letters and `/s` no longer than `lineside.sock`, so that what fits there fits here. */
const hiddenPrefix = '.sock'
const connectionsMax = 64
const requestTimeoutMs = 10_000

/** The API for whoever may enter the state folder: people and programs of the gateway itself, who need no token. */
export interface PrivateSocket extends AsyncDisposable {
  /** Whether a request came by way of this socket. */
  has(socket: object): boolean
}

/**
 * Listens on a Unix socket that its owner alone may open. A socket that a killed gateway has left is replaced; one where somebody listens is not.
 * Throws `api.socket-path`, `api.socket-taken` or `api.socket-unusable`.
 */
export async function startPrivateSocket(
  path: string,
  listener: RequestListener,
  { onMqtt }: { readonly onMqtt?: ((socket: Socket) => void) | undefined } = {},
): Promise<PrivateSocket> {
  const bytes = Buffer.byteLength(path)
  if (bytes > pathBytesMax) throw tooLong(path, bytes)
  await refuseTaken(path)
  const sockets = new WeakSet<object>()
  const upgraded = new Set<Socket>()
  const server = createServer({ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs }, listener)
  server.maxConnections = connectionsMax
  server.on('clientError', answerClientError)
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.on('upgrade', (request, socket: Socket, head: Buffer) => {
    if (request.headers.upgrade !== 'mqtt' || onMqtt === undefined) {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: mqtt\r\n\r\n')
    if (head.length > 0) socket.unshift(head)
    upgraded.add(socket)
    socket.on('close', () => upgraded.delete(socket))
    onMqtt(socket)
  })
  let own: number
  try {
    own = await listenPrivately(path, (hidden) => server.listen(hidden))
  } catch (cause) {
    server.close()
    throw unusable(path, cause)
  }
  return {
    has: (socket) => sockets.has(socket),
    [Symbol.asyncDispose]: async () => {
      for (const socket of upgraded) socket.destroy() // the server knows nothing of them any more
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      const now = await lstat(path).catch(() => undefined)
      if (now?.ino === own) await unlink(path).catch(() => {}) // not the one of our next life
    },
  }
}

/** In a folder that nobody else can enter, and moved to its place when its mode is right: at no moment can another user open it. Gives its inode. */
async function listenPrivately(
  path: string,
  listen: (hidden: string) => ReturnType<ReturnType<typeof createServer>['listen']>,
): Promise<number> {
  await removeLeftovers(dirname(path))
  const folder = await mkdtemp(join(dirname(path), hiddenPrefix))
  try {
    const hidden = join(folder, 's')
    await once(listen(hidden), 'listening')
    await chmod(hidden, 0o600)
    const { ino } = await lstat(hidden)
    await rename(hidden, path)
    return ino
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Of a gateway that was killed in the few milliseconds in which there is one. */
async function removeLeftovers(folder: string): Promise<void> {
  const left = (await readdir(folder)).filter((name) => name.startsWith(hiddenPrefix) && name.length === hiddenPrefix.length + 6)
  for (const name of left) await rm(join(folder, name), { recursive: true, force: true })
}

async function refuseTaken(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket()) throw unusable(path, new Error('it is there, and no socket'))
  if (await isListening(path)) throw taken(path)
}

async function isListening(path: string): Promise<boolean> {
  const socket = connect(path)
  const answer = Promise.withResolvers<boolean>()
  socket.on('connect', () => answer.resolve(true))
  socket.on('error', (error: NodeJS.ErrnoException) => answer.resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'))
  const isThere = await answer.promise
  socket.destroy()
  return isThere
}

function tooLong(path: string, bytes: number): Fault {
  return new Fault('api.socket-path', `The private socket ${path} has a path of ${bytes} bytes, and ${pathBytesMax} are possible.`, {
    remedy: 'Set `storage: { path }` in lineside.yaml to a shorter one; until then, use `--url` on this machine too.',
  })
}

function taken(path: string): Fault {
  return new Fault('api.socket-taken', `Somebody listens on the private socket ${path} already.`, {
    remedy: 'Stop the other Lineside, or give this one a state folder of its own (storage.path in lineside.yaml).',
  })
}

function unusable(path: string, cause: unknown): Fault {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new Fault('api.socket-unusable', `The private socket ${path} cannot be opened: ${why}.`, {
    remedy: 'Look at the state folder: it must be on a local disk, writable, and hold nothing else of that name.',
    cause,
  })
}
