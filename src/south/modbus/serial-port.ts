import type { Clock } from '../../base/clock.ts'
import { cannotOpenPort, portLost } from './faults.ts'
import type { ChannelContext, ChannelListener, RtuChannel } from './rtu-channel.ts'
import type { SerialSettings } from './settings.ts'
import { openTty, type TtyPort } from './tty.ts'

/** Opens a serial port for this process alone. */
export async function openSerialPort(settings: SerialSettings, { clock, signal }: ChannelContext): Promise<RtuChannel> {
  signal.throwIfAborted()
  try {
    const port = await openTty(settings)
    const channel = overTty(port, settings, clock)
    try {
      if (settings.rts !== 'unused') port.setRts(settings.rts === 'send' ? 'low' : 'high')
      signal.throwIfAborted()
      return channel
    } catch (error) {
      await channel.close()
      throw error
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : cannotOpenPort(settings.path, error)
  }
}

/** An open port as a channel. */
export function overTty(port: TtyPort, settings: SerialSettings, clock: Clock): RtuChannel {
  const { path, rts, rtsDelayMs } = settings
  let listener: ChannelListener | undefined
  let isEnded = false
  let isClosed = false
  const echo = new EchoFilter()
  port.listen({
    bytes: (chunk) => {
      const own = settings.hasEcho ? echo.without(chunk) : chunk
      if (own.length > 0) listener?.bytes(own)
    },
    ended: (error) => {
      isEnded = true
      listener?.ended(portLost(path, error))
    },
  })
  return {
    peer: path,
    listen: (to) => {
      listener = to
      if (isEnded) to.ended(portLost(path))
    },
    flush: async () => port.flush(),
    write: async (frame) => {
      if (settings.hasEcho) echo.expect(frame)
      if (rts === 'unused') return await port.write(frame)
      // A transceiver that turns round by RTS: to sending, until the last bit is out, and back.
      port.setRts(rts === 'send' ? 'high' : 'low')
      await clock.sleep(rtsDelayMs)
      await port.write(frame)
      await port.drain()
      await clock.sleep(rtsDelayMs)
      port.setRts(rts === 'send' ? 'low' : 'high')
    },
    close: async () => {
      if (isClosed) return
      isClosed = true
      await port.close()
    },
  }
}

/** Takes out what an adapter hears of its own sending. */
class EchoFilter {
  #expected: Buffer = Buffer.alloc(0)

  expect(frame: Buffer): void {
    this.#expected = frame
  }

  /** Bytes that are not as they were sent are no echo: somebody talked at the same time. */
  without(chunk: Buffer): Buffer {
    const lengthBytes = Math.min(chunk.length, this.#expected.length)
    const isEcho = chunk.subarray(0, lengthBytes).equals(this.#expected.subarray(0, lengthBytes))
    this.#expected = isEcho ? this.#expected.subarray(lengthBytes) : Buffer.alloc(0)
    return isEcho ? chunk.subarray(lengthBytes) : chunk
  }
}
