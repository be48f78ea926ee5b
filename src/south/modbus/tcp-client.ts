import { connect, type Socket } from 'node:net'
import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'
import { abandoned, cannotConnect, closedByPeer, closedByUs, lineBusy, lostWith, noAnswer, noModbus, notTaken } from './faults.ts'
import { buildFrames, type Frame, FrameReader, FrameViolation } from './frame.ts'
import type { AskOptions, Line } from './line.ts'
import { type Answer, type Ask, readAnswer } from './pdu.ts'
import { RequestQueue } from './request-queue.ts'

export interface TcpClientOptions {
  readonly host: string
  readonly port: number
  /** From sending a request to its answer. */
  readonly timeoutMs: number
  readonly inflightMax: number
  /** From connecting, and from each answer, to the next request. */
  readonly pauseMs: number
  readonly clock: Clock
  /** Limits connecting, not the connection. */
  readonly signal: AbortSignal
}

/** Requests of one connection that may wait to be sent; one more is refused. */
const waitingMax = 1_024
/** Ids whose answers may still come. The oldest is let go when there are more: by then its answer is thousands of requests late. */
const quarantineMax = 4_096
const transactionMax = 0xffff
/** Odd, so that all ids come round; large, so that an id that is off by a little is nobody's, and not that of the next request on its way. */
const transactionStep = 0x9e37
/** A peer that vanished without a word is noticed by the kernel too, where nothing is asked that could time out. */
const keepAliveDelayMs = 10_000
const receiveBytes = 4_096

/** Connects, and resolves when requests can be sent. */
export async function connectTcp(options: TcpClientOptions): Promise<TcpClient> {
  return await TcpClient.connect(options)
}

interface Sent {
  readonly ask: Ask
  readonly sentAt: MonotonicMs
  readonly resolve: (answer: Answer) => void
  readonly reject: (fault: Fault) => void
}

interface Match {
  readonly transaction: number
  readonly sent: Sent
  readonly answer: Answer
}

/** A Modbus TCP connection with up to `inflightMax` requests on their way. It trusts nothing that it did not ask for. */
class TcpClient implements Line {
  readonly peer: string
  readonly failure: Promise<never>
  readonly inflightMax: number
  readonly counts = { requests: 0, timeouts: 0, lateAnswers: 0 }
  readonly #options: TcpClientOptions
  readonly #lose: (fault: Fault) => void
  readonly #queue: RequestQueue
  readonly #reader = new FrameReader()
  /** By transaction id, oldest first. */
  readonly #sent = new Map<number, Sent>()
  readonly #quarantine = new Set<number>()
  readonly #socket: Socket
  #loss: Fault | undefined
  #lastTransaction = 0
  #isPumpPlanned = false
  #openAt: MonotonicMs
  #pauseTimer: Disposable | undefined
  #deadlineTimer: Disposable | undefined

  static async connect(options: TcpClientOptions): Promise<TcpClient> {
    options.signal.throwIfAborted()
    const client = new TcpClient(options)
    try {
      await client.#connected()
      return client
    } catch (error) {
      client.#socket.destroy()
      throw cannotConnect(client.peer, error)
    }
  }

