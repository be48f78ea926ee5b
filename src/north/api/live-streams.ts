import type { ServerResponse } from 'node:http'
import type { Clock } from '../../base/clock.ts'
import type { Metric } from '../../base/metric.ts'
import { KeepLatestQueue } from '../../base/queue.ts'
import { startLoop } from '../../base/running.ts'
import type { LiveTags } from '../../control/contract.ts'
import type { ChangeBatch } from '../../model/sample.ts'
import { asTagIndex, type TagIndex } from '../../model/tag.ts'
import { matchesFilter } from '../../model/topic.ts'
import { requestProblem } from './problem.ts'
import { tagRow } from './tags.ts'
import type { Visitor } from './visitor.ts'

const streamsMax = 100
/** Proxies drop a silent connection after a minute or so. */
const heartbeatMs = 15_000
/** A reader that has this much unread gets the latest of each tag once it reads on, not all that it missed. */
const unreadBytesMax = 256 * 1024

interface Stream {
  readonly response: ServerResponse
  readonly visitor: Visitor
  /** By tag, 1: it is told. Absent: all are. */
  readonly shown: Uint8Array | undefined
  readonly waiting: KeepLatestQueue<TagIndex, true>
}

/** Live values as server-sent events: first every tag, then each change; a slow reader gets the latest values and harms nobody. */
export class LiveStreams implements Disposable {
  readonly #tags: LiveTags
  readonly #site: string
  readonly #streams = new Set<Stream>()
  readonly #listening: Disposable
  readonly #heartbeat: AsyncDisposable
  #overtaken = 0

  constructor(options: { readonly tags: LiveTags; readonly site: string; readonly clock: Clock }) {
    this.#tags = options.tags
    this.#site = options.site
    this.#listening = options.tags.onChanges((batch) => this.#take(batch))
    this.#heartbeat = startLoop(async (signal) => {
      while (!signal.aborted) {
        await options.clock.sleep(heartbeatMs, signal)
        for (const { response } of this.#streams) if (response.writableLength < unreadBytesMax) response.write(': still here\n\n')
      }
    })
  }

  open({
    response,
    filter,
    visitor,
  }: {
    readonly response: ServerResponse
    readonly filter: string | undefined
    readonly visitor: Visitor
  }): void {
    if (this.#streams.size >= streamsMax) {
      response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '10' })
      response.end(
        JSON.stringify(
          requestProblem(503, {
            code: 'api.streams-full',
            detail: `${streamsMax} live streams are open.`,
            remedy: 'Close one, or use MQTT for many readers.',
          }),
        ),
      )
      return
    }
    const stream: Stream = { response, visitor, shown: this.#shownTo(visitor, filter), waiting: new KeepLatestQueue() }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    response.on('close', () => this.#streams.delete(stream))
    response.on('drain', () => this.#send(stream))
    this.#streams.add(stream)
    for (const place of this.#tags.metas.keys()) this.#offer(stream, asTagIndex(place))
    this.#send(stream)
  }

  /** Whoever may not come in any more has to go. */
  dropRevoked(): void {
    for (const { response, visitor } of this.#streams) if (!visitor.isValid()) response.destroy()
  }

  metrics(): readonly Metric[] {
    return [
      { name: 'lineside_api_live_streams', help: 'Readers of live values.', type: 'gauge', value: this.#streams.size },
      {
        name: 'lineside_api_live_overtaken_total',
        help: 'Values that a slow reader did not see because newer ones came.',
        type: 'counter',
        value: this.#overtaken,
      },
    ]
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]()
    void this.#heartbeat[Symbol.asyncDispose]()
    for (const { response } of this.#streams) response.destroy()
  }

  #shownTo({ seesAll, mayRead }: Visitor, filter: string | undefined): Uint8Array | undefined {
    if (seesAll && filter === undefined) return undefined
    const isShown = (id: string): boolean =>
      (filter === undefined || matchesFilter(id, filter)) && (seesAll || mayRead(`${this.#site}/${id}`))
    return Uint8Array.from(this.#tags.metas, ({ id }) => (isShown(id) ? 1 : 0))
  }

  #take(batch: ChangeBatch): void {
    for (const stream of this.#streams) {
      for (const { tag } of batch) this.#offer(stream, tag)
      this.#send(stream)
    }
  }

  #offer(stream: Stream, tag: TagIndex): void {
    if (stream.shown !== undefined && stream.shown[tag] !== 1) return
    const before = stream.waiting.overtaken
    stream.waiting.push(tag, true)
    this.#overtaken += stream.waiting.overtaken - before
  }

  #send({ response, waiting }: Stream): void {
    if (waiting.size === 0 || response.writableLength >= unreadBytesMax) return
    const rows = [...waiting.takeAll().keys()].map((tag) => tagRow(this.#tags, tag))
    response.write(`event: tags\ndata: ${JSON.stringify(rows)}\n\n`)
  }
}
