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
import type { OutgoingMessage, StreamClass } from '../store/contract.ts'

/** What one upstream takes, by topic filters. */
export interface Wanted {
  readonly send: readonly string[]
  /** What is kept otherwise than whole and in order; absent: nothing. */
  readonly streams?: { readonly state: readonly string[]; readonly trends: readonly string[] }
  /** Of Sparkplug, which has no words for messages: none is kept for it, whatever `send` matches. */
  readonly takesTagsOnly?: boolean
  /** Where the upstream is told of what it will not see; absent: it cannot be told. */
  readonly dropTopic?: string
}

export interface OutboxSinkOptions {
  readonly site: string
  readonly tags: readonly TagMeta[]
  readonly upstreams: Readonly<Record<string, Wanted>>
  /** Resolves when the rows are on disk. */
  readonly accept: (messages: readonly OutgoingMessage[]) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

/** The way of changes into the outbox: every one of them, in order, never conflated. */
export interface OutboxSink extends Running {
  take(batch: ChangeBatch): void
  /**
   * A message of a flow or route; resolves when every upstream that wants it has it on disk, and there is nothing to wait for where none does.
   * `key`: the same however often it is sent.
   */
  acceptMessage(topic: string, payload: string, key?: string): Promise<unknown> | undefined
  metrics(): readonly Metric[]
}

/** About 20 s of 5,000 values/s: what a disk may stall before values are lost, and then they are counted. */
const waitingMax = 100_000
/** Rows in one call to the store. */
const batchRowsMax = 2_000
const retryPauseMs = 200
/** From one batch to the next, where they are large and many: fifty devices that are polled in turn share forty commits a second, not five hundred. */
const gatherMs = 25
const largeRows = 10
/** Below it a commit for each poll costs less than waiting for the next is worth. */
const gatherFromPerSecond = 2_000
const spanMs = 1_000

/** Starts handing changes to the store, for each upstream on its own: one whose outbox is full and refuses must not hold up the others. */
export function startOutboxSink(options: OutboxSinkOptions): OutboxSink {
  const targetsByTag = targetsOfTags(options)
  const messageTakers = Object.fromEntries(Object.entries(options.upstreams).filter(([, { takesTagsOnly }]) => takesTagsOnly !== true))
  const lanes = new Map(Object.keys(options.upstreams).map((upstream) => [upstream, new Lane(upstream, options)]))
  return {
    failure: firstFailure([...lanes.values()]),
    take: (batch) => {
      for (const { tag, sample } of batch) {
        const targets = targetsByTag[tag]
        const meta = options.tags[tag]
        if (targets === undefined || targets.length === 0 || meta === undefined) continue
        const body = JSON.stringify(samplePayload(meta, sample))
        for (const target of targets)
          lanes.get(target.upstream)?.push({ ...target, kind: 'sample', subject: meta.id, body, timeMs: sample.receivedMs })
      }
    },
    acceptMessage: (topic, payload, key) => {
      const targets = targetsOf(topic, messageTakers)
      if (targets.length === 0) return undefined
      const message = {
        kind: 'message',
        subject: topic,
        body: payload,
        timeMs: options.clock.now(),
        ...(key === undefined ? {} : { key }),
      } as const
      return Promise.all(targets.map((target) => options.accept([{ ...target, ...message }])))
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
  readonly #rate: Rate
  #isFailing = false
  #refused = 0
  /** Of the values dropped before they were on the disk, those that the upstream was told of. */
  #told = 0

  constructor(upstream: string, options: OutboxSinkOptions) {
    this.#upstream = upstream
    this.#options = options
    this.#rate = createRate(options.clock)
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
    const { accept, log } = this.#options
    while (this.#waiting.size > 0) {
      const rest = this.#waiting.take(batchRowsMax)
      const error = await accept(rest).then(() => undefined, errorFields)
      if (error === undefined) continue
      // Nobody waits at the end for as many refusals as there are batches.
      log.error('Values were lost: the outbox did not take them at the end.', { values: rest.length + this.#waiting.size, ...error })
      return
    }
  }

  async #drain(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      if (this.#waiting.size === 0) await this.#bell.wait(signal)
      const begun = clock.elapsed()
      const batch = this.#waiting.take(batchRowsMax)
      if (batch.length === 0) continue
      await this.#accept(batch, signal)
      const isMuch = this.#rate.perSecond(batch.length) >= gatherFromPerSecond && batch.length >= largeRows
      const restMs = gatherMs - (clock.elapsed() - begun)
      if (restMs > 0 && isMuch && this.#waiting.size < batchRowsMax) await clock.sleep(restMs, signal).catch(() => {})
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
      await this.#tellDrops()
    } catch (error) {
      if (error instanceof Fault && !error.isRetryable) return await this.#refuse(batch, error)
      this.#waiting.unshift(batch)
      if (!this.#isFailing)
        log.warn('The outbox does not take values; they wait in memory.', { upstream: this.#upstream, ...errorFields(error) })
      this.#isFailing = true
      await clock.sleep(retryPauseMs, signal).catch(() => {})
    }
  }

  /** These never had a number in the ledger: nobody above could know of them otherwise. */
  async #tellDrops(): Promise<void> {
    const { accept, upstreams, clock } = this.#options
    const { dropped } = this.#waiting
    const subject = upstreams[this.#upstream]?.dropTopic
    if (dropped === this.#told || subject === undefined) return
    const news = { upstream: this.#upstream, stream: 'before-disk', rows: dropped - this.#told, total: { dropped } }
    const message: OutgoingMessage = { upstream: this.#upstream, kind: 'message', subject, body: JSON.stringify(news), timeMs: clock.now() }
    await accept([message]).then(
      () => {
        this.#told = dropped
      },
      () => {}, // told with the next batch
    )
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

/** An upstream that wants a topic, and the stream in which it does; `events` goes without saying. */
interface Target {
  readonly upstream: string
  readonly stream?: StreamClass
}

/** One list for all tags that go the same ways. */
function targetsOfTags({ tags, site, upstreams }: OutboxSinkOptions): readonly (readonly Target[])[] {
  const lists = new Map<string, readonly Target[]>()
  return tags.map((tag) => {
    const targets = targetsOf(`${site}/${tag.id}`, upstreams)
    const key = JSON.stringify(targets)
    const list = lists.get(key) ?? targets
    lists.set(key, list)
    return list
  })
}

function targetsOf(topic: string, upstreams: OutboxSinkOptions['upstreams']): readonly Target[] {
  const isIn = (filters: readonly string[] = []): boolean => filters.some((filter) => matchesFilter(topic, filter))
  return Object.entries(upstreams).flatMap(([upstream, { send, streams }]): readonly Target[] => {
    if (!isIn(send)) return []
    if (isIn(streams?.state)) return [{ upstream, stream: 'state' }]
    return isIn(streams?.trends) ? [{ upstream, stream: 'trends' }] : [{ upstream }]
  })
}

interface Rate {
  /** Rows a second in the last whole second, once these are counted. */
  perSecond(rows: number): number
}

function createRate(clock: Clock): Rate {
  let spanAt = clock.elapsed()
  let spanRows = 0
  let perSecond = 0
  return {
    perSecond: (rows) => {
      const now = clock.elapsed()
      spanRows += rows
      if (now - spanAt < spanMs) return perSecond
      perSecond = (spanRows * 1_000) / (now - spanAt)
      spanAt = now
      spanRows = 0
      return perSecond
    },
  }
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