  private constructor(options: TcpClientOptions) {
    const { host, port, pauseMs, clock } = options
    this.#options = options
    this.peer = `${host}:${port}`
    this.inflightMax = pauseMs > 0 ? 1 : options.inflightMax
    this.#queue = new RequestQueue({ waitingMax })
    this.#openAt = clock.elapsed()
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {}) // seen by whoever watches
    this.failure = promise
    this.#lose = reject
    this.#socket = connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveDelayMs,
      // One buffer for the life of the connection: each answer is looked at, and its data copied, before the next read.
      onread: { buffer: new Uint8Array(receiveBytes), callback: (sizeBytes, buffer) => this.#receive(sizeBytes, buffer) },
    })
    this.#socket.on('error', (error) => this.#end(closedByPeer(this.peer, error)))
    this.#socket.on('end', () => this.#end(closedByPeer(this.peer)))
    this.#socket.on('close', () => this.#end(closedByPeer(this.peer)))
  }

  get isOpen(): boolean {
    return this.#loss === undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#settleAll(closedByUs(this.peer))
    if (this.#socket.closed) return
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()))
    this.#socket.destroy()
    await closed
  }

  ask(ask: Ask, { urgency, signal }: AskOptions): Promise<Answer> {
    if (this.#loss !== undefined) return Promise.reject(lostWith(this.#loss, false))
    if (this.#queue.isFull) return Promise.reject(lineBusy(this.peer, waitingMax))
    if (signal?.aborted === true) return Promise.reject(abandoned(this.peer))
    return new Promise((resolve, reject) => {
      this.#queue.push(
        { ask, resolve, reject },
        { urgency, ...(signal === undefined ? {} : { signal, abandon: () => reject(abandoned(this.peer)) }) },
      )
      this.#planPump()
    })
  }

  async #connected(): Promise<void> {
    const { signal, clock, pauseMs } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const stop = (): void => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    this.#socket.once('connect', resolve)
    this.#socket.once('error', reject)
    this.#socket.once('close', () => reject(closedByPeer(this.peer)))
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', stop)
      this.#socket.off('error', reject)
    }
    this.#openAt = (clock.elapsed() + pauseMs) as MonotonicMs
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
    if (this.#loss !== undefined || this.#queue.size === 0 || this.#sent.size >= this.inflightMax || this.#waitsForPause()) return
    const sentAt = this.#options.clock.elapsed()
    const frames = []
    while (this.#sent.size < this.inflightMax) {
      const next = this.#queue.take()
      if (next === undefined) break
      const transaction = this.#nextTransaction()
      this.#sent.set(transaction, { ...next, sentAt })
      frames.push({ transaction, unit: next.ask.unit, pdu: next.ask.pdu })
    }
    if (frames.length === 0) return
    this.counts.requests += frames.length
    this.#socket.write(buildFrames(frames))
    this.#deadlineTimer ??= this.#options.clock.after(this.#options.timeoutMs, () => this.#deadline())
  }

  #waitsForPause(): boolean {
    const { clock, pauseMs } = this.#options
    if (pauseMs === 0) return false
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
    } while (this.#sent.has(this.#lastTransaction) || this.#quarantine.has(this.#lastTransaction))
    return this.#lastTransaction
  }

  /** Answers that are here already count, however late we come to read them: the loop may have been held up, not the device. */
  #deadline(): void {
    this.#deadlineTimer = undefined
    setImmediate(() => this.#expire())
  }

  /** One timer for all: every request has the same time, so the oldest is the first to be late. */
  #expire(): void {
    if (this.#loss !== undefined || this.#deadlineTimer !== undefined) return
    const { clock, timeoutMs } = this.#options
    const now = clock.elapsed()
    for (const [transaction, sent] of this.#sent) {
      const leftMs = sent.sentAt + timeoutMs - now
      if (leftMs > 0) {
        this.#deadlineTimer = clock.after(Math.ceil(leftMs), () => this.#deadline())
        break
      }
      this.#giveUp(transaction, sent)
    }
    if (this.#socket.writableLength > 0) this.#end(notTaken(this.peer))
    else this.#planPump()
  }

  #giveUp(transaction: number, { ask, reject }: Sent): void {
    this.counts.timeouts += 1
    this.#sent.delete(transaction)
    this.#quarantine.add(transaction)
    if (this.#quarantine.size > quarantineMax) {
      const [oldest] = this.#quarantine
      if (oldest !== undefined) this.#quarantine.delete(oldest)
    }
    this.#settled()
    reject(noAnswer(this.peer, ask.unit, this.#options.timeoutMs))
  }

  #receive(sizeBytes: number, buffer: Uint8Array): boolean {
    if (this.#loss !== undefined) return false
    const matches: Match[] = []
    try {
      for (const frame of this.#reader.push(Buffer.from(buffer.buffer, buffer.byteOffset, sizeBytes))) this.#match(frame, matches)
      const { begunTransaction } = this.#reader
      if (begunTransaction !== undefined) this.#expect(begunTransaction)
    } catch (error) {
      if (!(error instanceof FrameViolation)) throw error
      // Where an answer was cut short, the next one fills it up: what came before a violation in the same breath is no truer than it is.
      for (const { transaction, sent } of matches) this.#sent.set(transaction, sent)
      this.#end(noModbus(this.peer, error.message))
      return false
    }
    for (const { sent, answer } of matches) sent.resolve(answer)
    this.#settled()
    this.#pump()
    return true
  }

  #match({ transaction, unit, pdu }: Frame, matches: Match[]): void {
    const sent = this.#expect(transaction)
    if (sent === undefined) {
      this.#quarantine.delete(transaction)
      this.counts.lateAnswers += 1
      return
    }
    if (unit !== sent.ask.unit) throw new FrameViolation(`unit ${unit} answers for unit ${sent.ask.unit}`)
    matches.push({ transaction, sent, answer: readAnswer(sent.ask, pdu) })
    this.#sent.delete(transaction)
  }

  /** undefined where the answer is too late. */
  #expect(transaction: number): Sent | undefined {
    const sent = this.#sent.get(transaction)
    if (sent !== undefined || this.#quarantine.has(transaction)) return sent
    throw new FrameViolation(`transaction ${transaction}, which nobody asked for`)
  }

  #settled(): void {
    const { pauseMs, clock } = this.#options
    if (pauseMs > 0) this.#openAt = (clock.elapsed() + pauseMs) as MonotonicMs
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
    for (const { reject } of this.#sent.values()) reject(lostWith(loss, true))
    this.#sent.clear()
    for (const { reject } of this.#queue.takeAll()) reject(lostWith(loss, false))
  }
}
