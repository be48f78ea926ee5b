import type { Clock, MonotonicMs } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { OutboxRow } from '../../store/contract.ts'
import type { Acknowledged } from './acknowledged.ts'
import { Bell } from './bell.ts'
import type { Refusal, UpstreamConnection } from './connection.ts'
import type { UpstreamPacket } from './format.ts'
import type { LaneSource, Lanes } from './lanes.ts'
import type { Tally } from './tally.ts'

/** The part of the store that an upstream needs. */
export interface Outbox extends LaneSource {
  remove(ids: readonly number[], outcome?: 'sent' | 'refused'): Promise<unknown>
  /** Calls back after rows have been committed. */
  onAccepted(listener: () => void): Disposable
}

export interface SendingOptions {
  readonly connection: Pick<UpstreamConnection, 'publish' | 'packetBytesMax'>
  /** Rejects with the Fault with which the connection ended. */
  readonly failure: Promise<never>
  readonly outbox: Pick<Outbox, 'onAccepted'>
  readonly lanes: Lanes
  readonly hello: UpstreamPacket
  /** Undefined where the row makes no packet. */
  readonly packet: (row: OutboxRow) => UpstreamPacket | undefined
  readonly acknowledged: Acknowledged
  readonly refused: Acknowledged
  readonly tally: Tally
  readonly inflightMax: number
  /** How long the far broker may owe acknowledgements without giving one. */
  readonly silenceMs: number
  readonly clock: Clock
  readonly log: Log
}

type RowName = Pick<OutboxRow, 'id' | 'subject'>

/** Looks into the outbox even if nobody rang: a store that was restarted tells of nothing older. */
const lookPauseMs = 5_000
const retryPauseMs = 500
const settlePauseMs = 20
/** While a backlog waits for its pace: what goes at once afterwards is in the way of a live value that comes meanwhile. */
const pacePauseMs = 5
/** Rows remembered as sent and not acknowledged: those that were dropped meanwhile are never heard of again. */
const underwayMax = 10_000
const quotaExceeded = 0x97
const notAuthorized = 0x87
/** So many that are forbidden, or for so long, and none that was taken: then it is the client that is unwelcome, and not its messages. */
const forbiddenMax = 5_000
const forbiddenMs = { whileMoreGoes: 5_000, whileNothingGoes: 1_000 } as const
/** Of a PUBLISH beside topic and payload: header, packet id, properties. */
const packetOverheadBytes = 200

/** The outbox on its way up one connection, until the connection is lost. */
export class Sending {
  readonly #options: SendingOptions
  readonly #bell: Bell
  /** Sent over an earlier connection, and not acknowledged there. */
  readonly #sentBefore: ReadonlySet<number>
  /** Forbidden, as long as this connection has not brought anything else up. */
  readonly #forbidden: { readonly row: RowName; readonly why: string }[] = []
  #forbiddenAt: MonotonicMs | undefined
  #hasBroughtAny = false
  #isOver = false
  #isFailing = false
  #lost: unknown

  constructor(options: SendingOptions) {
    this.#options = options
    this.#bell = new Bell(options.clock)
    this.#sentBefore = options.tally.underway
    options.tally.heardAt = options.clock.elapsed()
  }

  /** Ends when the signal says so; throws the Fault with which the connection ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { failure, outbox, lanes, hello, acknowledged, refused, tally } = this.#options
    failure.catch((error: unknown) => this.#lose(error))
    using _accepted = outbox.onAccepted(() => {
      lanes.wake()
      this.#bell.ring()
    })
    tally.inflight = 0
    tally.underway = new Set(this.#sentBefore.size > underwayMax ? [] : this.#sentBefore)
    this.#publish(hello, () => {})
    try {
      // Else rows of the last connection that were acknowledged, but are still in the outbox, would be sent again.
      while (!signal.aborted && !(acknowledged.isSettled && refused.isSettled)) await this.#rest(settlePauseMs, signal)
      while (!signal.aborted) await this.#turn(signal)
    } finally {
      this.#isOver = true // acknowledgements that are still on their way count for nothing: those rows are sent again
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { tally, inflightMax, acknowledged, refused, lanes, silenceMs } = this.#options
    while (!this.#isLost() && tally.inflight < inflightMax && !acknowledged.isFull && !refused.isFull) {
      const row = lanes.take(inflightMax - tally.inflight)
      if (row !== undefined) this.#send(row)
      else if (!(await this.#fill(signal))) break
    }
    const idleMs = this.#forbidden.length > 0 ? forbiddenMs.whileNothingGoes : Math.min(lookPauseMs, silenceMs / 4)
    await this.#rest(lanes.isApart ? pacePauseMs : idleMs, signal)
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isLost()) await this.#bell.wait(ms, signal)
    if (this.#isLost()) throw this.#lost
    this.#listen()
  }

  #lose(error: unknown): void {
    this.#lost ??= error
    this.#bell.ring()
  }

  #isLost(): boolean {
    return this.#lost !== undefined
  }

  /** False where there is nothing to send now. */
  async #fill(signal: AbortSignal): Promise<boolean> {
    const { lanes, log, clock } = this.#options
    try {
      const hasMore = await lanes.fill()
      this.#isFailing = false
      return hasMore
    } catch (error) {
      if (!this.#isFailing) log.warn('The outbox cannot be read now.', errorFields(error))
      this.#isFailing = true
      await clock.sleep(retryPauseMs, signal).catch(() => {})
      return false
    }
  }

