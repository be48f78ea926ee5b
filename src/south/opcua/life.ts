import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { ConnectContext } from '../driver.ts'
import type { Channel } from './channel.ts'
import type { OpcuaConfig } from './config.ts'
import { badAnswer, connectionLost } from './faults.ts'
import { OwnTime } from './own-time.ts'
import { Requests } from './requests.ts'

/** In a keep-alive: how finely it is looked whether our own loop runs. */
const ownTimeSteps = 4

/** A session from its beginning to its loss; who talks to the server does it through `requests`. */
export class Life implements AsyncDisposable {
  readonly failure: Promise<never>
  readonly url: string
  readonly requests: Requests
  readonly clock: Clock
  readonly ownTime: OwnTime
  readonly #channel: Channel
  readonly #end = new AbortController()
  readonly #reject: (fault: Fault) => void
  #heardMs: number

  constructor(channel: Channel, config: OpcuaConfig, context: ConnectContext) {
    this.#channel = channel
    this.url = channel.url
    this.clock = context.clock
    this.ownTime = new OwnTime(this.clock, { stepMs: config.opcua.keepalive / ownTimeSteps, until: this.#end.signal })
    this.#heardMs = this.ownTime.elapsed()
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {}) // seen by whoever watches
    this.failure = promise
    this.#reject = reject
    this.requests = new Requests({
      session: channel.session,
      clock: this.ownTime,
      timeoutMs: config.connection.timeout,
      ended: this.#end.signal,
    })
    channel.onLost((fault) => this.lose(fault))
  }

  get ended(): AbortSignal {
    return this.#end.signal
  }

  get heardMs(): number {
    return this.#heardMs
  }

  hear(): void {
    this.#heardMs = this.ownTime.elapsed()
  }

  lose(error: unknown): void {
    const fault = error instanceof Fault ? error : badAnswer(`what was asked of ${this.url}`, error)
    this.#channel.giveUp()
    this.#reject(fault)
    this.#end.abort(fault)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(connectionLost(this.url, 'it was closed'))
    await this.#channel[Symbol.asyncDispose]()
  }
}
