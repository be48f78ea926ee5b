import { AttributeIds, DataType, type DataValue, type NodeId, VariantArrayType } from 'node-opcua-client'
import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields } from '../../base/log.ts'
import type { Reading, Tag } from '../../model/tag.ts'
import type { ConnectContext, Connection, Driver, RawWrite, SubscribedSource, WriteOutcome } from '../driver.ts'
import { type Channel, openChannel } from './channel.ts'
import { type NodeType, variantFor } from './coerce.ts'
import type { OpcuaAddress, OpcuaConfig } from './config.ts'
import { badAnswer, connectionLost, valueRefused, writeRefused } from './faults.ts'
import { badNodeIdUnknown, statusOf } from './quality.ts'
import { Requests } from './requests.ts'
import { NamespacePins, type Place, readLimits, resolveTags, type ServerLimits } from './resolve.ts'
import { type MonitoredValue, Subscription } from './subscription.ts'
import { readingOf } from './values.ts'

type Tags = readonly Tag<OpcuaAddress>[]

/** Talks OPC UA by subscription. One connection is one session: when it is lost everything is made anew, from the namespaces on. */
export const opcuaDriver: Driver<OpcuaConfig, OpcuaAddress> = {
  name: 'opcua',
  connect: async (config, tags, context) => {
    await using parts = new AsyncDisposableStack()
    const channel = parts.use(await openChannel(config, context))
    const connection = parts.use(new OpcuaConnection({ channel, config, tags, context }))
    await connection.prepare(context.signal)
    parts.move()
    return connection
  },
}

interface ConnectionOptions {
  readonly channel: Channel
  readonly config: OpcuaConfig
  readonly tags: Tags
  readonly context: ConnectContext
}

const noLimits: ServerLimits = { read: 0, write: 0, monitor: 0, translate: 0 }

