import { type Backoff, backoffMs, type Chance } from '../../base/chance.ts'
import { type Clock, type EpochMs, type MonotonicMs, monotonicMs } from '../../base/clock.ts'
import { Fault, type PlainFault, plainFault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import { firstFailure, type Running, startLoop } from '../../base/running.ts'
import { Acknowledged } from './acknowledged.ts'
import type { Echo } from './canary.ts'
import type { UpstreamConfig } from './config.ts'
import { connectUpstream, type MqttVersion, type UpstreamConnection } from './connection.ts'
import type { UpstreamFormat } from './format.ts'
import type { Lanes } from './lanes.ts'
import { topicAbove } from './mapping.ts'
import type { OwnDoor } from './own-broker.ts'
import type { Receiving, ReceivingPorts } from './receiving.ts'
import type { Outbox } from './sending.ts'
import { dressed, runSession } from './session.ts'
import { newTally, tallyMetrics } from './tally.ts'
import { unsFormat } from './uns.ts'

export interface UpstreamOptions {
  /** Its key under `upstreams:`. */
  readonly name: string
  readonly config: UpstreamConfig
  readonly site: string
  readonly node: string
  readonly outbox: Outbox
  /** What `receive:` needs; absent: nothing is received. */
  readonly receiving?: ReceivingPorts
  /** Of the embedded broker. */
  readonly ownDoors?: readonly OwnDoor[]
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

export interface Upstream extends Running {
  status(): UpstreamStatus
  metrics(): readonly Metric[]
}

export interface UpstreamStatus {
  readonly upstream: string
  /** `mute`: connected, but the canary does not come back in time. */
  readonly state: 'connecting' | 'online' | 'mute'
  readonly sinceMs: EpochMs
  /** Spoken over the last connection. */
  readonly version?: 5 | '3.1.1'
  /** Absent where no canary has come back yet. */
  readonly echoAgeMs?: number
  readonly inflight: number
  /** Why it went, or why it cannot be reached; kept while it is online. */
  readonly lastFault?: PlainFault
}

const backoff: Backoff = { firstMs: 500, maxMs: 30_000 }
/** A connection that got so old, or brought a row across, was no failed try. */
const provenMs = 10_000
/** A far broker that has hung up so often, each time after less than that, does not do so by chance. */
const hungUpMax = 3
/** Then this many pauses grow, rows or no rows: two gateways of one name would throw each other out as fast as they can. */
const hungUpAttemptsMax = 4
const goodbyeMs = 1_000

/** Starts sending the outbox to one upstream broker, which need not be there. Nothing is gathered in memory while it is not. */
export function startUpstream(options: UpstreamOptions): Upstream {
  const { outbox, clock } = options
  const log = options.log.with({ upstream: options.name })
  const line: Line = new Line({ ...options, log }, (outcome) => {
    const remove = async (ids: readonly number[]): Promise<void> => {
      await outbox.remove(ids, outcome)
      line.removed(ids)
    }
    return new Acknowledged({ remove, clock, log })
  })
  const loop = startLoop((signal) => line.run(signal))
  return {
    failure: firstFailure([loop, line.acknowledged, line.refused]),
    status: () => line.status,
    metrics: () => line.metrics(),
    [Symbol.asyncDispose]: async () => {
      await loop[Symbol.asyncDispose]()
      await line.acknowledged[Symbol.asyncDispose]()
      await line.refused[Symbol.asyncDispose]()
    },
  }
}

/** Connects, sends until the connection is lost, and again. */
class Line {
  readonly acknowledged: Acknowledged
  readonly refused: Acknowledged
  readonly #options: UpstreamOptions
  readonly #format: UpstreamFormat
  readonly #echo: Echo = { hasCome: false, at: monotonicMs(0) }
  readonly #tally
  #receiving: Receiving | undefined
  #lanes: Lanes | undefined
  #version: MqttVersion
  #status: Pick<UpstreamStatus, 'sinceMs' | 'lastFault'>
  #isOnline = false
  #goneAt: MonotonicMs
  #isTold = false
  #hungUpInARow = 0

  constructor(options: UpstreamOptions, removal: (outcome: 'sent' | 'refused') => Acknowledged) {
    this.#options = options
    this.#format = unsFormat(options)
    this.#goneAt = options.clock.elapsed()
    this.#tally = newTally(this.#goneAt)
    this.#version = options.config.version === '3.1.1' ? 4 : 5
    this.#status = { sinceMs: options.clock.now() }
    this.acknowledged = removal('sent')
    this.refused = removal('refused')
  }

  get status(): UpstreamStatus {
    const { name, config } = this.#options
    const { canaryMs } = config
    const echoAgeMs = this.#echoAgeMs()
    const isMute = canaryMs !== undefined && echoAgeMs !== undefined && echoAgeMs > canaryMs
    return {
      upstream: name,
      state: this.#isOnline ? (isMute ? 'mute' : 'online') : 'connecting',
      ...this.#status,
      ...(this.#tally.connects === 0 ? {} : { version: this.#version === 5 ? 5 : '3.1.1' }),
      ...(echoAgeMs === undefined ? {} : { echoAgeMs: Math.round(echoAgeMs) }),
      inflight: this.#tally.inflight,
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, chance } = this.#options
    let attempt = 0
    while (!signal.aborted) {
      const begun = clock.elapsed()
      const acknowledgedBefore = this.#tally.acknowledged
      try {
        await this.#session(signal)
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof Fault)) throw error // a bug: this part dies, and is started again
        this.#fallBack(error)
        this.#lost(this.#isThrownOut() ? this.#thrownOut(error) : error)
      }
      const isProven = this.#tally.acknowledged > acknowledgedBefore || clock.elapsed() - begun > provenMs
      attempt = isProven ? (this.#isThrownOut() ? Math.min(attempt + 1, hungUpAttemptsMax) : 1) : attempt + 1
      await clock.sleep(backoffMs(backoff, attempt, chance), signal).catch(() => {})
    }
  }

  /** The outbox has forgotten these. */
  removed(ids: readonly number[]): void {
    this.#lanes?.removed(ids)
  }

  metrics(): readonly Metric[] {
    const echoAgeMs = this.#echoAgeMs()
    const link = { upstream: this.#options.name, isConnected: this.#isOnline, ...(echoAgeMs === undefined ? {} : { echoAgeMs }) }
    return [...tallyMetrics(this.#tally, link), ...(this.#receiving?.metrics() ?? [])]
  }

  async #session(signal: AbortSignal): Promise<void> {
    const { config, name, node, outbox, clock, log, ownDoors = [] } = this.#options
    const clientId = this.#clientId
    const origin = `${node}/${name}`
    const format = this.#format
    const will = dressed(format.will, { config, origin })
    const way = { config, version: this.#version, clientId, format: { will }, ownDoors }
    await using connection = await connectUpstream(way, signal)
    this.#receiving ??= await this.#openReceiving()
    this.#connected()
    const parts = { acknowledged: this.acknowledged, refused: this.refused, tally: this.#tally, echo: this.#echo, clock, log }
    const canaryTopic = topicAbove(`lineside/${node}/upstream/${name}/canary`, config.map)
    const onLanes = (lanes: Lanes): void => {
      this.#lanes = lanes
    }
    const receiving = this.#receiving
    // Some brokers hang up on whoever touches a topic that is not theirs: until an echo has come, only every other connection tries.
    const canaryMs = this.#echo.hasCome || this.#tally.connects % 2 === 1 ? config.canaryMs : undefined
    const begun = clock.elapsed()
    try {
      await runSession({ ...parts, connection, config, origin, canaryTopic, canaryMs, format, outbox, receiving, onLanes }, signal)
    } finally {
      if (this.#echo.at < begun) this.#echo.hasCome = false
      this.#hungUpInARow = connection.isHungUp() && clock.elapsed() - begun < provenMs ? this.#hungUpInARow + 1 : 0
    }
    await this.#sayGoodbye(connection, origin)
  }

  async #sayGoodbye(connection: UpstreamConnection, origin: string): Promise<void> {
    const said = Promise.withResolvers<void>()
    using _timer = this.#options.clock.after(goodbyeMs, () => said.resolve())
    connection.publish(dressed(this.#format.goodbye, { config: this.#options.config, origin }), () => said.resolve())
    await Promise.race([said.promise, connection.failure]).catch(() => {})
  }

  /** Loaded where a site receives, and nowhere else. */
  async #openReceiving(): Promise<Receiving | undefined> {
    const { receiving: ports, config, name, site, node, clock, log } = this.#options
    if (ports === undefined || config.receive.length === 0) return undefined
    const { Receiving } = await import('./receiving.ts')
    return new Receiving({ upstream: name, config, site, node, ports, clock, log })
  }

  get #clientId(): string {
    const { config, node, name } = this.#options
    return config.clientId ?? `lineside-${node}-${name}`
  }

  #isThrownOut(): boolean {
    return this.#hungUpInARow >= hungUpMax
  }

  #thrownOut(cause: Fault): Fault {
    const sentence = `The upstream broker ${this.#options.config.url} has hung up ${this.#hungUpInARow} times in a row, within seconds.`
    return new Fault('upstream.thrown-out', sentence, {
      remedy: `Nothing is lost meanwhile. Look for another client that calls itself "${this.#clientId}" there: a second gateway of the same \`node\`, or one with the same \`client\`. If there is none, that broker's log says why.`,
      isRetryable: true,
      cause,
    })
  }

  #echoAgeMs(): number | undefined {
    return this.#echo.hasCome ? this.#options.clock.elapsed() - this.#echo.at : undefined
  }

  /** A broker of MQTT 3.1.1 says so, or hangs up: then the other version is tried, unless the site insists. */
  #fallBack({ code }: Fault): void {
    const { config, log } = this.#options
    if (config.version !== undefined || this.#tally.connects > 0) return
    if (this.#version === 4)
      this.#version = 5 // it was not the version
    else if (code === 'upstream.version') {
      this.#version = 4
      log.info('The upstream broker does not take MQTT 5; 3.1.1 is tried.', { url: config.url })
    }
  }

  #connected(): void {
    const { clock, log, config } = this.#options
    this.#tally.connects += 1
    this.#isTold = false
    this.#isOnline = true
    const goneMs = Math.round(clock.elapsed() - this.#goneAt)
    this.#status = { ...this.#status, sinceMs: clock.now() }
    log.info('The upstream broker is connected.', { url: config.url, version: this.#version === 5 ? '5' : '3.1.1', goneMs })
  }

  /** Told once, until it has been back. */
  #lost(error: unknown): void {
    const { clock, log } = this.#options
    if (this.#isOnline) this.#goneAt = clock.elapsed()
    const sinceMs = this.#isOnline ? clock.now() : this.#status.sinceMs
    this.#isOnline = false
    this.#status = { sinceMs, lastFault: plainFault(error) }
    this.#tally.inflight = 0
    this.#lanes = undefined
    if (this.#isTold) return
    this.#isTold = true
    log.warn('The upstream broker is away; messages wait in the outbox.', errorFields(error))
  }
}
