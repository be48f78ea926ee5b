import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'
import { cannotConnect, closedByPeer, closedByUs, lostWith, noAnswer, noModbus, notTaken } from './faults.ts'
import { buildFrames, type Frame, FrameReader, FrameViolation } from './frame.ts'
import type { AskOptions, Line } from './line.ts'
import { LineCounts } from './line-counts.ts'
import { type Answer, type Ask, isUnitAbsent, readAnswer } from './pdu.ts'
import { RequestQueue, type Waiting } from './request-queue.ts'
import type { TlsSettings } from './settings.ts'
import { closeSocket, openSocket, tlsOptions, untilConnected } from './socket.ts'
import type { UnitBreaker } from './unit-breaker.ts'

export interface TcpClientOptions {
  readonly host: string
  readonly port: number
  /** Encrypted, and the certificate of the peer checked. */
  readonly tls?: TlsSettings
  /** From sending a request to its answer, where the request does not say otherwise. */
  readonly timeoutMs: number
  readonly inflightMax: number
  /** From connecting, and from each answer, to the next request. */
  readonly pauseMs: number
  /** From connecting to the first request, where that is longer. */
  readonly connectPauseMs?: number
  /** Which units are left alone, and what has happened: both outlive the connection. */
  readonly units?: UnitBreaker
  readonly counts?: LineCounts
  readonly clock: Clock
  /** Limits connecting, not the connection. */
  readonly signal: AbortSignal
}

/** Ids whose answers may still come. The oldest is let go when there are more: by then its answer is thousands of requests late. */
const quarantineMax = 4_096
const transactionMax = 0xffff
/** Odd, so that all ids come round; large, so that an id that is off by a little is nobody's, and not that of the next request on its way. */
const transactionStep = 0x9e37

/** Connects, and resolves when requests can be sent. */
export async function connectTcp(options: TcpClientOptions): Promise<TcpClient> {
  return await TcpClient.connect(options)
}

interface Sent extends Waiting {
  readonly transaction: number
  readonly sentAt: MonotonicMs
}

interface Match {
  readonly sent: Sent
  readonly answer: Answer
}

/** A Modbus TCP connection with up to `inflightMax` requests on their way. It trusts nothing that it did not ask for. */
class TcpClient implements Line {
  readonly peer: string
  readonly failure: Promise<never>
  readonly inflightMax: number
  readonly counts: LineCounts
  readonly #options: TcpClientOptions
  readonly #lose: (fault: Fault) => void
  readonly #queue: RequestQueue
  readonly #reader = new FrameReader()
  /** Oldest first: a few, which are searched sooner than a Map is filled and emptied a thousand times a second. */
  #sent: Sent[] = []
  readonly #quarantine = new Set<number>()
  readonly #socket: Socket
  #loss: Fault | undefined
  #lastTransaction = 0
  #isPumpPlanned = false
  #openAt: MonotonicMs
  /** Since when requests have been on their way. */
  #busySince: MonotonicMs | undefined
  #pauseTimer: Disposable | undefined
  #deadlineTimer: Disposable | undefined
  #deadlineAt: MonotonicMs

