import type { ClientSession } from 'node-opcua-client'
import type { Clock } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'
import { badAnswer, errorText, noAnswer } from './faults.ts'

export interface RequestsOptions {
  readonly session: ClientSession
  readonly clock: Pick<Clock, 'after'>
  readonly timeoutMs: number
  /** Aborted when the connection is lost or closed; its reason is the Fault. */
  readonly ended: AbortSignal
}

/** Nodes in one request where the server names no limit of its own. */
export const defaultChunk = 1_000

/** One question at a time, each with a deadline of our own: the library's is never below 5 s. */
export class Requests {
  readonly session: ClientSession
  readonly #options: RequestsOptions
  #isOneByOne = false
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: RequestsOptions) {
    this.#options = options
    this.session = options.session
  }

  /** Rejects with `opcua.no-answer`, with the connection's fault, with the signal's reason, or with what the server said. */
  async ask<T>(what: string, send: (session: ClientSession) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { clock, timeoutMs, ended } = this.#options
    const { promise: givenUp, reject } = Promise.withResolvers<never>()
    // By way of setImmediate: an answer that came while our own loop was held up is read before it is given up.
    using _timer = clock.after(timeoutMs, () => setImmediate(() => reject(noAnswer(what, timeoutMs))))
    givenUp.catch(() => {})
    const signals = signal === undefined ? [ended] : [ended, signal]
    // Not AbortSignal.any: what it makes lives until the next full collection, and there are thousands of requests between two of those.
    const aborted = (): AbortSignal | undefined => signals.find((one) => one.aborted)
    const abort = (): void => reject(aborted()?.reason)
    for (const one of signals) one.addEventListener('abort', abort, { once: true })
    try {
      aborted()?.throwIfAborted()
      const answer = send(this.session)
      answer.catch(() => {}) // it may fail after its deadline
      return await Promise.race([answer, givenUp])
    } catch (error) {
      throw aborted()?.reason ?? badAnswer(what, error)
    } finally {
      for (const one of signals) one.removeEventListener('abort', abort)
    }
  }

  /** For a server that counts the nodes of all requests under way: from now on those with many nodes wait for each other. */
  takeTurns(): void {
    this.#isOneByOne = true
  }

  /** As `ask`; where turns are taken, when those before have been answered or given up. */
  async askInTurn<T>(what: string, send: (session: ClientSession) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const ask = (): Promise<T> => this.ask(what, send, signal)
    if (!this.#isOneByOne) return await ask()
    const mine = this.#turn.then(ask)
    this.#turn = mine.catch(() => {})
    return await mine
  }

  /**
   * As many requests as the server's limit makes necessary, one after the other; halves them where a server that names no limit has one.
   * Results are in the order of the items.
   */
  async chunked<Item, Result>(items: readonly Item[], options: ChunkedOptions<Item, Result>): Promise<Result[]> {
    const results: Result[] = []
    let size = Math.max(1, options.limit || defaultChunk)
    for (let at = 0; at < items.length; ) {
      const chunk = items.slice(at, at + size)
      try {
        const answers = await this.askInTurn(options.what, (session) => options.send(session, chunk), options.signal)
        if (answers.length !== chunk.length) throw badAnswer(options.what, `${answers.length} results for ${chunk.length} nodes`)
        for (const answer of answers) results.push(answer)
        at += chunk.length
      } catch (error) {
        if (chunk.length === 1 || !isTooMuch(error)) throw error
        size = Math.ceil(chunk.length / 2)
      }
    }
    return results
  }
}

export interface ChunkedOptions<Item, Result> {
  readonly what: string
  /** Items a request; 0 where the server names none. */
  readonly limit: number
  readonly send: (session: ClientSession, chunk: readonly Item[]) => Promise<readonly Result[]>
  readonly signal?: AbortSignal
}

export function isTooMuch(error: unknown): boolean {
  const text = errorText((error as Fault).cause ?? error)
  return /BadTooManyOperations|BadRequestTooLarge|BadResponseTooLarge|BadEncodingLimitsExceeded/.test(text)
}
