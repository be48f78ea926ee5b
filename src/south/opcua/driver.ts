import type { NodeId } from 'node-opcua-client'
import { AttributeIds, type DataValue } from 'node-opcua-client'
import type { Clock } from '../../base/clock.ts'
import type { Fault } from '../../base/fault.ts'
import { errorFields } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import type { Reading, Tag } from '../../model/tag.ts'
import type {
  CallOutcome,
  ConnectContext,
  Connection,
  Driver,
  EventSource,
  MethodCall,
  PolledSource,
  RawWrite,
  SubscribedSource,
  WriteOutcome,
  WriteRefusal,
} from '../driver.ts'
import { Changes } from './changes.ts'
import { openChannel } from './channel.ts'
import type { OpcuaAddress, OpcuaConfig } from './config.ts'
import { Decoder } from './decoder.ts'
import { EventFeed } from './events.ts'
import { Life } from './life.ts'
import { limitedBy } from './makes.ts'
import { callMethod } from './methods.ts'
import { connectionMetrics } from './metrics.ts'
import { MissingNodes } from './missing.ts'
import { Monitoring } from './monitoring.ts'
import { Nodes } from './nodes.ts'
import { notifierOf } from './notifier.ts'
import { polledSource } from './polled.ts'
import type { Requests } from './requests.ts'
import { NamespacePins, readLimits, resolveTags, type ServerLimits } from './resolve.ts'
import { readServerInfo, type ServerInfo } from './server-info.ts'
import { subscribeOr } from './subscribe.ts'
import type { Subscription } from './subscription.ts'
import { builtInTypeOf, declaredTypes } from './types.ts'
import { watchForSilence } from './watchdog.ts'
import { refusalsOf, type WriteContext, writeAll } from './writes.ts'

type Tags = readonly Tag<OpcuaAddress>[]

/** Talks OPC UA. One connection is one session: when it is lost everything is made anew, from the namespaces on. */
export const opcuaDriver: Driver<OpcuaConfig, OpcuaAddress> = {
  name: 'opcua',
  connect: async (config, tags, context) => {
    await using parts = new AsyncDisposableStack()
    const channel = parts.use(await openChannel(config, context))
    const life = parts.use(new Life(channel, config, context))
    const connection = new OpcuaConnection(await prepare({ life, config, tags, context }))
    parts.move()
    return connection
  },
}

interface Prepared {
  readonly life: Life
  readonly config: OpcuaConfig
  readonly tags: Tags
  readonly context: ConnectContext
  readonly info: ServerInfo
  readonly limits: ServerLimits
  readonly pinned: NamespacePins
  readonly nodes: Nodes
  /** undefined where the server is read instead. */
  readonly subscription: Subscription | undefined
  /** What the events are asked of; undefined where none are wanted, or the node is not there. */
  readonly notifier: NodeId | undefined
}

type Connecting = Pick<Prepared, 'life' | 'config' | 'tags' | 'context'>

/** Everything that must be known before the first tag can be asked for. */
async function prepare(connecting: Connecting): Promise<Prepared> {
  const { life, config, tags, context } = connecting
  const abort = (): void => life.lose(context.signal.reason)
  context.signal.addEventListener('abort', abort, { once: true })
  try {
    context.signal.throwIfAborted()
    const { requests } = life
    const info = await readServerInfo(requests, { config, context })
    if (info.make?.takesTurns === true) requests.takeTurns()
    const limits = limitedBy(await readLimits(requests), info.make)
    const pinned = await NamespacePins.load(context.stateFolder)
    const nodes = await Nodes.find({ tags, requests, limits, pinned, sharing: context.sharing })
    const notifier = await notifierOf(config, { requests, limits, pinned })
    await pinned.save().catch((error: unknown) => context.log.warn(cannotSave, errorFields(error)))
    const subscription = await subscribeOr(config, { life, info, log: context.log })
    return { ...connecting, info, limits, pinned, nodes, subscription, notifier }
  } finally {
    context.signal.removeEventListener('abort', abort)
  }
}

/** A full disk is no reason to leave a PLC alone; the next connection tries again. */
const cannotSave = 'Cannot keep which namespaces the indexes of a device file mean.'

class OpcuaConnection implements Connection {
  readonly failure: Promise<never>
  readonly source: SubscribedSource | PolledSource
  readonly events?: EventSource
  readonly #prepared: Prepared
  readonly #decoder: Decoder
  readonly #monitoring: Monitoring | undefined
  readonly #feed: EventFeed | undefined
  readonly #missing: MissingNodes
  readonly #changes = new Changes()

