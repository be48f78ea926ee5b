import { setImmediate } from 'node:timers/promises'
import { cannotConnect, closedByPeer } from './faults.ts'
import type { ChannelContext, ChannelListener, RtuChannel } from './rtu-channel.ts'
import type { RtuTcpSettings } from './settings.ts'
import { closeSocket, openSocket, untilConnected } from './socket.ts'

/** A socket to a device server that passes bytes on as they are. */
export async function openRtuSocket(
  { host, port }: Pick<RtuTcpSettings, 'host' | 'port'>,
  { clock, signal }: ChannelContext,
): Promise<RtuChannel> {
  signal.throwIfAborted()
  const peer = `${host}:${port}`
  let listener: ChannelListener | undefined
  const socket = openSocket({
    host,
    port,
    onBytes: (chunk) => {
      listener?.bytes(chunk)
      return true
    },
  })
  const ended = (error?: unknown): void => listener?.ended(closedByPeer(peer, error))
  socket.on('error', ended)
  socket.on('end', () => ended())
  socket.on('close', () => ended())
  try {
    await untilConnected(socket, { peer, clock, signal })
  } catch (error) {
    await closeSocket(socket)
    throw cannotConnect(peer, error)
  }
  return {
    peer,
    listen: (to) => {
      listener = to
      if (socket.destroyed) ended()
    },
    flush: untilAllIsRead,
    write: (frame) =>
      new Promise((resolve, reject) => socket.write(frame, (error) => (error ? reject(closedByPeer(peer, error)) : resolve()))),
    close: () => closeSocket(socket),
  }
}

/**
 * When our own process was held up, the kernel holds what came meanwhile. One turn of the event loop reads it all; the turn that is under way may have
 * looked for it already.
 */
async function untilAllIsRead(): Promise<void> {
  await setImmediate()
  await setImmediate()
}
