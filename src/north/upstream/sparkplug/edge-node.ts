import { type Backoff, backoffMs, type Chance } from '../../../base/chance.ts'
import type { Clock, EpochMs, MonotonicMs } from '../../../base/clock.ts'
import { Fault, type PlainFault, plainFault } from '../../../base/fault.ts'
import { errorFields, type Log } from '../../../base/log.ts'
import type { Metric } from '../../../base/metric.ts'
import { firstFailure, type Running, startLoop } from '../../../base/running.ts'
import type { CommandRoad, LiveTags } from '../../../control/contract.ts'
import type { DeviceStatus } from '../../../model/device.ts'
import { parseHostState } from '../../../model/sparkplug/state.ts'
import { type EdgeNodeName, nodeTopic, parseSparkplugTopic, stateTopic } from '../../../model/sparkplug/topic.ts'
import { Acknowledged } from '../acknowledged.ts'
import { Bell } from '../bell.ts'
import type { UpstreamConfig } from '../config.ts'
import type { OwnDoor } from '../own-broker.ts'
import type { Outbox } from '../sending.ts'
import { BirthNumbers } from './birth-numbers.ts'
import { asksForRebirth, Commands } from './commands.ts'
import type { SparkplugConfig } from './config.ts'
import { HostWatch } from './host-watch.ts'
import { connectLink, type Link } from './link.ts'
import { MetricBook } from './metric-book.ts'
import { nodeDeath, Publisher } from './publisher.ts'
import { Session, type SessionTally } from './session.ts'

export interface EdgeNodeOptions {
  /** Its key under `upstreams:`. */
  readonly name: string
  readonly config: UpstreamConfig & { readonly sparkplug: SparkplugConfig }
  readonly site: string
  readonly node: string
  readonly stateFolder: string
  readonly live: LiveTags
  readonly commands: CommandRoad
  readonly outbox: Outbox
  /** Of the embedded broker. */
  readonly ownDoors?: readonly OwnDoor[]
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

export interface EdgeNode extends Running {
  status(): EdgeNodeStatus
  /** What control says of the devices. */
  devices(statuses: readonly DeviceStatus[]): void
  metrics(): readonly Metric[]
}

export interface EdgeNodeStatus {
  readonly upstream: string
  readonly state: 'connecting' | 'waiting-for-host' | 'online'
  readonly sinceMs: EpochMs
  readonly server: string
  /** Since the server last answered. */
  readonly echoAgeMs?: number
  readonly lastFault?: PlainFault
}

const backoff: Backoff = { firstMs: 500, maxMs: 30_000 }
/** A session that got so old was no failed try. */
const provenMs = 10_000
/** How often to look whether control has told its first values. */
const feedPollMs = 50

/** Starts a Sparkplug B edge node: the site's devices towards one plant, which need not be there. */
export function startEdgeNode(options: EdgeNodeOptions): EdgeNode {
  const log = options.log.with({ upstream: options.name })
  const rowsOut = (outcome: 'sent' | 'refused'): Acknowledged =>
    new Acknowledged({ remove: (ids) => options.outbox.remove(ids, outcome), clock: options.clock, log })
  const ended = { acknowledged: rowsOut('sent'), refused: rowsOut('refused') }
  const line = new EdgeLine({ ...options, log }, ended)
  const loop = startLoop((signal) => line.run(signal))
  return {
    failure: firstFailure([loop, ended.acknowledged, ended.refused]),
    status: () => line.status,
    devices: (statuses) => line.devices(statuses),
    metrics: () => line.metrics(),
    [Symbol.asyncDispose]: async () => {
      await loop[Symbol.asyncDispose]()
      for (const rows of [ended.acknowledged, ended.refused]) await rows[Symbol.asyncDispose]()
    },
  }
}

interface EndedRows {
  readonly acknowledged: Acknowledged
  readonly refused: Acknowledged
}

/** Goes from server to server, one session after the other. */
class EdgeLine {
  readonly #options: EdgeNodeOptions
  readonly #ended: EndedRows
  readonly #edge: EdgeNodeName
  readonly #servers: readonly string[]
  readonly #numbers: BirthNumbers
  readonly #book: MetricBook
  readonly #watches = new Map<string, HostWatch>()
  readonly #alive = new Set<string>()
  readonly #tally: SessionTally = { proven: 0, historical: 0, unsendable: 0, unproven: 0, births: 0, rebirths: 0, deaths: 0 }
  readonly #bell: Bell
  #place = 0
  #link: Link | undefined
  #status: EdgeNodeStatus
  #goneAt: MonotonicMs
  #connects = 0
  #isTold = false