  static async connect(options: TcpClientOptions): Promise<TcpClient> {
    const { host, port, tls, clock, signal } = options
    signal.throwIfAborted()
    const client = new TcpClient(options, tls && (await tlsOptions(tls, `${host}:${port}`)))
    try {
      await untilConnected(client.#socket, { peer: client.peer, isTls: tls !== undefined, clock, signal })
      client.#openAt = (clock.elapsed() + Math.max(options.pauseMs, options.connectPauseMs ?? 0)) as MonotonicMs
      return client
    } catch (error) {
      await closeSocket(client.#socket)
      throw cannotConnect(client.peer, error)
    }
  }

  private constructor(options: TcpClientOptions, tls: ConnectionOptions | undefined) {
    const { host, port, pauseMs, timeoutMs, clock, units } = options
    this.#options = options
    this.peer = `${host}:${port}`
    this.inflightMax = pauseMs > 0 ? 1 : options.inflightMax
    this.counts = options.counts ?? new LineCounts(clock)
    this.#queue = new RequestQueue({ peer: this.peer, timeoutMs, clock, counts: this.counts, ...(units === undefined ? {} : { units }) })
    this.#openAt = clock.elapsed()
    this.#deadlineAt = this.#openAt
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {}) // seen by whoever watches
    this.failure = promise
    this.#lose = reject
    this.#socket = openSocket({ host, port, ...(tls === undefined ? {} : { tls }), onBytes: (chunk) => this.#receive(chunk) })
    this.#socket.on('error', (error) => this.#end(closedByPeer(this.peer, error)))
    this.#socket.on('end', () => this.#end(closedByPeer(this.peer)))
    this.#socket.on('close', () => this.#end(closedByPeer(this.peer)))
  }

  get isOpen(): boolean {
    return this.#loss === undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#settleAll(closedByUs(this.peer))
    await closeSocket(this.#socket)
  }

  ask(ask: Ask, options: AskOptions): Promise<Answer> {
    const answer = this.#queue.ask(ask, options)
    this.#planPump()
    return answer
  }

  /** All that was asked in one turn goes out in one write. */
  #planPump(): void {
    if (this.#isPumpPlanned) return
    this.#isPumpPlanned = true
    queueMicrotask(() => {
      this.#isPumpPlanned = false
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#loss !== undefined || this.#queue.size === 0 || this.#sent.length >= this.inflightMax || this.#waitsForPause()) return
    const sentAt = this.#options.clock.elapsed()
    const frames = []
    while (this.#sent.length < this.inflightMax) {
      const next = this.#queue.take()
      if (next === undefined) break
      const transaction = this.#nextTransaction()
      this.#sent.push({ ...next, transaction, sentAt })
      frames.push({ transaction, unit: next.ask.unit, pdu: next.ask.pdu })
    }
    if (frames.length === 0) return
    this.#busySince ??= sentAt
    this.counts.requests += frames.length
    this.#socket.write(buildFrames(frames))
    this.#watch(sentAt)
  }

  #waitsForPause(): boolean {
    const { clock, pauseMs, connectPauseMs } = this.#options
    if (pauseMs === 0 && connectPauseMs === undefined) return false
    const waitMs = this.#openAt - clock.elapsed()
    if (waitMs <= 0) return false
    this.#pauseTimer ??= clock.after(waitMs, () => {
      this.#pauseTimer = undefined
      this.#pump()
    })
    return true
  }

  #nextTransaction(): number {
    do {
      this.#lastTransaction = (this.#lastTransaction + transactionStep) & transactionMax
    } while (this.#find(this.#lastTransaction) !== undefined || this.#quarantine.has(this.#lastTransaction))
    return this.#lastTransaction
  }

  /** Answers that are here already count, however late we come to read them: the loop may have been held up, not the device. */
  #deadline(): void {
    this.#deadlineTimer = undefined
    setImmediate(() => this.#expire())
  }

  /** One timer for all: for the request whose time is up first. */
  #watch(now: MonotonicMs): void {
    let firstMs = Number.POSITIVE_INFINITY
    for (const { sentAt, timeoutMs } of this.#sent) firstMs = Math.min(firstMs, sentAt + timeoutMs - now)
    if (firstMs >= this.#deadlineInMs(now)) return
    this.#deadlineTimer?.[Symbol.dispose]()
    this.#deadlineAt = (now + firstMs) as MonotonicMs
    this.#deadlineTimer = this.#options.clock.after(Math.max(0, Math.ceil(firstMs)), () => this.#deadline())
  }

  #deadlineInMs(now: MonotonicMs): number {
    return this.#deadlineTimer === undefined ? Number.POSITIVE_INFINITY : this.#deadlineAt - now
  }

  #expire(): void {
    if (this.#loss !== undefined || this.#deadlineTimer !== undefined) return
    const now = this.#options.clock.elapsed()
    for (const sent of [...this.#sent]) if (sent.sentAt + sent.timeoutMs <= now) this.#giveUp(sent)
    this.#watch(now)
    if (this.#socket.writableLength > 0) this.#end(notTaken(this.peer))
    else this.#planPump()
  }

  #giveUp(sent: Sent): void {
    const { transaction, ask, reject, timeoutMs } = sent
    this.counts.timeouts += 1
    this.#remove(sent)
    this.#quarantine.add(transaction)
    if (this.#quarantine.size > quarantineMax) {
      const [oldest] = this.#quarantine
      if (oldest !== undefined) this.#quarantine.delete(oldest)
    }
    this.#settled()
    const fault = noAnswer(this.peer, ask.unit, timeoutMs)
    this.#options.units?.silent(ask.unit, fault)
    reject(fault)
  }

  #receive(chunk: Buffer): boolean {
    if (this.#loss !== undefined) return false
    const matches: Match[] = []
    try {
      for (const frame of this.#reader.push(chunk)) this.#match(frame, matches)
      const { begunTransaction } = this.#reader
      if (begunTransaction !== undefined) this.#expect(begunTransaction)
    } catch (error) {
      if (!(error instanceof FrameViolation)) throw error
      // Where an answer was cut short, the next one fills it up: what came before a violation in the same breath is no truer than it is.
      this.#sent = [...this.#sent, ...matches.map(({ sent }) => sent)]
      this.#end(noModbus(this.peer, error.message))
      return false
    }
    for (const match of matches) this.#resolve(match)
    this.#settled()
    this.#pump()
    return true
  }

  #resolve({ sent, answer }: Match): void {
    const { unit } = sent.ask
    this.counts.answered(unit, this.#options.clock.elapsed() - sent.sentAt)
    if (isUnitAbsent(answer)) this.#options.units?.heard()
    else this.#options.units?.answered(unit)
    sent.resolve(answer)
  }

  #match({ transaction, unit, pdu }: Frame, matches: Match[]): void {
    const sent = this.#expect(transaction)
    if (sent === undefined) {
      this.#quarantine.delete(transaction)
      this.counts.lateAnswers += 1
      return
    }
    if (unit !== sent.ask.unit) throw new FrameViolation(`unit ${unit} answers for unit ${sent.ask.unit}`)
    matches.push({ sent, answer: readAnswer(sent.ask, pdu) })
    this.#remove(sent)
  }

  /** undefined where the answer is too late. */
  #expect(transaction: number): Sent | undefined {
    const sent = this.#find(transaction)
    if (sent !== undefined || this.#quarantine.has(transaction)) return sent
    throw new FrameViolation(`transaction ${transaction}, which nobody asked for`)
  }

  #find(transaction: number): Sent | undefined {
    return this.#sent.find((sent) => sent.transaction === transaction)
  }

  #remove(sent: Sent): void {
    this.#sent.splice(this.#sent.indexOf(sent), 1)
  }

  #settled(): void {
    const { pauseMs, clock } = this.#options
    const now = clock.elapsed()
    if (pauseMs > 0) this.#openAt = (now + pauseMs) as MonotonicMs
    if (this.#busySince !== undefined) this.counts.busy(now - this.#busySince)
    this.#busySince = this.#sent.length > 0 ? now : undefined
  }

  /** The connection is of no more use. Everything that waits is told at once. */
  #end(loss: Fault): void {
    if (this.#loss !== undefined) return
    this.#settleAll(loss)
    this.#socket.destroy()
    this.#lose(loss)
  }

  #settleAll(loss: Fault): void {
    if (this.#loss !== undefined) return
    this.#loss = loss
    this.#pauseTimer?.[Symbol.dispose]()
    this.#deadlineTimer?.[Symbol.dispose]()
    for (const { reject } of this.#sent.splice(0)) reject(lostWith(loss, true))
    this.#queue.end(loss)
  }
}
