import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { errorFields, type Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { DropOldestQueue } from '../base/queue.ts'
import { firstFailure, type Running, startLoop } from '../base/running.ts'
import { samplePayload } from '../model/payload.ts'
import type { ChangeBatch } from '../model/sample.ts'
import type { TagMeta } from '../model/tag.ts'
import { matchesFilter } from '../model/topic.ts'
import type { OutgoingMessage } from '../store/contract.ts'

export interface OutboxSinkOptions {
  readonly site: string
  readonly tags: readonly TagMeta[]
  /** Topic filters of each upstream. */
  readonly upstreams: Readonly<Record<string, { readonly send: readonly string[] }>>
  /** Resolves when the rows are on disk. */
  readonly accept: (messages: readonly OutgoingMessage[]) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

/** The way of changes into the outbox: every one of them, in order, never conflated. */
export interface OutboxSink extends Running {
  take(batch: ChangeBatch): void
  /** A message of a flow; resolves when every upstream that wants it has it on disk. */
  acceptMessage(topic: string, payload: string): Promise<void>
  metrics(): readonly Metric[]
}

/** About 20 s of 5,000 values/s: what a disk may stall before values are lost, and then they are counted. */
const waitingMax = 100_000
/** Rows in one call to the store. */
const batchRowsMax = 2_000
const retryPauseMs = 200

/** Starts handing changes to the store, for each upstream on its own: one whose outbox is full and refuses must not hold up the others. */
export function startOutboxSink(options: OutboxSinkOptions): OutboxSink {
  const upstreamsByTag = options.tags.map((tag) => upstreamsOf(`${options.site}/${tag.id}`, options.upstreams))
  const lanes = new Map(Object.keys(options.upstreams).map((upstream) => [upstream, new Lane(upstream, options)]))
  return {
    failure: firstFailure([...lanes.values()]),
    take: (batch) => {
      for (const { tag, sample } of batch) {
        const upstreams = upstreamsByTag[tag]
        const meta = options.tags[tag]
        if (upstreams === undefined || upstreams.length === 0 || meta === undefined) continue
        const body = JSON.stringify(samplePayload(meta, sample))
        for (const upstream of upstreams)
          lanes.get(upstream)?.push({ upstream, kind: 'sample', subject: meta.id, body, timeMs: sample.receivedMs })
      }
    },
    acceptMessage: async (topic, payload) => {
      const timeMs = options.clock.now()
      const upstreams = upstreamsOf(topic, options.upstreams)
      await Promise.all(upstreams.map((upstream) => options.accept([{ upstream, kind: 'message', subject: topic, body: payload, timeMs }])))
    },
    metrics: () => [...lanes.values()].flatMap((lane) => lane.metrics()),
    [Symbol.asyncDispose]: async () => {
      for (const lane of lanes.values()) await lane[Symbol.asyncDispose]()
    },
  }
}

/** One upstream's way to the disk. One batch is under way at a time: what gathers meanwhile makes the next batch larger, not the queue of calls longer. */
class Lane implements Running {
  readonly failure: Promise<never>
  readonly #upstream: string
  readonly #options: OutboxSinkOptions
  readonly #waiting = new DropOldestQueue<OutgoingMessage>({ sizeMax: waitingMax })
  readonly #bell = createBell()
  readonly #loop: Running
  #isFailing = false
  #refused = 0

  constructor(upstream: string, options: OutboxSinkOptions) {
    this.#upstream = upstream
    this.#options = options
    this.#loop = startLoop((signal) => this.#drain(signal))
    this.failure = this.#loop.failure
  }

  push(message: OutgoingMessage): void {
    this.#waiting.push(message)
    this.#bell.ring()
  }

  metrics(): readonly Metric[] {
    const labels = { upstream: this.#upstream }
    return [
      {
        name: 'lineside_outbox_waiting_for_disk',
        help: 'Values not yet accepted by the outbox.',
        type: 'gauge',
        value: this.#waiting.size,
        labels,
      },
      {
        name: 'lineside_outbox_lost_before_disk_total',
        help: 'Values dropped because the disk took too long.',
        type: 'counter',
        value: this.#waiting.dropped,
        labels,
      },
      {
        name: 'lineside_outbox_refused_total',
        help: 'Values that the outbox will never take, such as too large ones.',
        type: 'counter',
        value: this.#refused,
        labels,
      },
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]()
    const rest = this.#waiting.take(Number.MAX_SAFE_INTEGER)
    if (rest.length === 0) return
    const { accept, log } = this.#options
    await accept(rest).catch((error: unknown) =>
      log.error('Values were lost: the outbox did not take them at the end.', { values: rest.length, ...errorFields(error) }),
    )
  }

  async #drain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#waiting.size === 0) await this.#bell.wait(signal)
      const batch = this.#waiting.take(batchRowsMax)
      if (batch.length > 0) await this.#accept(batch, signal)
    }
  }

  async #accept(batch: readonly OutgoingMessage[], signal: AbortSignal): Promise<void> {
    const { accept, clock, log } = this.#options
    try {
      await accept(batch)
      if (this.#isFailing)
        log.info('The outbox takes values again.', {
          upstream: this.#upstream,
          waiting: this.#waiting.size,
          dropped: this.#waiting.dropped,
        })
      this.#isFailing = false
    } catch (error) {
      if (error instanceof Fault && !error.isRetryable) return await this.#refuse(batch, error)
      this.#waiting.unshift(batch)
      if (!this.#isFailing)
        log.warn('The outbox does not take values; they wait in memory.', { upstream: this.#upstream, ...errorFields(error) })
      this.#isFailing = true
      await clock.sleep(retryPauseMs, signal).catch(() => {})
    }
  }

  /** Some row of the batch is at fault: each is offered on its own, so that only that one is lost. */
  async #refuse(batch: readonly OutgoingMessage[], fault: Fault): Promise<void> {
    const { accept, log } = this.#options
    let refused = 0
    for (const message of batch) {
      await accept([message]).catch((error: unknown) => {
        if (error instanceof Fault && error.isRetryable) this.#waiting.push(message)
        else refused += 1
      })
    }
    this.#refused += refused
    log.error('The outbox refused values for good.', { upstream: this.#upstream, values: refused, ...errorFields(fault) })
  }
}

function upstreamsOf(topic: string, upstreams: OutboxSinkOptions['upstreams']): readonly string[] {
  return Object.entries(upstreams).flatMap(([name, { send }]) => (send.some((filter) => matchesFilter(topic, filter)) ? [name] : []))
}

/** Wakes one waiter; a ring that nobody heard is heard by the next. */
interface Bell {
  ring(): void
  wait(signal: AbortSignal): Promise<void>
}

function createBell(): Bell {
  let rung = Promise.withResolvers<void>()
  return {
    ring: () => rung.resolve(),
    wait: async (signal) => {
      const stopped = Promise.withResolvers<void>()
      const stop = (): void => stopped.resolve()
      signal.addEventListener('abort', stop, { once: true })
      await Promise.race([rung.promise, stopped.promise])
      signal.removeEventListener('abort', stop)
      rung = Promise.withResolvers<void>()
    },
  }
}