  constructor(options: EdgeNodeOptions, ended: EndedRows) {
    const { name, config, node, site, live, stateFolder, clock, log } = options
    const { group, edgeNode = node, servers, role, templates } = config.sparkplug
    this.#options = options
    this.#ended = ended
    this.#edge = { group, edgeNode }
    this.#servers = [config.url, ...servers]
    this.#numbers = new BirthNumbers({ stateFolder, upstream: name, log })
    this.#book = new MetricBook({ live, site, send: config.send, takesCommands: role !== undefined, templates })
    this.#bell = new Bell(clock)
    this.#goneAt = clock.elapsed()
    this.#status = { upstream: name, state: 'connecting', sinceMs: clock.now(), server: config.url }
  }

  get status(): EdgeNodeStatus {
    const age = this.#link === undefined ? {} : { echoAgeMs: Math.round(this.#options.clock.elapsed() - this.#link.answeredAt) }
    return { ...this.#status, ...(this.#status.state === 'online' ? age : {}) }
  }

  devices(statuses: readonly DeviceStatus[]): void {
    for (const { device, state } of statuses) {
      if (state === 'connecting') this.#alive.delete(device)
      else this.#alive.add(device)
    }
    this.#bell.ring()
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, chance, live } = this.#options
    while (!signal.aborted && live.metas.length > 0 && live.metas.every((_, tag) => live.current(tag as never) === undefined))
      await clock.sleep(feedPollMs, signal).catch(() => {})
    let attempt = 0
    while (!signal.aborted) {
      const begun = clock.elapsed()
      try {
        await this.#session(signal)
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof Fault)) throw error // a bug: this part dies, and is started again
        this.#lost(error)
      }
      this.#place = (this.#place + 1) % this.#servers.length
      attempt = clock.elapsed() - begun > provenMs ? 1 : attempt + 1
      await clock.sleep(backoffMs(backoff, attempt, chance), signal).catch(() => {})
    }
  }

  metrics(): readonly Metric[] {
    const labels = { upstream: this.#options.name }
    const row = (type: Metric['type'], name: string, help: string, value: number): Metric => ({ name, help, type, value, labels })
    const { proven, historical, unsendable, unproven, births, rebirths, deaths } = this.#tally
    return [
      row('gauge', 'lineside_upstream_connected', 'Whether the upstream broker is connected.', this.#status.state === 'online' ? 1 : 0),
      row('counter', 'lineside_upstream_connects_total', 'Connections that came about.', this.#connects),
      row('counter', 'lineside_upstream_acknowledged_total', 'Messages that the upstream broker has acknowledged.', proven),
      row('counter', 'lineside_upstream_unsendable_total', 'Rows of the outbox that made no message and were taken out.', unsendable),
      row('gauge', 'lineside_upstream_inflight', 'Messages sent and not yet acknowledged.', unproven),
      row('counter', 'lineside_sparkplug_historical_total', 'Values sent as history.', historical),
      row('counter', 'lineside_sparkplug_births_total', 'Births of devices.', births),
      row('counter', 'lineside_sparkplug_deaths_total', 'Deaths of devices.', deaths),
      row('counter', 'lineside_sparkplug_rebirths_total', 'Rebirths that hosts asked for.', rebirths),
    ]
  }

  async #session(signal: AbortSignal): Promise<void> {
    const { config, name, node, live, outbox, commands, clock, chance, log, ownDoors = [] } = this.#options
    const { primaryHost, role } = config.sparkplug
    const url = this.#servers[this.#place] ?? config.url
    const bdSeq = await this.#numbers.next()
    const death = { topic: nodeTopic('NDEATH', this.#edge), payload: nodeDeath(bdSeq) }
    const watch = this.#watchOf(url)
    let onCommand: (topic: string, payload: Uint8Array) => void = () => {}
    const onMessage = (topic: string, payload: Uint8Array): void => {
      if (primaryHost !== undefined && topic === stateTopic(primaryHost)) this.#hear(watch, payload)
      else onCommand(topic, payload)
    }
    const clientId = config.clientId ?? `lineside-${node}-${name}`
    const onChange = (): void => this.#bell.ring()
    watch.begin()
    await using link = await connectLink(
      { url, config, clientId, will: death, subscriptions: this.#subscriptions(), onMessage, onChange, ownDoors, clock },
      signal,
    )
    this.#link = link
    if (!(await this.#awaitHost({ watch, link, url }, signal))) return
    const publisher = new Publisher({ edge: this.#edge, bdSeq, publish: link.publish, clock })
    const mayGoOn = (): boolean => primaryHost === undefined || watch.isOnline
    const parts = { link, publisher, book: this.#book, live, outbox, ...this.#ended, bell: this.#bell }
    const { backlogPerSecondMax } = config
    const session = new Session({
      ...parts,
      ...(backlogPerSecondMax === undefined ? {} : { backlogPerSecondMax }),
      isAlive: (device) => this.#alive.has(device),
      mayGoOn,
      tally: this.#tally,
      clock,
      log,
    })
    const answer = (device: string, result: string): void => session.answer(device, result)
    const wishes = new Commands({ upstream: name, role, book: this.#book, commands, answer, clock, chance })
    onCommand = (topic, payload) => this.#command(topic, payload, { session, wishes })
    this.#online(url)
    const outcome = await session.run(signal)
    await link.sayGoodbye(death.topic, death.payload, clock)
    if (outcome === 'host-gone') this.#lost(hostGone(primaryHost ?? '', url))
  }

  #subscriptions(): readonly string[] {
    const { primaryHost } = this.#options.config.sparkplug
    const { group, edgeNode } = this.#edge
    const commands = [nodeTopic('NCMD', this.#edge), `spBv1.0/${group}/DCMD/${edgeNode}/+`]
    return primaryHost === undefined ? commands : [...commands, stateTopic(primaryHost)]
  }

  #command(topic: string, payload: Uint8Array, { session, wishes }: { readonly session: Session; readonly wishes: Commands }): void {
    const parsed = parseSparkplugTopic(topic)
    if (parsed?.type === 'DCMD' && this.#book.devices.has(parsed.device)) wishes.take(parsed.device, payload)
    else if (parsed?.type === 'NCMD' && asksForRebirth(payload)) session.askForRebirth()
  }

  #watchOf(url: string): HostWatch {
    const watch = this.#watches.get(url) ?? new HostWatch()
    this.#watches.set(url, watch)
    return watch
  }

  #hear(watch: HostWatch, payload: Uint8Array): void {
    const state = parseHostState(payload)
    if (state === undefined) return
    watch.take(state)
    this.#bell.ring()
  }

  /** False where another server is to be tried. Nothing is said meanwhile. */
  async #awaitHost({ watch, link, url }: { watch: HostWatch; link: Link; url: string }, signal: AbortSignal): Promise<boolean> {
    const { config, clock } = this.#options
    const { primaryHost, hostWaitMs } = config.sparkplug
    if (primaryHost === undefined) return true
    let lost: unknown
    link.failure.catch((error: unknown) => {
      lost = error
      this.#bell.ring()
    })
    this.#status = { ...this.#status, state: 'waiting-for-host', sinceMs: clock.now(), server: url }
    const begun = clock.elapsed()
    while (!watch.isOnline && !signal.aborted) {
      const leftMs = this.#servers.length > 1 ? hostWaitMs - (clock.elapsed() - begun) : hostWaitMs
      if (leftMs <= 0) {
        this.#lost(hostGone(primaryHost, url))
        return false
      }
      await this.#bell.wait(leftMs, signal)
      if (lost !== undefined) throw lost
    }
    return !signal.aborted
  }

  #online(url: string): void {
    const { clock, log } = this.#options
    this.#connects += 1
    this.#isTold = false
    const goneMs = Math.round(clock.elapsed() - this.#goneAt)
    this.#status = { ...this.#status, state: 'online', sinceMs: clock.now(), server: url }
    log.info('The Sparkplug session begins.', { url, goneMs })
  }

  /** Told once, until it has been back. */
  #lost(error: unknown): void {
    const { clock, log } = this.#options
    const wasOnline = this.#status.state === 'online'
    if (wasOnline) this.#goneAt = clock.elapsed()
    const sinceMs = wasOnline ? clock.now() : this.#status.sinceMs
    this.#status = { ...this.#status, state: 'connecting', sinceMs, lastFault: plainFault(error) }
    this.#tally.unproven = 0
    if (this.#isTold) return
    this.#isTold = true
    log.warn('The Sparkplug session is over; values wait in the outbox.', errorFields(error))
  }
}

function hostGone(host: string, url: string): Fault {
  return new Fault('sparkplug.host-offline', `The primary host "${host}" is not online at ${url}.`, {
    remedy: 'Nothing is lost meanwhile. Start the host application, or check the name under sparkplug.primaryHost.',
    isRetryable: true,
  })
}