  #send(row: OutboxRow): void {
    const { tally, acknowledged, connection } = this.#options
    const packet = this.#options.packet(row)
    const why = packet === undefined ? 'it makes no message' : tooLarge(packet, connection.packetBytesMax)
    if (packet === undefined || why !== undefined) {
      this.#refuse(row, why ?? '')
      return
    }
    if (this.#sentBefore.has(row.id)) tally.resent += 1
    tally.underway.add(row.id)
    this.#publish(packet, (refusal) => {
      tally.underway.delete(row.id)
      if (refusal !== undefined) return this.#refused(row, refusal)
      tally.acknowledged += 1
      acknowledged.add(row.id)
      this.#hasBroughtAny = true
      for (const { row, why } of this.#forbidden.splice(0)) this.#refuse(row, why)
    })
  }

  /** Who may publish nothing at all has been given no rights yet, or lost them by mistake: his rows wait until that is mended. */
  #refused(row: OutboxRow, { code, message }: Refusal): void {
    if (code !== notAuthorized || this.#hasBroughtAny) this.#refuse(row, message)
    else {
      this.#forbidden.push({ row: { id: row.id, subject: row.subject }, why: message })
      this.#forbiddenAt ??= this.#options.clock.elapsed()
    }
  }

  #isForbidden(): boolean {
    const { tally, clock } = this.#options
    if (this.#forbidden.length === 0 || this.#forbiddenAt === undefined) return false
    const patienceMs = tally.inflight === 0 ? forbiddenMs.whileNothingGoes : forbiddenMs.whileMoreGoes
    return this.#forbidden.length >= forbiddenMax || clock.elapsed() - this.#forbiddenAt >= patienceMs
  }

  /** What the far broker will never take must not stand in the way of the rest for ever. */
  #refuse(row: RowName, why: string): void {
    const { tally, refused, log } = this.#options
    tally.unsendable += 1
    if (tally.unsendable === 1 || tally.unsendable % 1_000 === 0) {
      const subject = row.subject.slice(0, 200)
      log.error('A row of the outbox cannot be sent and is taken out.', { id: row.id, subject, why, count: tally.unsendable })
    }
    refused.add(row.id)
  }

  #publish(packet: UpstreamPacket, onAnswer: (refusal?: Refusal) => void): void {
    const { tally, connection, clock } = this.#options
    if (tally.inflight === 0) tally.heardAt = clock.elapsed()
    tally.inflight += 1
    connection.publish(packet, (refusal) => {
      if (this.#isOver) return
      tally.inflight -= 1
      tally.heardAt = clock.elapsed()
      if (refusal?.code === quotaExceeded) return this.#lose(isFull(refusal))
      onAnswer(refusal)
      this.#bell.ring()
    })
  }

  /** A half-open connection takes all and answers nothing; TCP itself would notice after a quarter of an hour. */
  #listen(): void {
    const { tally, clock, silenceMs, lanes } = this.#options
    if (this.#isForbidden()) throw forbidden(this.#forbidden[0]?.why ?? '')
    const quietMs = clock.elapsed() - tally.heardAt
    if (quietMs > lookPauseMs || this.#isFailing) lanes.wake()
    if (tally.inflight === 0 || quietMs < silenceMs) return
    throw new Fault(
      'upstream.silent',
      `The upstream broker owes ${tally.inflight} acknowledgements and has given none for ${Math.round(quietMs)} ms.`,
      {
        remedy: 'Nothing is lost; it is called again. If this comes back, look at the load of that broker and at the network between.',
        isRetryable: true,
      },
    )
  }
}

function tooLarge({ topic, payload }: UpstreamPacket, bytesMax: number): string | undefined {
  const bytes = Buffer.byteLength(topic) + Buffer.byteLength(payload) + packetOverheadBytes
  return bytes > bytesMax ? `it has about ${bytes} bytes, and that broker takes ${bytesMax} at most` : undefined
}

function forbidden(why: string): Fault {
  return new Fault('upstream.forbidden', `The upstream broker takes nothing from this gateway: ${why}.`, {
    remedy: 'Nothing is lost; it is tried again. Give its user or client there the right to publish what `send` names.',
    isRetryable: true,
  })
}

/** Not lost: it is sent again after a pause. */
function isFull({ message }: Refusal): Fault {
  return new Fault('upstream.full', `The upstream broker takes no more: ${message}.`, {
    remedy: 'Nothing is lost; it is tried again. Look at the quotas of that broker.',
    isRetryable: true,
  })
}
