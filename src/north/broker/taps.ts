import { randomUUID } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import { type Packed, pack, type WithPayload } from '../../base/packed.ts'
import { type Running, startLoop } from '../../base/running.ts'
import type { TopicMessage } from '../../control/contract.ts'
import { TopicTrie } from './topic-trie.ts'

/** Who takes messages off the broker, and which. */
export interface TapOptions {
  readonly filters: readonly string[]
  /** Resolves when the messages are kept. */
  readonly deliver: (batch: Packed<TopicMessage>) => Promise<unknown>
}

export interface Tapped {
  readonly topic: string
  readonly payload: string | Uint8Array
  readonly hops?: number
}

/** What may wait to be kept; past it nothing more is acknowledged, and what needs no acknowledgement is dropped and counted. */
const waitingMax = 10_000
const waitingBytesMax = 8 * 1024 ** 2
/** In one call. */
const batchMax = 1_000
const batchBytesMax = 1024 ** 2
const retryPauseMs = 200
const drainedShare = 0.5

interface Waiting extends WithPayload<TopicMessage> {
  readonly kept: () => void
}

/** Messages on their way to routes and flows: in order, one call at a time with all that has gathered since the last one. */
export class Taps implements Running {
  readonly failure: Promise<never>
  readonly #options: TapOptions & { readonly clock: Clock; readonly log: Log; readonly onDrained: () => void }
  readonly #wanted = new TopicTrie<true>()
  readonly #loop: Running | undefined
  #waiting: Waiting[] = []
  /** Names the messages of this life of the broker. */
  readonly #life = randomUUID()
  #taken = 0
  #bytes = 0
  #dropped = 0
  #hasRefused = false
  #bell = Promise.withResolvers<void>()

  constructor(options: TapOptions & { readonly clock: Clock; readonly log: Log; readonly onDrained: () => void }) {
    this.#options = options
    for (const filter of options.filters) this.#wanted.add(filter, true)
    this.#loop = options.filters.length === 0 ? undefined : startLoop((signal) => this.#run(signal))
    this.failure = this.#loop?.failure ?? new Promise(() => {})
  }

  wants(topic: string): boolean {
    return this.#loop !== undefined && !topic.startsWith('$') && this.#wanted.match(topic).size > 0
  }

  /** Whether a message of this topic would not be kept now. */
  refuses(topic: string): boolean {
    const isRefused = this.#isFull && this.wants(topic)
    this.#hasRefused ||= isRefused
    return isRefused
  }

  /** Resolves when it is kept; undefined where nobody wants it, or nobody could take it. */
  take({ topic, payload, hops = 0 }: Tapped): Promise<void> | undefined {
    if (!this.wants(topic)) return undefined
    if (this.#isFull) {
      this.#dropped += 1
      return undefined
    }
    const own = Buffer.from(payload as Uint8Array) // a copy: the parser's view would keep all of its surroundings in memory
    const kept = Promise.withResolvers<void>()
    this.#taken += 1
    const uid = `${this.#life}.${this.#taken}`
    this.#waiting.push({ row: { uid, topic, timeMs: this.#options.clock.now(), hops }, payload: own, kept: kept.resolve })
    this.#bytes += own.length
    this.#bell.resolve()
    return kept.promise
  }

  /** Messages of our own; rejects where they could not all be taken. */
  async takeOwn(messages: readonly Tapped[]): Promise<void> {
    const wanted = messages.filter(({ topic }) => this.wants(topic))
    if (wanted.length === 0) return
    if (this.#isFull) throw full()
    await Promise.all(wanted.map((message) => this.take(message)))
  }

  metrics(): readonly Metric[] {
    if (this.#loop === undefined) return []
    const help = 'Messages that a route or a flow wanted and did not get: too many waited to be kept.'
    return [
      {
        name: 'lineside_mqtt_tapped_waiting',
        help: 'Messages that wait to be kept for routes and flows.',
        type: 'gauge',
        value: this.#waiting.length,
      },
      { name: 'lineside_mqtt_tapped_dropped_total', help, type: 'counter', value: this.#dropped },
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#loop?.[Symbol.asyncDispose]()
    this.#bell.resolve()
    await ended
  }

  get #isFull(): boolean {
    return this.#waiting.length >= waitingMax || this.#bytes >= waitingBytesMax
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#bell.promise
      this.#bell = Promise.withResolvers()
      await new Promise((resolve) => setImmediate(resolve)) // all of this turn in one call
      while (this.#waiting.length > 0 && !signal.aborted) await this.#send(this.#batch(), signal)
    }
  }

  #batch(): readonly Waiting[] {
    let bytes = 0
    const end = this.#waiting.findIndex(({ payload }, place) => {
      bytes += payload.length
      return place >= batchMax || (place > 0 && bytes > batchBytesMax)
    })
    return this.#waiting.slice(0, end < 0 ? this.#waiting.length : end)
  }

  async #send(batch: readonly Waiting[], signal: AbortSignal): Promise<void> {
    const { deliver, clock, log, onDrained } = this.#options
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await deliver(pack(attempt === 1 ? batch : batch.map(repeated)))
        break
      } catch (error) {
        if (attempt === 1) log.warn('Messages for routes and flows are not taken; they wait.', errorFields(error))
        if (error instanceof Fault && !error.isRetryable && error.code !== 'door.closed') break
        await clock.sleep(retryPauseMs, signal).catch(() => {})
      }
    }
    if (signal.aborted) return
    this.#waiting.splice(0, batch.length)
    for (const { payload, kept } of batch) {
      this.#bytes -= payload.length
      kept()
    }
    if (!this.#hasRefused || this.#waiting.length > waitingMax * drainedShare || this.#bytes > waitingBytesMax * drainedShare) return
    this.#hasRefused = false
    onDrained()
  }
}

/** Some of them may have been taken before the answer was lost. */
function repeated({ row, ...more }: Waiting): Waiting {
  return { ...more, row: { ...row, isRepeated: true } }
}

function full(): Fault {
  return new Fault('mqtt.routes-behind', `${waitingMax} messages or ${waitingBytesMax} bytes wait to be kept for routes already.`, {
    remedy: 'Send less, or look at the disk of the state folder.',
    isRetryable: true,
  })
}
