import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { MqttLimits } from './config.ts'
import { type Incidents, incidentKinds } from './incidents.ts'
import { TokenBucket } from './token-bucket.ts'
import { guardReading, Wire, type WireOptions } from './wire.ts'

export interface DoorwayOptions {
  readonly limits: MqttLimits
  readonly incidents: Incidents
  readonly clock: Clock
  /** Speaks MQTT with whoever is at the far end. */
  readonly receive: (wire: Wire) => void
}

/** Of all connections since the start, those that stand included. */
export interface Traffic {
  readonly sockets: number
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Whole MQTT packets that came, and those that had to be answered them. */
  readonly packets: number
  readonly replies: number
}

/** From the first byte of TCP to a whole CONNECT, with all handshakes in between. */
const arrivalMs = 10_000
/** An honest client has sent its CONNECT by then, even where a whole plant comes back at once. */
const promptMs = 1_000
/** Beside those who are in and those at the door: who waits for his password to be looked at. */
const sparedMax = 64
/** Addresses whose pace is known; when there are more, the one not seen for longest begins anew. */
const addressesMax = 10_000

/** Where every connection begins, whichever door it uses: how many there may be, how often, and how long one may take to say who it is. */
export class Doorway {
  readonly #options: DoorwayOptions
  readonly #all = new Set<Socket>()
  /** Who has not said yet who he is, the oldest first. By address and port: what TLS makes of a socket is another one. */
  readonly #arriving = new Map<string, { readonly socket: Socket; readonly since: MonotonicMs }>()
  /** Past it, whoever has hung about for longer than is honest makes room; past the second, the oldest in any case. */
  readonly #arrivingMax: { readonly soft: number; readonly hard: number }
  readonly #paces = new Map<string, TokenBucket>()
  readonly #wires = new Map<Duplex, Wire>()
  #gone = { bytesRead: 0, bytesWritten: 0, packets: 0, replies: 0 }
  #sockets = 0

  constructor(options: DoorwayOptions) {
    this.#options = options
    const { clientsMax } = options.limits
    this.#arrivingMax = { soft: Math.max(16, Math.ceil(clientsMax / 4)), hard: clientsMax + 16 }
  }

  /** To be asked for each new socket; false when it was turned away. */
  knock(socket: Socket): boolean {
    const { incidents, clock, limits } = this.#options
    const address = socket.remoteAddress
    this.#sockets += 1
    socket.on('error', () => {}) // some ends come before anybody else listens
    if (address !== undefined && !this.#paceOf(address).takeOne()) {
      incidents.note(incidentKinds.tooOften, { address, connectsPerSecondMax: limits.connectsPerSecondMax })
      socket.destroy()
      return false
    }
    if (this.#all.size >= limits.clientsMax + this.#arrivingMax.hard + sparedMax) {
      incidents.note(incidentKinds.tooMany, { address, clientsMax: limits.clientsMax })
      socket.destroy()
      return false
    }
    const peer = peerOf(socket)
    this.#all.add(socket)
    this.#arriving.set(peer, { socket, since: clock.elapsed() })
    socket.on('close', () => {
      this.#all.delete(socket)
      if (this.#arriving.get(peer)?.socket === socket) this.#arriving.delete(peer)
    })
    if (this.#arriving.size > this.#arrivingMax.soft) this.#crowdOut()
    return true
  }

  /** The handshakes are done: MQTT begins. */
  open(options: WireOptions): void {
    const wire = new Wire(options, this.#options.limits)
    const { stream } = wire
    this.#wires.set(stream, wire)
    stream.on('close', () => this.#forget(wire))
    guardReading(wire, this.#options)
    this.#options.receive(wire)
  }

  wireOf(stream: Duplex): Wire | undefined {
    return this.#wires.get(stream)
  }

  /** Its CONNECT has come. */
  arrived(wire: Wire): void {
    this.#arriving.delete(peerOf(wire.socket))
  }

  /** To be called about once a second. */
  sweep(): void {
    const { incidents, clock } = this.#options
    const now = clock.elapsed()
    for (const { socket, since } of this.#arriving.values()) {
      if (now - since < arrivalMs) break
      incidents.note(incidentKinds.tooSlow, { address: socket.remoteAddress, arrivalMs })
      socket.destroy()
    }
    for (const [address, pace] of this.#paces) if (pace.isFull) this.#paces.delete(address)
  }

  isEmpty(): boolean {
    return this.#wires.values().every(({ unreadBytes }) => unreadBytes === 0)
  }

  closeAll(): void {
    for (const socket of this.#all) socket.destroy()
  }

  traffic(): Traffic {
    const sum = { ...this.#gone, sockets: this.#sockets }
    for (const { socket, gate } of this.#wires.values()) {
      sum.bytesRead += socket.bytesRead
      sum.bytesWritten += socket.bytesWritten
      sum.packets += gate.packets
      sum.replies += gate.replies
    }
    return sum
  }

  #crowdOut(): void {
    const { incidents, clock } = this.#options
    const { soft, hard } = this.#arrivingMax
    for (const [peer, { socket, since }] of this.#arriving) {
      if (this.#arriving.size <= hard && clock.elapsed() - since < promptMs) return
      incidents.note(incidentKinds.crowded, { address: socket.remoteAddress, arrivingMax: soft })
      this.#arriving.delete(peer)
      socket.destroy()
      return
    }
  }

  #forget(wire: Wire): void {
    if (!this.#wires.delete(wire.stream)) return
    this.#gone = {
      bytesRead: this.#gone.bytesRead + wire.socket.bytesRead,
      bytesWritten: this.#gone.bytesWritten + wire.socket.bytesWritten,
      packets: this.#gone.packets + wire.gate.packets,
      replies: this.#gone.replies + wire.gate.replies,
    }
  }

  /** After a switch was restarted everybody comes at once, and may. */
  #paceOf(address: string): TokenBucket {
    const known = this.#paces.get(address)
    if (known !== undefined) return known
    const { clock, limits } = this.#options
    const perSecond = limits.connectsPerSecondMax
    const pace = new TokenBucket({ clock, perSecond, most: perSecond + limits.clientsMax })
    this.#paces.set(address, pace)
    if (this.#paces.size > addressesMax) {
      for (const oldest of this.#paces.keys()) {
        this.#paces.delete(oldest)
        break
      }
    }
    return pace
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
