import type { Clock } from '../../../base/clock.ts'
import type { Log } from '../../../base/log.ts'
import type { Metric } from '../../../base/metric.ts'
import { type Running, startLoop } from '../../../base/running.ts'
import type { SiteEvent } from '../../../model/event.ts'
import { jsonValue } from '../../../model/payload.ts'
import { dataTypes } from '../../../model/sparkplug/data-type.ts'
import { decodePayload } from '../../../model/sparkplug/decode.ts'
import { encodePayload } from '../../../model/sparkplug/encode.ts'
import { hostStatePayload, parseHostState } from '../../../model/sparkplug/state.ts'
import { type EdgeNodeName, nodeTopic, parseSparkplugTopic, type SparkplugTopic, stateTopic } from '../../../model/sparkplug/topic.ts'
import type { Broker } from '../broker.ts'
import type { ReceivedMessage } from '../door-keeper.ts'
import type { SparkplugHostConfig } from './config.ts'
import { EdgeNodeView } from './edge-node-view.ts'
import { MetricWrites, type Target } from './metric-writes.ts'

export interface SparkplugHostOptions {
  readonly config: SparkplugHostConfig
  readonly node: string
  readonly broker: Pick<Broker, 'watch' | 'publish' | 'own'>
  /** Into the journal. */
  readonly record: (event: SiteEvent) => void
  readonly clock: Clock
  readonly log: Log
}

export interface SparkplugHost extends Running {
  metrics(): readonly Metric[]
}

