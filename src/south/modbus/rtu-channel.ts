import type { Clock } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'

export interface ChannelContext {
  readonly clock: Clock
  /** Limits opening. */
  readonly signal: AbortSignal
}

/** Something that takes RTU frames and gives bytes back: a serial port, or a socket to a device server. It is open. */
export interface RtuChannel {
  /** As a person would name the other end. */
  readonly peer: string
  /** Tells what has happened since it was opened, and from then on. Once. */
  listen(listener: ChannelListener): void
  /** Throws away what has come and was not told yet. */
  flush(): Promise<void>
  /** Resolves when the frame is out, as far as that can be known. */
  write(frame: Buffer): Promise<void>
  close(): Promise<void>
}

export interface ChannelListener {
  /** The bytes are only good until it returns. */
  bytes(chunk: Buffer): void
  ended(loss: Fault): void
}
