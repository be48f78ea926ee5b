import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A way to a port of this machine that can be cut, or made half-open: then it takes all and passes nothing on, and nobody is told. */
export interface Cable extends AsyncDisposable {
  readonly port: number
  /** Closes everything, and lets nobody in any more. */
  cut(): void
  freeze(): void
  /** Connections of before stay dead; new ones pass. */
  mend(): void
}

/** `cutsAt`: a connection that says this is closed at once. */
export async function startCable(port: number, { cutsAt }: { readonly cutsAt?: string } = {}): Promise<Cable> {
  const sockets = new Set<Socket>()
  let isFrozen = false
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    let isDead = isFrozen
    const pass = (from: Socket, to: Socket): void => {
      from.on('data', (chunk) => {
        isDead ||= isFrozen
        if (cutsAt !== undefined && chunk.includes(cutsAt)) from.destroy()
        else if (!isDead) to.write(chunk)
      })
      from.on('close', () => {
        sockets.delete(from)
        isDead ||= isFrozen
        if (!isDead) to.destroy()
      })
    }
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
    pass(near, far)
    pass(far, near)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const cut = (): void => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    cut,
    freeze: () => {
      isFrozen = true
    },
    mend: () => {
      isFrozen = false
    },
    [Symbol.asyncDispose]: async () => cut(),
  }
}