class OpcuaConnection implements Connection {
  readonly failure: Promise<never>
  readonly source: SubscribedSource
  readonly #options: ConnectionOptions
  readonly #clock: Clock
  readonly #requests: Requests
  readonly #end = new AbortController()
  readonly #reject: (fault: Fault) => void
  /** By tag position. */
  #places: readonly Place[] = []
  readonly #types = new Map<number, NodeType>()
  #limits = noLimits
  #heardMs: number

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#clock = options.context.clock
    this.#heardMs = this.#clock.elapsed()
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {}) // seen by whoever watches
    this.failure = promise
    this.#reject = reject
    const { session } = options.channel
    const timeoutMs = options.config.connection.timeout
    this.#requests = new Requests({ session, clock: this.#clock, timeoutMs, ended: this.#end.signal })
    this.source = { kind: 'subscribed', subscribe: (report, signal) => this.#subscribe(report, signal) }
    options.channel.onLost((fault) => this.#lost(fault))
  }

  /** Everything that must be known before the first tag can be asked for. */
  async prepare(signal: AbortSignal): Promise<void> {
    const { tags } = this.#options
    const abort = (): void => this.#lost(faultFrom(signal.reason, this.#options.channel.url))
    signal.addEventListener('abort', abort, { once: true })
    try {
      signal.throwIfAborted()
      this.#limits = await readLimits(this.#requests)
      const pinned = await NamespacePins.load(this.#options.context.stateFolder)
      this.#places = await resolveTags(tags, { requests: this.#requests, limits: this.#limits, pinned })
      await pinned.save().catch((error: unknown) => this.#cannotSave(error))
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** A full disk is no reason to leave a PLC alone; the next connection tries again. */
  #cannotSave(error: unknown): void {
    this.#options.context.log.warn('Cannot keep which namespaces the indexes of a device file mean.', errorFields(error))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(connectionLost(this.#options.channel.url, 'it was closed'))
    await this.#options.channel[Symbol.asyncDispose]()
  }

  async read(tags: readonly number[], signal: AbortSignal): Promise<readonly Reading[]> {
    const asked = tags.flatMap((tag) => this.#nodeOf(tag))
    const values = await this.#readNodes(
      asked.map(({ node }) => node),
      signal,
    )
    const byTag = new Map(asked.map(({ tag }, place) => [tag, values[place]]))
    return tags.map((tag) => {
      const data = byTag.get(tag)
      return data === undefined ? this.#absent(tag) : this.#reading(tag, data)
    })
  }

  async write(writes: readonly RawWrite[], signal: AbortSignal): Promise<readonly WriteOutcome[]> {
    const outcomes: WriteOutcome[] = []
    for (const write of writes) outcomes.push(await this.#writeOne(write, signal))
    return outcomes
  }

  async #writeOne({ tag, value }: RawWrite, signal: AbortSignal): Promise<WriteOutcome> {
    const id = this.#options.tags[tag]?.id ?? String(tag)
    const [target] = this.#nodeOf(tag)
    if (target === undefined) return { outcome: 'failed', fault: writeRefused(id, this.#statusOf(tag)) }
    let isSent = false
    try {
      const type = await this.#typeOf(tag, target.node, signal)
      const variant = type === undefined ? undefined : variantFor(value, type)
      if (variant === undefined) return { outcome: 'failed', fault: valueRefused(id, value, typeText(type)) }
      const status = await this.#requests.ask(
        'a write',
        (session) => {
          isSent = true
          // Value only: many PLCs refuse a write that brings a status or a time.
          return session.write({ nodeId: target.node, attributeId: AttributeIds.Value, value: { value: variant } })
        },
        signal,
      )
      if (status.isGoodish()) return { outcome: 'done' }
      return { outcome: 'failed', fault: writeRefused(id, statusOf(status.value)) }
    } catch (error) {
      const fault = faultFrom(error, this.#options.channel.url)
      const isAnswered = fault.code === 'opcua.request-failed'
      return { outcome: isSent && !isAnswered ? 'unknown' : 'failed', fault }
    }
  }

  /** As the server last encoded it, which is right even where the declared type is abstract; else as declared. */
  async #typeOf(tag: number, node: NodeId, signal: AbortSignal): Promise<NodeType | undefined> {
    if (!this.#types.has(tag)) for (const data of await this.#readNodes([node], signal)) this.#learn(tag, data)
    const known = this.#types.get(tag)
    if (known !== undefined) return known
    const dataType = await this.#requests.ask('a read of a data type', (session) => session.getBuiltInDataType(node), signal)
    const declared = { dataType, isArray: false }
    this.#types.set(tag, declared)
    return declared
  }

  async #readNodes(nodes: readonly NodeId[], signal: AbortSignal): Promise<readonly DataValue[]> {
    return await this.#requests.chunked(nodes, {
      what: 'a read',
      limit: this.#limits.read,
      send: (session, chunk) => session.read(chunk.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value }))),
      signal,
    })
  }

  async #subscribe(report: (readings: readonly Reading[]) => void, signal: AbortSignal): Promise<void> {
    const items = this.#options.tags.flatMap((_, tag) => this.#nodeOf(tag))
    const absent = this.#options.tags.flatMap((_, tag) => ('node' in (this.#places[tag] ?? {}) ? [] : [this.#absent(tag)]))
    if (absent.length > 0) report(absent)
    const until = AbortSignal.any([signal, this.#end.signal])
    const subscription = await Subscription.create({
      requests: this.#requests,
      config: this.#options.config,
      onValues: (values) => report(this.#readings(values)),
      onHeard: () => this.#hear(),
      onLost: (fault) => this.#lost(fault),
      ended: until,
    })
    this.#watch(subscription.heartbeatMs, until)
    const statuses = await subscription.monitor(items, this.#limits.monitor)
    const refused = statuses.flatMap((status, place): Reading[] => {
      const tag = items[place]?.tag
      return status === 0 || tag === undefined ? [] : [{ tag, value: null, quality: 'bad', status }]
    })
    if (refused.length > 0 && !until.aborted) report(refused)
  }

  #readings(values: readonly MonitoredValue[]): Reading[] {
    const count = this.#options.tags.length
    return values.flatMap(({ tag, data }) => (tag >= 0 && tag < count ? [this.#reading(tag, data)] : []))
  }

  #reading(tag: number, data: DataValue): Reading {
    this.#learn(tag, data)
    return readingOf(tag, data)
  }

  #learn(tag: number, data: DataValue): void {
    const { value } = data
    if (value === null || value === undefined || value.dataType === DataType.Null || this.#types.has(tag)) return
    this.#types.set(tag, { dataType: value.dataType, isArray: value.arrayType !== VariantArrayType.Scalar })
  }

  #nodeOf(tag: number): readonly { readonly tag: number; readonly node: NodeId }[] {
    const place = this.#places[tag]
    return place !== undefined && 'node' in place ? [{ tag, node: place.node }] : []
  }

  #statusOf(tag: number): number {
    const place = this.#places[tag]
    return place !== undefined && 'status' in place ? place.status : badNodeIdUnknown
  }

  #absent(tag: number): Reading {
    return { tag, value: null, quality: 'bad', status: this.#statusOf(tag) }
  }

  #hear(): void {
    this.#heardMs = this.#clock.elapsed()
  }

  #lost(fault: Fault): void {
    this.#options.channel.giveUp()
    this.#reject(fault)
    this.#end.abort(fault)
  }

  /** A hung server closes no socket and raises no event: only its silence tells. A lost subscription in a living session shows here too. */
  async #watch(heartbeatMs: number, until: AbortSignal): Promise<void> {
    const { keepalive } = this.#options.config.opcua
    const url = this.#options.channel.url
    let probedMs = this.#clock.elapsed()
    try {
      while (!until.aborted) {
        await this.#clock.sleep(keepalive / 4, until)
        await socketsRead()
        const silentMs = this.#clock.elapsed() - this.#heardMs
        if (silentMs > heartbeatMs * 3 + keepalive * 2) throw connectionLost(url, `it has reported nothing for ${Math.round(silentMs)} ms`)
        if (silentMs < keepalive || this.#clock.elapsed() - probedMs < keepalive) continue
        probedMs = this.#clock.elapsed()
        await this.#probe(keepalive, until)
      }
    } catch (error) {
      if (!until.aborted) this.#lost(faultFrom(error, url))
    }
  }

  async #probe(limitMs: number, until: AbortSignal): Promise<void> {
    const limit = new AbortController()
    const url = this.#options.channel.url
    const giveUp = (): void => limit.abort(connectionLost(url, `it was silent, and did not answer within ${limitMs} ms`))
    using _timer = this.#clock.after(limitMs, () => setImmediate(giveUp))
    await this.#requests.ask(
      'whether it lives',
      (session) => session.read({ nodeId: serverState, attributeId: AttributeIds.Value }),
      AbortSignal.any([until, limit.signal]),
    )
  }
}

const serverState = 'i=2259'

function typeText(type: NodeType | undefined): string {
  return type === undefined ? 'unknown' : `${DataType[type.dataType]}${type.isArray ? '[]' : ''}`
}

function faultFrom(error: unknown, url: string): Fault {
  return error instanceof Fault ? error : badAnswer(`what was asked of ${url}`, error)
}

/** After our own loop was held up, what the server sent meanwhile is still unread when the timers run: its silence would be ours. */
async function socketsRead(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}
