import type { Clock, MonotonicMs } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { babbling, closedByUs, damaged, garbled, LineFault, lostWith, noAnswer, noBroadcastRead, notInStep, notTaken } from './faults.ts'
import type { AskOptions, Line } from './line.ts'
import { LineCounts } from './line-counts.ts'
import { OwedAnswers } from './owed-answers.ts'
import { type Answer, type Ask, isUnitAbsent } from './pdu.ts'
import { RequestQueue, type Waiting } from './request-queue.ts'
import type { RtuChannel } from './rtu-channel.ts'
import { AnswerFinder, buildRtuFrame, rtuAnswerBytes } from './rtu-frame.ts'
import type { UnitBreaker } from './unit-breaker.ts'

export interface RtuClientOptions {
  readonly channel: RtuChannel
  /** Of one byte on the wire. */
  readonly characterMs: number
  readonly baud: number
  /** From the end of a request to its answer, where the request does not say otherwise; what the bytes take comes on top. */
  readonly timeoutMs: number
  /** From each answer to the next request, where that is more than the silence between frames. */
  readonly pauseMs: number
  readonly connectPauseMs?: number
  /** After a broadcast, for all units to carry it out: the standard's turnaround delay. */
  readonly broadcastPauseMs: number
  readonly units?: UnitBreaker
  readonly counts?: LineCounts
  readonly clock: Clock
}

/** Modbus over Serial Line 1.02, 2.5.1.1: 3.5 characters, and above 19200 baud a fixed time. */
const silentCharacters = 3.5
const fixedSilenceAboveBaud = 19_200
const fixedSilenceMs = 1.75
/** A damaged answer is over when nothing has come for so long: USB adapters hand bytes on in lumps, up to 16 ms apart. */
const damagedQuietMs = 30
/** A line on which somebody talks for so long without being asked is of no use. */
const babbleMs = 2_000
/** When our own thread was held up, what has come meanwhile is looked at before anybody is called late. */
const heldUpMs = 15
/** A port that has not taken a request so long after its time is of no use. */
const stuckMs = 2_000
const broadcastUnit = 0
const done: Answer = { kind: 'data', data: Buffer.alloc(0) }

/** One request on its way. */
interface Exchange {
  readonly ask: Ask
  readonly timeoutMs: number
  readonly finder: AnswerFinder
  readonly settle: (outcome: Answer | LineFault) => void
  quietTimer?: Disposable
  phase: 'flushing' | 'writing' | 'written'
}

/** The one owner of an open channel: one request at a time, silence between frames, and nothing believed that was not asked for. */
export function startRtuClient(options: RtuClientOptions): Line {
  return new RtuClient(options)
}

class RtuClient implements Line {
  readonly peer: string
  readonly failure: Promise<never>
  readonly inflightMax = 1
  readonly counts: LineCounts
  readonly #options: RtuClientOptions
  readonly #lose: (reason: unknown) => void
  readonly #queue: RequestQueue
  readonly #silenceMs: number
  readonly #owed: OwedAnswers
  #exchange: Exchange | undefined
  #isServing = false
  #wake: () => void = () => {}
  #quietAt: MonotonicMs
  #loss: Fault | undefined