const nodesMax = 500
const metricsMax = 20_000
/** Values of one metric within this time become one message. */
const showPauseMs = 200
/** Levels of a topic cannot hold these. */
const unfit = /[+#\p{Cc}]/gu

/**
 * Starts the host application of the edge nodes that are clients of this broker: it says STATE online, follows births, data and deaths, asks for a
 * rebirth where something is missing, and shows everything as plain JSON below `lineside/NODE/sparkplug/`.
 */
export async function startSparkplugHost(options: SparkplugHostOptions): Promise<SparkplugHost> {
  const host = new Host(options)
  const { broker, node } = options
  const watching = broker.watch('spBv1.0/', (topic, payload) => host.take(topic, payload))
  const prefix = `lineside/${node}/sparkplug/`
  const owning = broker.own(prefix, (message) => host.receive(message.topic.slice(prefix.length).split('/'), message))
  await host.sayState({ isOnline: true })
  const showing = startLoop((signal) => host.showForever(signal))
  return {
    failure: showing.failure,
    metrics: () => host.metrics(),
    [Symbol.asyncDispose]: async () => {
      watching[Symbol.dispose]()
      owning[Symbol.dispose]()
      await showing[Symbol.asyncDispose]()
      host.stop()
      await host.sayState({ isOnline: false })
    },
  }
}

class Host {
  readonly #options: SparkplugHostOptions
  readonly #views = new Map<string, EdgeNodeView>()
  /** The last word of each topic; there are as many as nodes, devices and metrics. */
  readonly #unsaid = new Map<string, string>()
  readonly #writes: MetricWrites
  /** The latest that anybody has said of us: edge nodes take no word that is older. */
  #statedMs = 0
  #rebirths = 0
  #unreadable = 0
  #left = 0

  constructor(options: SparkplugHostOptions) {
    const { broker, config, record, clock } = options
    this.#options = options
    this.#writes = new MetricWrites({
      role: config.role,
      find: (levels) => this.#find(levels),
      publish: (topic, payload) => broker.publish([{ topic, payload, qos: 0, isRetained: false }]),
      record,
      clock,
    })
  }

  async sayState({ isOnline }: { readonly isOnline: boolean }): Promise<void> {
    const { broker, config, clock } = this.#options
    this.#statedMs = Math.max(clock.now(), this.#statedMs + 1)
    const payload = hostStatePayload({ isOnline, timestampMs: this.#statedMs })
    await broker.publish([{ topic: stateTopic(config.host), payload, qos: 1, isRetained: true }])
  }

  take(topic: string, payload: Uint8Array): void {
    if (topic === stateTopic(this.#options.config.host)) this.#hearOwnState(payload)
    const parsed = parseSparkplugTopic(topic)
    if (parsed === undefined || parsed.type === 'NCMD' || parsed.type === 'DCMD') return
    const decoded = decodePayload(payload)
    const view = this.#viewOf(parsed)
    if ('problem' in decoded) this.#unreadable += 1
    else {
      view?.take({ type: parsed.type, device: 'device' in parsed ? parsed.device : '', payload: decoded.payload })
      if (parsed.type === 'NBIRTH' || parsed.type === 'DBIRTH') this.#keepCertificate(topic, payload, view !== undefined)
    }
  }

  /** What a client has published below the plain topics: a wish, or nothing that it may. */
  receive(levels: readonly string[], message: ReceivedMessage): 'passOn' | 'discard' {
    if (levels.at(-1) !== 'set') return 'discard'
    void this.#answer(levels.slice(0, -1), message)
    return 'passOn'
  }

  async showForever(signal: AbortSignal): Promise<void> {
    const { broker, clock } = this.#options
    while (!signal.aborted) {
      await clock.sleep(showPauseMs, signal).catch(() => {})
      const messages = [...this.#unsaid].map(([topic, payload]) => ({ topic, payload, qos: 0 as const, isRetained: true }))
      this.#unsaid.clear()
      if (messages.length > 0) await broker.publish(messages).catch(() => {}) // the broker is closing
    }
  }

  stop(): void {
    for (const view of this.#views.values()) view[Symbol.dispose]()
  }

  metrics(): readonly Metric[] {
    const row = (type: Metric['type'], name: string, help: string, value: number): Metric => ({ name, help, type, value })
    const online = [...this.#views.values()].filter(({ isOnline }) => isOnline).length
    return [
      row('gauge', 'lineside_sparkplug_host_nodes', 'Sparkplug edge nodes online at the embedded broker.', online),
      row('gauge', 'lineside_sparkplug_host_metrics', 'Their metrics.', this.#size()),
      row('counter', 'lineside_sparkplug_host_rebirths_total', 'Rebirths asked for.', this.#rebirths),
      row('counter', 'lineside_sparkplug_host_writes_total', 'Writes of metrics that clients asked for.', this.#writes.asked),
      row('counter', 'lineside_sparkplug_host_unreadable_total', 'Messages that were no Sparkplug payload.', this.#unreadable),
      row('counter', 'lineside_sparkplug_host_left_out_total', 'Nodes or metrics not taken in: no room.', this.#left),
    ]
  }

  /** Somebody, such as another host of the same id, says that we are gone. */
  #hearOwnState(payload: Uint8Array): void {
    const state = parseHostState(payload)
    if (state !== undefined && state.timestampMs < Number.MAX_SAFE_INTEGER) this.#statedMs = Math.max(this.#statedMs, state.timestampMs)
    if (state?.isOnline === true) return
    // After that message has gone out, or it would be the last word.
    this.#options.clock.after(0, () => this.#send(this.sayState({ isOnline: true })))
  }

  #viewOf(name: SparkplugTopic): EdgeNodeView | undefined {
    const key = `${name.group}/${name.edgeNode}`
    const known = this.#views.get(key)
    if (known !== undefined) return known
    if (this.#views.size >= nodesMax) {
      this.#left += 1
      return undefined
    }
    const { config, clock } = this.#options
    const view: EdgeNodeView = new EdgeNodeView({
      reorderMs: config.reorderMs,
      askForRebirth: () => this.#askForRebirth(name),
      show: (device, metric, text) => {
        this.#show([key, device, metric], text)
        const known = view.find(device, metric)
        if (known !== undefined) this.#writes.heard(view, known)
      },
      showState: (device, isOnline) => this.#show([key, device], JSON.stringify({ state: isOnline ? 'online' : 'offline' })),
      mayAdd: () => this.#mayAdd(),
      clock,
    })
    this.#views.set(key, view)
    return view
  }

  /** By the levels of its topic: a device of that name comes before a metric of the node whose name begins so. */
  #find([group = '', edgeNode = '', ...rest]: readonly string[]): Target | undefined {
    const view = this.#views.get(`${group}/${edgeNode}`)
    const [device = '', ...path] = rest
    const metric = view?.find(device, path.join('/')) ?? view?.find('', rest.join('/'))
    return view === undefined || metric === undefined ? undefined : { node: { group, edgeNode }, view, metric }
  }

  async #answer(levels: readonly string[], message: ReceivedMessage): Promise<void> {
    const { value, ...result } = await this.#writes.result(levels, message)
    const payload = JSON.stringify({ ...result, ...(value === undefined ? {} : { value: jsonValue(value) }) })
    this.#send(this.#options.broker.publish([{ topic: `${message.topic}/result`, payload, qos: 1, isRetained: false }]))
  }

  /** As an aware server does it (10.2): whoever comes later finds the last births. */
  #keepCertificate(topic: string, payload: Uint8Array, isTakenIn: boolean): void {
    if (!isTakenIn) return
    this.#send(this.#options.broker.publish([{ topic: `$sparkplug/certificates/${topic}`, payload, qos: 0, isRetained: true }]))
  }

  #mayAdd(): boolean {
    const hasRoom = this.#size() < metricsMax
    if (!hasRoom) this.#left += 1
    return hasRoom
  }

  #size(): number {
    return this.#views.values().reduce((sum, { size }) => sum + size, 0)
  }

  #askForRebirth(name: EdgeNodeName): void {
    const { broker, clock, log } = this.#options
    this.#rebirths += 1
    log.info('A Sparkplug edge node is asked for a rebirth.', { group: name.group, edgeNode: name.edgeNode })
    const timestampMs = clock.now()
    const rebirth = { name: 'Node Control/Rebirth', timestampMs, type: dataTypes.Boolean, value: { form: 'boolean', value: true } } as const
    const payload = encodePayload({ timestampMs, metrics: [rebirth] })
    this.#send(broker.publish([{ topic: nodeTopic('NCMD', name), payload, qos: 0, isRetained: false }]))
  }

  #show(levels: readonly string[], payload: string): void {
    const topic = ['lineside', this.#options.node, 'sparkplug', ...levels.filter((level) => level !== '')].join('/').replaceAll(unfit, '_')
    if (Buffer.byteLength(topic) <= 1_024) this.#unsaid.set(topic, payload)
  }

  #send(sent: Promise<void>): void {
    sent.catch(() => {}) // the broker is closing
  }
}
