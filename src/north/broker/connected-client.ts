import type { Client } from 'aedes'
import type { MonotonicMs } from '../../base/clock.ts'
import type { Admitted } from './door-keeper.ts'
import { readAs } from './offered.ts'
import { ValueReader } from './values.ts'
import type { Wire } from './wire.ts'

/** A client may pause, over a bad radio link or in a garbage collection; one whose socket takes nothing for this long is stuck. */
const stallMs = 10_000

export interface ConnectedClientOptions {
  readonly aedes: Client
  /** It has sent no id of its own. */
  readonly isNameless: boolean
  readonly wire: Wire
  readonly admission: Admitted
  readonly now: MonotonicMs
}

/** One client: who it is, what it reads, and whether its connection still moves. */
export class ConnectedClient {
  readonly aedes: Client
  readonly wire: Wire
  readonly admission: Admitted
  /** Of the user, else of the client, else where it comes from. */
  readonly name: string
  readonly reader: ValueReader
  readonly filters = new Set<string>()
  /** It has no session. */
  readonly isPlain: boolean
  /** Messages that are on their way to it through aedes. */
  underway = 0
  /** QoS 1 messages of it that are on their way through aedes. */
  inAedes = 0
  /** Where it was last seen to be allowed to publish. */
  lastOpen = { topic: '', generation: -1 }
  /** Messages that it has got and not acknowledged. */
  unacknowledged = 0
  /** Messages of this client that wait for the disk, and of those of QoS 2 their identifiers. */
  waiting = 0
  readonly unkept = new Set<number>()
  /** It has its CONNACK. */
  isIntroduced = false
  /** Resolves when its last message that a route wants has gone on. */
  lastTapped: Promise<void> | undefined
  /** A message of it was refused: so are all that follow, until it comes back and sends them again. */
  isRefused = false
  #taken = 0
  #movedAt: MonotonicMs

  constructor({ aedes, isNameless, wire, admission, now }: ConnectedClientOptions) {
    this.aedes = aedes
    this.wire = wire
    this.admission = admission
    this.isPlain = aedes.clean
    this.name = admission.name ?? (isNameless ? `anonymous@${wire.address ?? 'nowhere'}` : aedes.id)
    this.reader = new ValueReader(wire.stream)
    this.#movedAt = now
  }

  /** For the log and the journal. */
  get who(): { readonly client: string; readonly user?: string; readonly address: string | undefined } {
    const { name: user } = this.admission
    return { client: this.aedes.id, ...(user === undefined ? {} : { user }), address: this.wire.address }
  }

  mayRead(filter: string): boolean {
    return this.admission.rights.mayRead(readAs(filter))
  }

  /** Whether bytes have waited for a socket that took none of them for too long. Looks at the far side's reading only: its pings prove nothing. */
  isStalled(now: MonotonicMs): boolean {
    const { takenBytes, unreadBytes } = this.wire
    const hasMoved = takenBytes !== this.#taken || unreadBytes === 0
    this.#taken = takenBytes
    if (hasMoved) this.#movedAt = now
    return now - this.#movedAt >= stallMs
  }
}
