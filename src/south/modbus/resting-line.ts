import type { Clock } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'
import { closedByUs, LineFault, lostWith } from './faults.ts'
import type { AskOptions, Line } from './line.ts'
import type { Answer, Ask } from './pdu.ts'

export interface RestingLineOptions {
  readonly peer: string
  readonly inflightMax: number
  readonly clock: Clock
  /** Limits a single opening. */
  readonly openTimeoutMs: number
  readonly open: (signal: AbortSignal) => Promise<Line>
}

/** A line that is closed between scans and opened when something is asked. */
export interface RestingLine extends Line {
  /** Closes the connection once nothing is under way; what is asked afterwards opens it again. */
  rest(): Promise<void>
}

/** For devices that serve one master and must be left to others in between. The first connection is made at once, so that an absent device is noticed. */
export async function startRestingLine(options: RestingLineOptions, signal: AbortSignal): Promise<RestingLine> {
  const line = new OnDemandLine(options)
  await line.begin(signal)
  return line
}

class OnDemandLine implements RestingLine {
  readonly failure: Promise<never>
  readonly peer: string
  readonly inflightMax: number
  readonly #options: RestingLineOptions
  readonly #lose: (loss: Fault) => void
  #line: Promise<Line> | undefined
  #closing: Promise<void> = Promise.resolve()
  #underWay = 0
  #loss: Fault | undefined

  constructor(options: RestingLineOptions) {
    this.#options = options
    this.peer = options.peer
    this.inflightMax = options.inflightMax
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {}) // seen by whoever watches
    this.failure = promise
    this.#lose = reject
  }

  get isOpen(): boolean {
    return this.#loss === undefined
  }

  async begin(signal: AbortSignal): Promise<void> {
    await this.#use(this.#options.open(signal))
  }

  async ask(ask: Ask, options: AskOptions): Promise<Answer> {
    if (this.#loss !== undefined) throw lostWith(this.#loss, false)
    this.#underWay += 1
    try {
      const line = await (this.#line ?? this.#use(this.#closing.then(() => this.#open()))).catch((fault: Fault) => this.#cannotOpen(fault))
      return await this.#askOn(line, ask, options)
    } finally {
      this.#underWay -= 1
    }
  }

  async rest(): Promise<void> {
    if (this.#underWay === 0 && this.#line !== undefined) this.#close(this.#line)
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#loss ??= closedByUs(this.peer)
    if (this.#line !== undefined) this.#close(this.#line)
    await this.#closing
  }

  async #askOn(line: Line, ask: Ask, options: AskOptions): Promise<Answer> {
    try {
      return await line.ask(ask, options)
    } catch (error) {
      if (error instanceof LineFault && !line.isOpen) this.#end(error)
      throw error
    }
  }

  #cannotOpen(fault: Fault): never {
    this.#end(fault)
    throw lostWith(fault, false)
  }

  #use(opening: Promise<Line>): Promise<Line> {
    this.#line = opening
    opening
      .then((line) => line.failure)
      .catch(() => {
        // Where nothing was asked of it nobody is the poorer: the next request opens it again.
        if (this.#line === opening) this.#close(opening)
      })
    return opening
  }

  #close(line: Promise<Line>): void {
    this.#line = undefined
    const closed = line.then((open) => open[Symbol.asyncDispose]()).catch(() => {})
    this.#closing = this.#closing.then(() => closed)
  }

  async #open(): Promise<Line> {
    const limit = new AbortController()
    const { clock, openTimeoutMs, open } = this.#options
    using _timer = clock.after(openTimeoutMs, () => limit.abort(connectTimeout(this.peer, openTimeoutMs)))
    return await open(limit.signal)
  }

  #end(loss: Fault): void {
    if (this.#loss !== undefined) return
    this.#loss = loss
    this.#lose(loss)
  }
}

function connectTimeout(peer: string, timeoutMs: number): LineFault {
  return new LineFault('modbus.connect-timeout', `${peer} did not accept a connection within ${timeoutMs} ms.`, {
    wasSent: false,
    remedy: 'Look whether another master holds the only connection of the device.',
  })
}
