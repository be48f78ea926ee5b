import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../base/clock.ts'
import type { MqttLimits } from './config.ts'
import { type Incidents, incidentKinds } from './incidents.ts'
import { Outgoing } from './outgoing.ts'
import { PacketGate } from './packet-gate.ts'
import { TokenBucket } from './token-bucket.ts'

export type DoorName = 'tcp' | 'tls' | 'websocket' | 'private'

export interface WireOptions {
  readonly door: DoorName
  /** What carries the bytes. */
  readonly socket: Socket
  /** What speaks MQTT: the socket itself, or what is inside its WebSocket. */
  readonly stream?: Duplex
  /** Names in a client certificate that our authority has signed. */
  readonly certificate?: readonly string[]
}

/** One connection, whichever door it came through. */
export class Wire {
  readonly door: DoorName
  readonly socket: Socket
  readonly stream: Duplex
  readonly certificate: readonly string[]
  readonly gate: PacketGate
  readonly outgoing: Outgoing

  constructor({ door, socket, stream = socket, certificate = [] }: WireOptions, limits: MqttLimits) {
    this.door = door
    this.socket = socket
    this.stream = stream
    this.certificate = certificate
    this.gate = new PacketGate({ packetBytesMax: limits.packetBytesMax })
    this.outgoing = new Outgoing(stream)
  }

  get address(): string | undefined {
    return this.socket.remoteAddress
  }

  /** Bytes that wait for the far side to read. */
  get unreadBytes(): number {
    return this.outgoing.length + this.stream.writableLength + (this.stream === this.socket ? 0 : this.socket.writableLength)
  }

  /** Bytes that the kernel has taken so far. */
  get takenBytes(): number {
    return this.socket.bytesWritten - this.socket.writableLength
  }

  destroy(): void {
    this.stream.destroy()
    this.socket.destroy()
  }
}

export interface Guarding {
  readonly limits: MqttLimits
  readonly incidents: Incidents
  readonly clock: Clock
}

/** Bytes looked at in one go are so many that even of the smallest packets they bring no more than about a second's worth. */
const readBytesMin = 256

/**
 * aedes takes its bytes by `read`: the one place where they can be looked at before its parser gathers them. A packet that is too large ends the
 * connection; who sends too fast is not read for a while, so that its own socket slows it down.
 */
export function guardReading(wire: Wire, { limits, incidents, clock }: Guarding): void {
  const { stream, gate, address } = wire
  const read = stream.read.bind(stream)
  const pace = new TokenBucket({ clock, perSecond: limits.packetsPerSecondMax, most: limits.packetsPerSecondMax })
  const readBytesMax = Math.max(readBytesMin, limits.packetsPerSecondMax)
  let isPaused = false
  const goOn = (): void => {
    if (!isPaused && !stream.destroyed) stream.emit('readable')
  }
  stream.read = (size?: number): unknown => {
    if (size === 0) return read(0) // Node's own way to begin
    if (isPaused) return null
    const isPart = stream.readableLength > readBytesMax
    const chunk: unknown = read(isPart ? readBytesMax : size)
    if (isPart) setImmediate(goOn) // half a packet makes aedes ask for nothing
    if (!(chunk instanceof Uint8Array)) return chunk
    const before = gate.packets
    if (!gate.admits(chunk)) {
      const { refusedTopic: topic } = gate
      incidents.note(incidentKinds.tooLarge, { address, packetBytesMax: limits.packetBytesMax, ...(topic === undefined ? {} : { topic }) })
      wire.destroy()
      return null
    }
    const waitMs = pace.take(gate.packets - before)
    if (waitMs > 0) {
      isPaused = true
      incidents.note(incidentKinds.tooFast, { address, packetsPerSecondMax: limits.packetsPerSecondMax })
      clock.after(waitMs, () => {
        isPaused = false
        goOn()
      })
    }
    return chunk
  }
}
