import type { Clock, MonotonicMs } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { OutboxRow } from '../../store/contract.ts'
import type { Acknowledged } from './acknowledged.ts'
import { Bell } from './bell.ts'
import type { UpstreamConnection } from './connection.ts'
import type { UpstreamFormat } from './format.ts'

/** The part of the store that an upstream needs. */
export interface Outbox {
  /** The oldest rows above `afterId`, in order of their ids. */
  next(afterId: number, rowsMax: number): Promise<readonly OutboxRow[]>
  remove(ids: readonly number[]): Promise<unknown>
  /** Calls back after rows have been committed. */
  onAccepted(listener: () => void): Disposable
}

export interface SendingOptions {
  readonly connection: UpstreamConnection
  readonly outbox: Outbox
  readonly format: UpstreamFormat
  readonly acknowledged: Acknowledged
  readonly tally: Tally
  readonly inflightMax: number
  /** How long the far broker may owe acknowledgements without giving one. */
  readonly silenceMs: number
  readonly clock: Clock
  readonly log: Log
}

/** Counts over all connections of one upstream. */
export interface Tally {
  acknowledged: number
  /** Sent again, because the connection was lost before their acknowledgement came: the receiver may see them twice. */
  resent: number
  /** Rows that make no packet; they are taken out, for they would stand in the way for ever. */
  unsendable: number
  highestId: number
  inflight: number
}

/** Rows read from the outbox at once. */
const windowRows = 256
/** Looks into the outbox even if nobody rang: a store that was restarted tells of nothing older. */
const lookPauseMs = 5_000
const retryPauseMs = 500
const settlePauseMs = 20

/** The outbox on its way up one connection, from its oldest row on, in order, until the connection is lost. */
export class Sending {
  readonly #options: SendingOptions
  readonly #bell: Bell
  #window: OutboxRow[] = []
  #afterId = 0
  #mayHaveMore = true
  #isOver = false
  #isFailing = false
  #heardAt: MonotonicMs
  #lost: unknown

  constructor(options: SendingOptions) {
    this.#options = options
    this.#bell = new Bell(options.clock)
    this.#heardAt = options.clock.elapsed()
  }

  /** Ends when the signal says so; throws the Fault with which the connection ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { connection, outbox, format, acknowledged, tally } = this.#options
    connection.failure.catch((error: unknown) => {
      this.#lost = error
      this.#bell.ring()
    })
    using _accepted = outbox.onAccepted(() => {
      this.#mayHaveMore = true
      this.#bell.ring()
    })
    tally.inflight = 0
    this.#publish(format.hello, () => {})
    try {
      // Else rows of the last connection that were acknowledged, but are still in the outbox, would be sent again.
      while (!signal.aborted && !acknowledged.isSettled) await this.#rest(settlePauseMs, signal)
      while (!signal.aborted) await this.#turn(signal)
    } finally {
      this.#isOver = true // acknowledgements that are still on their way count for nothing: those rows are sent again
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { tally, inflightMax, acknowledged, silenceMs } = this.#options
    while (!this.#isLost() && tally.inflight < inflightMax && !acknowledged.isFull) {
      const row = this.#window.shift()
      if (row !== undefined) this.#send(row)
      else if (!this.#mayHaveMore || !(await this.#fetch(signal))) break
    }
    await this.#rest(Math.min(lookPauseMs, silenceMs / 4), signal)
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isLost()) await this.#bell.wait(ms, signal)
    if (this.#isLost()) throw this.#lost
    this.#listen()
  }

  #isLost(): boolean {
    return this.#lost !== undefined
  }

  /** False where there is nothing to send now. */
  async #fetch(signal: AbortSignal): Promise<boolean> {
    const { outbox, log, clock } = this.#options
    this.#mayHaveMore = false
    try {
      const rows = await outbox.next(this.#afterId, windowRows)
      this.#window = [...rows]
      this.#afterId = rows.at(-1)?.id ?? this.#afterId
      this.#mayHaveMore ||= rows.length === windowRows
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing) log.warn('The outbox cannot be read now.', errorFields(error))
      this.#isFailing = true
      this.#mayHaveMore = true
      await clock.sleep(retryPauseMs, signal).catch(() => {})
    }
    return this.#window.length > 0
  }

  #send(row: OutboxRow): void {
    const { format, tally, acknowledged, log } = this.#options
    const packet = format.packet(row)
    if (packet === undefined) {
      tally.unsendable += 1
      log.error('A row of the outbox makes no message and is taken out.', { id: row.id, subject: row.subject.slice(0, 200) })
      acknowledged.add(row.id)
      return
    }
    if (row.id <= tally.highestId) tally.resent += 1
    tally.highestId = Math.max(tally.highestId, row.id)
    this.#publish(packet, () => {
      tally.acknowledged += 1
      acknowledged.add(row.id)
    })
  }

  #publish(packet: NonNullable<ReturnType<UpstreamFormat['packet']>>, onAcknowledged: () => void): void {
    const { tally, connection, clock } = this.#options
    if (tally.inflight === 0) this.#heardAt = clock.elapsed()
    tally.inflight += 1
    connection.publish(packet, () => {
      if (this.#isOver) return
      tally.inflight -= 1
      this.#heardAt = clock.elapsed()
      onAcknowledged()
      this.#bell.ring()
    })
  }

  /** A half-open connection takes all and answers nothing; TCP itself would notice after a quarter of an hour. */
  #listen(): void {
    const { tally, clock, silenceMs } = this.#options
    const quietMs = clock.elapsed() - this.#heardAt
    if (quietMs > lookPauseMs) this.#mayHaveMore = true
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
