import type { SerialPort } from 'serialport'
import type { Clock } from '../../base/clock.ts'
import { cannotOpenPort, portLost } from './faults.ts'
import type { ChannelContext, ChannelListener, RtuChannel } from './rtu-channel.ts'
import type { SerialSettings } from './settings.ts'

/** What this needs of a port of the library `serialport`. */
export type TtyPort = Pick<SerialPort, 'on' | 'write' | 'drain' | 'flush' | 'set' | 'close' | 'isOpen'>

/** Opens a serial port for this process alone. */
export async function openSerialPort(settings: SerialSettings, { clock, signal }: ChannelContext): Promise<RtuChannel> {
  signal.throwIfAborted()
  const port = await openTty(settings)
  const channel = overTty(port, settings, clock)
  try {
    if (settings.rts !== 'unused') await rest(port, settings)
    signal.throwIfAborted()
    return channel
  } catch (error) {
    await channel.close()
    throw cannotOpenPort(settings.path, error)
  }
}

async function openTty({ path, baud, parity, stopBits }: SerialSettings): Promise<SerialPort> {
  // Its binding is native code: a site without serial lines does without it.
  const { SerialPort: Tty } = await import('serialport')
  return await new Promise((resolve, reject) => {
    const port: SerialPort = new Tty({ path, baudRate: baud, parity, stopBits, dataBits: 8, autoOpen: false })
    port.open((error) => (error === null ? resolve(port) : reject(cannotOpenPort(path, error))))
  })
}

/** An open port as a channel. */
export function overTty(port: TtyPort, settings: SerialSettings, clock: Clock): RtuChannel {
  const { path, rts, rtsDelayMs } = settings
  let listener: ChannelListener | undefined
  let loss: unknown
  const ended = (error?: unknown): void => {
    loss = error ?? loss ?? new Error('closed')
    listener?.ended(portLost(path, error))
  }
  const echo = new EchoFilter()
  port.on('data', (chunk: Buffer) => {
    const own = settings.hasEcho ? echo.without(chunk) : chunk
    if (own.length > 0) listener?.bytes(own)
  })
  port.on('error', ended)
  port.on('close', ended)
  const send = async (frame: Buffer): Promise<void> => {
    if (settings.hasEcho) echo.expect(frame)
    await called((done) => void port.write(frame, done))
    await called((done) => port.drain(done))
  }
  return {
    peer: path,
    listen: (to) => {
      listener = to
      if (loss !== undefined) ended(loss)
    },
    flush: () => called((done) => port.flush(done)),
    write: async (frame) => {
      if (rts === 'unused') return await send(frame)
      await called((done) => port.set({ rts: rts === 'send' }, done))
      await clock.sleep(rtsDelayMs)
      await send(frame)
      await clock.sleep(rtsDelayMs)
      await rest(port, settings)
    },
    close: async () => {
      if (port.isOpen) await called((done) => port.close(done)).catch(() => {}) // it is gone, which is what was wanted
    },
  }
}

/** The transceiver listens. */
function rest(port: TtyPort, { rts }: SerialSettings): Promise<void> {
  return called((done) => port.set({ rts: rts !== 'send' }, done))
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

function called(call: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => call((error) => (error ? reject(error) : resolve())))
}