  constructor(prepared: Prepared) {
    const { life, config, tags, context, nodes, subscription } = prepared
    this.#prepared = prepared
    this.failure = life.failure
    this.#decoder = new Decoder(tags, context.log)
    this.#missing = new MissingNodes(
      tags.map(({ id }) => id),
      () => prepared.pinned.remedy,
    )
    const watched = { read: this.#read.bind(this), missing: this.#missing, changes: this.#changes }
    if (subscription === undefined) {
      if (config.opcua.events !== undefined) context.log.warn('The OPC UA server gives no subscription, so its events do not come.')
      this.source = polledSource({ tags, nodes, retryMs: config.opcua.retry, clock: life.clock, ...watched })
    } else {
      this.#monitoring = new Monitoring({ ...prepared, ...this.#tools(), ...watched, subscription, make: prepared.info.make })
      this.source = { kind: 'subscribed', subscribe: (report, signal) => this.#subscribe(report, signal) }
      this.#feed = this.#openEvents(subscription)
      if (this.#feed !== undefined) this.events = this.#feed
    }
    this.#watch(subscription)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#prepared.life[Symbol.asyncDispose]()
  }

  /** Whoever asks tells others what it is; what is polled or reported later must not fall behind that. */
  async read(tags: readonly number[], signal: AbortSignal): Promise<readonly Reading[]> {
    const readings = await this.#read(tags, signal)
    if (this.#monitoring === undefined) this.#changes.readBesides(tags)
    else this.#monitoring.readBesides(tags)
    return readings
  }

  async #read(tags: readonly number[], signal: AbortSignal): Promise<readonly Reading[]> {
    const { nodes, placeOf } = this.#prepared.nodes.distinct(tags)
    const values = await this.#readNodes(nodes, signal)
    return tags.map((tag) => {
      const data = values[placeOf.get(tag) ?? -1]
      return data === undefined ? this.#absent(tag) : this.#decoder.reading(tag, data)
    })
  }

  async write(writes: readonly RawWrite[], signal: AbortSignal): Promise<readonly WriteOutcome[]> {
    return await writeAll(writes, this.#writing(), signal)
  }

  async refusals(writes: readonly RawWrite[], signal: AbortSignal): Promise<readonly (WriteRefusal | undefined)[]> {
    return await refusalsOf(writes, this.#writing(), signal)
  }

  #writing(): WriteContext {
    const { life, limits, tags, nodes } = this.#prepared
    return {
      requests: life.requests,
      limit: limits.write,
      idOf: (tag: number) => tags[tag]?.id ?? String(tag),
      nodeOf: (tag: number) => nodes.of(tag),
      statusOf: (tag: number) => nodes.statusOf(tag),
      typesOf: (wanted: readonly number[], until: AbortSignal) => this.#typesOf(wanted, until),
    }
  }

  async call(call: MethodCall, signal: AbortSignal): Promise<CallOutcome> {
    const { life, limits, pinned } = this.#prepared
    const { requests } = life
    const context = {
      requests,
      resolve: (addresses: Parameters<typeof resolveTags>[0]) => resolveTags(addresses, { requests, limits, pinned }),
      builtInType: (dataType: NodeId) => builtInTypeOf(requests, dataType),
    }
    return await callMethod(call, context, signal)
  }

  onMissing(tell: (fault: Fault | undefined) => void): void {
    this.#missing.listen(tell)
  }

  metrics(): readonly Metric[] {
    return connectionMetrics({ info: this.#prepared.info, items: this.#monitoring?.counts, feed: this.#feed })
  }

  #tools(): { readonly requests: Requests; readonly clock: Clock; readonly log: ConnectContext['log']; readonly decoder: Decoder } {
    const { life, context } = this.#prepared
    return { requests: life.requests, clock: life.clock, log: context.log, decoder: this.#decoder }
  }

  #openEvents(subscription: Subscription): EventFeed | undefined {
    const { config, notifier, context } = this.#prepared
    const { events } = config.opcua
    if (events === undefined) return undefined
    if (notifier !== undefined) return new EventFeed({ ...this.#tools(), config: events, node: notifier, subscription })
    context.log.warn('The OPC UA server does not have the node whose events are asked for.', { node: events.node })
    return undefined
  }

  async #subscribe(report: (readings: readonly Reading[]) => void, signal: AbortSignal): Promise<void> {
    await this.#monitoring?.start(report, AbortSignal.any([signal, this.#prepared.life.ended]))
  }

  /** As the server last encoded it, which is right even where the declared type is abstract; else as declared. */
  async #typesOf(tags: readonly number[], signal: AbortSignal): ReturnType<typeof declaredTypes> {
    const unknown = tags.filter((tag) => this.#decoder.typeOf(tag) === undefined)
    if (unknown.length > 0) await this.#read(unknown, signal)
    const { life, nodes } = this.#prepared
    return await declaredTypes(tags, { requests: life.requests, decoder: this.#decoder, nodeOf: (tag) => nodes.of(tag), signal })
  }

  async #readNodes(nodes: readonly NodeId[], signal: AbortSignal): Promise<readonly DataValue[]> {
    const { life, limits } = this.#prepared
    const values = await life.requests.chunked(nodes, {
      what: 'a read',
      limit: limits.read,
      send: (session, chunk) => session.read(chunk.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value }))),
      signal,
    })
    if (this.source.kind === 'polled') life.hear()
    return values
  }

  #absent(tag: number): Reading {
    return { tag, value: null, quality: 'bad', status: this.#prepared.nodes.statusOf(tag) }
  }

  #watch(subscription: Subscription | undefined): void {
    const { life, config } = this.#prepared
    const heartbeat = subscription === undefined ? {} : { heartbeatMs: subscription.heartbeatMs }
    const { clock, ownTime } = life
    const options = { requests: life.requests, clock, ownTime, url: life.url, keepaliveMs: config.opcua.keepalive, ...heartbeat }
    watchForSilence({ ...options, heardMs: () => life.heardMs }, life.ended).catch((error: unknown) => {
      if (!life.ended.aborted) life.lose(error)
    })
  }
}
