import type { Socket } from 'node:net'
import type { Client } from 'aedes'
import type { MonotonicMs } from '../../base/clock.ts'
import type { Role } from '../../model/tag.ts'
import { ValueReader } from './values.ts'

/** A client may pause, over a bad radio link or in a garbage collection; one whose socket takes nothing for this long is stuck. */
const stallMs = 10_000

/** One connection: who it is, what it reads, and whether its socket still moves. */
export class ConnectedClient {
  readonly aedes: Client
  readonly socket: Socket
  readonly role: Role
  readonly name: string
  readonly reader: ValueReader
  readonly filters = new Set<string>()
  #taken = 0
  #movedAt: MonotonicMs

  constructor(options: {
    readonly aedes: Client
    readonly socket: Socket
    readonly role: Role
    readonly name: string
    readonly now: MonotonicMs
  }) {
    this.aedes = options.aedes
    this.socket = options.socket
    this.role = options.role
    this.name = options.name
    this.reader = new ValueReader(options.socket)
    this.#movedAt = options.now
  }

  /** Whether bytes have waited for a socket that took none of them for too long. Looks at the far side's reading only: its pings prove nothing. */
  isStalled(now: MonotonicMs): boolean {
    const taken = this.socket.bytesWritten - this.socket.writableLength
    const hasMoved = taken !== this.#taken || this.socket.writableLength === 0
    this.#taken = taken
    if (hasMoved) this.#movedAt = now
    return now - this.#movedAt >= stallMs
  }
}