  constructor(options: RtuClientOptions) {
    const { channel, characterMs, baud, timeoutMs, clock, units } = options
    this.#options = options
    this.#owed = new OwedAnswers(clock)
    this.peer = channel.peer
    this.counts = options.counts ?? new LineCounts(clock)
    this.#silenceMs = baud > fixedSilenceAboveBaud ? fixedSilenceMs : silentCharacters * characterMs
    this.#queue = new RequestQueue({ peer: this.peer, timeoutMs, clock, counts: this.counts, ...(units === undefined ? {} : { units }) })
    this.#quietAt = this.#after(Math.max(this.#silenceMs, options.pauseMs, options.connectPauseMs ?? 0))
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {}) // seen by whoever watches
    this.failure = promise
    this.#lose = reject
    channel.listen({ bytes: (chunk) => this.#receive(chunk), ended: (loss) => this.#end(loss) })
  }

  get isOpen(): boolean {
    return this.#loss === undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#settleAll(closedByUs(this.peer))
    await this.#options.channel.close()
  }

  ask(ask: Ask, options: AskOptions): Promise<Answer> {
    if (ask.unit === broadcastUnit && ask.answer.kind === 'data') return Promise.reject(noBroadcastRead(this.peer))
    const answer = this.#queue.ask(ask, options)
    this.#wake()
    if (!this.#isServing) this.#serve()
    return answer
  }

  #serve(): void {
    this.#isServing = true
    this.#serveAll().catch((error: unknown) => {
      this.#settleAll(asFault(error, this.peer))
      this.#lose(error) // our own bug: whoever owns the line ends with it
    })
  }

  async #serveAll(): Promise<void> {
    try {
      await Promise.resolve() // what is asked in one turn is weighed together
      while (this.#loss === undefined && this.#queue.size > 0) {
        if (!(await this.#quiet())) return
        const next = this.#queue.take((unit) => this.#owed.isHeld(unit))
        if (next !== undefined) await this.#serveOne(next)
        else if (this.#queue.size > 0) await this.#sleep(this.#owed.firstHeldMs())
      }
    } finally {
      this.#isServing = false
    }
  }

  /** False when the line is lost. */
  async #quiet(): Promise<boolean> {
    const { clock } = this.#options
    const begunAt = Math.max(clock.elapsed(), this.#quietAt)
    for (let waitMs = this.#quietAt - clock.elapsed(); waitMs > 0; waitMs = this.#quietAt - clock.elapsed()) {
      await this.#sleep(waitMs, 'undisturbed')
      if (this.#loss !== undefined) return false
      if (clock.elapsed() - begunAt > babbleMs) this.#end(babbling(this.peer, babbleMs))
    }
    return this.#loss === undefined
  }

  async #serveOne(waiting: Waiting): Promise<void> {
    const { ask } = waiting
    const step = this.#owed.stepFor(ask)
    if (step !== undefined && !(await this.#getInStep(waiting, step))) return
    const outcome = await this.#exchangeOne(waiting)
    if (outcome instanceof LineFault) return waiting.reject(outcome)
    if (ask.unit !== broadcastUnit) this.#owed.answered(ask)
    waiting.resolve(outcome)
  }

  /** False where the unit is not to be trusted yet; whoever asked it has been told. */
  async #getInStep({ ask, timeoutMs, reject }: Waiting, step: Ask): Promise<boolean> {
    const outcome = await this.#exchangeOne({ ask: step, timeoutMs })
    const isInStep = !(outcome instanceof LineFault) && outcome.kind === 'data'
    if (isInStep) this.#owed.answered(step)
    // An exception has no length of its own: it may be one that was owed.
    else if (!(outcome instanceof LineFault)) this.#owed.hold(ask.unit, timeoutMs)
    if (isInStep && (await this.#quiet())) return true
    reject(this.#loss === undefined ? notInStep(this.peer, ask.unit) : lostWith(this.#loss, false))
    return false
  }

  async #exchangeOne(asked: Pick<Waiting, 'ask' | 'timeoutMs'>): Promise<Answer | LineFault> {
    const { clock, units, pauseMs } = this.#options
    const { unit } = asked.ask
    const startedAt = clock.elapsed()
    const outcome = await this.#send(asked)
    const tookMs = clock.elapsed() - startedAt
    this.#exchange?.quietTimer?.[Symbol.dispose]()
    this.#exchange = undefined
    this.#quietAt = this.#after(Math.max(this.#silenceMs, pauseMs))
    this.counts.busy(tookMs)
    if (outcome instanceof LineFault) units?.silent(unit, outcome)
    else if (isUnitAbsent(outcome)) units?.heard()
    else if (unit !== broadcastUnit) {
      this.counts.answered(unit, tookMs)
      units?.answered(unit)
    }
    return outcome
  }

  async #send({ ask, timeoutMs }: Pick<Waiting, 'ask' | 'timeoutMs'>): Promise<Answer | LineFault> {
    const { clock, channel } = this.#options
    const { promise, resolve } = Promise.withResolvers<Answer | LineFault>()
    const exchange: Exchange = { ask, timeoutMs, finder: new AnswerFinder(ask), settle: resolve, phase: 'flushing' }
    const limitMs = this.#limitMs(exchange)
    const failed = (error: unknown): void => this.#end(asFault(error, this.peer))
    this.#exchange = exchange
    this.counts.requests += 1
    using _stuck = clock.after(limitMs + stuckMs, () => exchange.phase !== 'written' && this.#end(notTaken(this.peer)))
    await Promise.race([channel.flush().catch(failed), promise])
    if (this.#loss !== undefined) return lostWith(this.#loss, false)
    exchange.phase = 'writing'
    const dueAt = this.#after(limitMs)
    using _limit = clock.after(Math.ceil(limitMs), () => this.#due(exchange, dueAt))
    channel.write(buildRtuFrame(ask)).then(() => {
      exchange.phase = 'written'
    }, failed)
    return await promise
  }

  /** From writing to the last byte of the answer. */
  #limitMs({ ask, timeoutMs }: Exchange): number {
    const { characterMs } = this.#options
    const requestMs = (1 + ask.pdu.length + 2) * characterMs
    const answerMs = ask.unit === broadcastUnit ? 0 : timeoutMs + rtuAnswerBytes(ask) * characterMs
    return requestMs + Math.max(0, answerMs) // whatever a caller asks for, no timer is set into the past
  }

  #due(exchange: Exchange, dueAt: MonotonicMs): void {
    const { clock } = this.#options
    if (clock.elapsed() - dueAt > heldUpMs) clock.after(heldUpMs, () => this.#expire(exchange))
    else this.#expire(exchange)
  }

  #expire(exchange: Exchange): void {
    const { clock, broadcastPauseMs } = this.#options
    if (this.#exchange !== exchange || this.#loss !== undefined) return
    if (exchange.phase !== 'written') clock.after(heldUpMs, () => this.#expire(exchange))
    else if (exchange.ask.unit === broadcastUnit) clock.after(broadcastPauseMs, () => exchange.settle(done))
    else exchange.settle(this.#timedOut(exchange))
  }

  #timedOut({ ask: { unit }, finder, timeoutMs }: Exchange): LineFault {
    const { receivedBytes } = finder
    this.counts.timeouts += 1
    this.#owed.owes(finder, timeoutMs)
    return receivedBytes > 0 ? garbled(this.peer, unit, receivedBytes) : noAnswer(this.peer, unit, timeoutMs)
  }

  #receive(chunk: Buffer): void {
    const came = this.#owed.hear(chunk)
    this.counts.lateAnswers += came
    if (came > 0) this.#wake()
    const exchange = this.#exchange
    if (exchange === undefined || exchange.phase === 'flushing') this.#quietAt = this.#after(this.#silenceMs)
    else this.#feed(exchange, chunk)
  }

  #feed(exchange: Exchange, chunk: Buffer): void {
    const answer = exchange.finder.push(chunk)
    if (answer !== undefined) exchange.settle(answer)
    else if (exchange.finder.isSpoiled) this.#waitForMore(exchange)
  }

  /** A damaged answer is told when nothing follows: what was damaged may have been noise before the answer. */
  #waitForMore(exchange: Exchange): void {
    exchange.quietTimer?.[Symbol.dispose]()
    exchange.quietTimer = this.#options.clock.after(damagedQuietMs, () => {
      this.counts.crcErrors += 1
      exchange.settle(damaged(this.peer, exchange.ask.unit))
    })
  }

  /** Resolves after `ms`, or earlier when there is something new to weigh. */
  #sleep(ms: number, mode?: 'undisturbed'): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = this.#options.clock.after(Math.ceil(ms), resolve)
    this.#wake = () => {
      if (mode === 'undisturbed' && this.#loss === undefined) return
      timer[Symbol.dispose]()
      resolve()
    }
    return promise
  }

  #after(ms: number): MonotonicMs {
    return (this.#options.clock.elapsed() + ms) as MonotonicMs
  }

  /** The channel is of no more use. Everything that waits is told at once. */
  #end(loss: Fault): void {
    if (this.#loss !== undefined) return
    this.#settleAll(loss)
    this.#lose(loss)
  }

  #settleAll(loss: Fault): void {
    if (this.#loss !== undefined) return
    this.#loss = loss
    this.#exchange?.settle(lostWith(loss, true))
    this.#queue.end(loss)
    this.#wake()
  }
}

function asFault(error: unknown, peer: string): Fault {
  if (error instanceof Fault) return error
  const what = error instanceof Error ? error.message : String(error)
  return new Fault('modbus.port-failed', `${peer} failed: ${what}.`, {
    remedy: 'Check the adapter and what its driver can do, RTS among it.',
    isRetryable: true,
    cause: error,
  })
}
