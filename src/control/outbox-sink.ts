import type { Clock } from '../base/clock.ts'
import { errorFields, type Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { DropOldestQueue } from '../base/queue.ts'
import { type Running, startLoop } from '../base/running.ts'
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

/** Starts handing changes to the store, one batch on its way at a time: what gathers meanwhile makes the next batch larger, not the queue of calls longer. */
export function startOutboxSink(options: OutboxSinkOptions): OutboxSink {
  const upstreamsByTag = options.tags.map((tag) => upstreamsOf(`${options.site}/${tag.id}`, options.upstreams))
  const waiting = new DropOldestQueue<OutgoingMessage>({ sizeMax: waitingMax })
  const bell = createBell()
  const loop = startLoop((signal) => drain({ waiting, bell, options, signal }))
  return {
    failure: loop.failure,
    take: (batch) => {
      for (const { tag, sample } of batch) {
        const upstreams = upstreamsByTag[tag]
        const meta = options.tags[tag]
        if (upstreams === undefined || upstreams.length === 0 || meta === undefined) continue
        const body = JSON.stringify(samplePayload(meta, sample))
        for (const upstream of upstreams) waiting.push({ upstream, kind: 'sample', subject: meta.id, body, timeMs: sample.receivedMs })
      }
      if (waiting.size > 0) bell.ring()
    },
    acceptMessage: async (topic, payload) => {
      const upstreams = upstreamsOf(topic, options.upstreams)
      const timeMs = options.clock.now()
      if (upstreams.length > 0)
        await options.accept(upstreams.map((upstream) => ({ upstream, kind: 'message', subject: topic, body: payload, timeMs })))
    },
    metrics: () => [
      { name: 'lineside_outbox_waiting_for_disk', help: 'Values not yet accepted by the outbox.', type: 'gauge', value: waiting.size },
      {
        name: 'lineside_outbox_lost_before_disk_total',
        help: 'Values dropped because the disk took too long.',
        type: 'counter',
        value: waiting.dropped,
      },
    ],
    [Symbol.asyncDispose]: async () => {
      await loop[Symbol.asyncDispose]()
      const rest = waiting.take(Number.MAX_SAFE_INTEGER)
      if (rest.length > 0)
        await options
          .accept(rest)
          .catch((error: unknown) =>
            options.log.error('Values were lost: the outbox did not take them at the end.', { values: rest.length, ...errorFields(error) }),
          )
    },
  }
}

interface DrainOptions {
  readonly waiting: DropOldestQueue<OutgoingMessage>
  readonly bell: Bell
  readonly options: OutboxSinkOptions
  readonly signal: AbortSignal
}

async function drain({ waiting, bell, options, signal }: DrainOptions): Promise<void> {
  let isFailing = false
  while (!signal.aborted) {
    if (waiting.size === 0) await bell.wait(signal)
    const batch = waiting.take(batchRowsMax)
    if (batch.length === 0) continue
    try {
      await options.accept(batch)
      if (isFailing) options.log.info('The outbox takes values again.', { waiting: waiting.size, dropped: waiting.dropped })
      isFailing = false
    } catch (error) {
      waiting.unshift(batch)
      if (!isFailing) options.log.warn('The outbox does not take values; they wait in memory.', errorFields(error))
      isFailing = true
      await options.clock.sleep(retryPauseMs, signal).catch(() => {})
    }
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
