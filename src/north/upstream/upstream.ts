import { type Backoff, backoffMs, type Chance } from '../../base/chance.ts'
import type { Clock, EpochMs, MonotonicMs } from '../../base/clock.ts'
import { Fault, type PlainFault, plainFault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import { firstFailure, type Running, startLoop } from '../../base/running.ts'
import { Acknowledged } from './acknowledged.ts'
import type { UpstreamConfig } from './config.ts'
import { connectUpstream, type UpstreamConnection } from './connection.ts'
import type { UpstreamFormat } from './format.ts'
import { type Outbox, Sending, type Tally } from './sending.ts'
import { unsFormat } from './uns.ts'

export interface UpstreamOptions {
  /** Its key under `upstreams:`. */
  readonly name: string
  readonly config: UpstreamConfig
  readonly site: string
  readonly node: string
  readonly outbox: Outbox
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
  readonly state: 'connecting' | 'online'
  readonly sinceMs: EpochMs
  /** Why it went, or why it cannot be reached; kept while it is online. */
  readonly lastFault?: PlainFault
}

const backoff: Backoff = { firstMs: 500, maxMs: 30_000 }
/** A connection that got so old, or brought a row across, was no failed try. */
const provenMs = 10_000
const goodbyeMs = 1_000

/** Starts sending the outbox to one upstream broker, which need not be there. Nothing is gathered in memory while it is not. */
export function startUpstream(options: UpstreamOptions): Upstream {
  const { outbox, clock } = options
  const log = options.log.with({ upstream: options.name })
  const acknowledged = new Acknowledged({ remove: (ids) => outbox.remove(ids), clock, log })
  const line = new Line({ ...options, log }, acknowledged)
  const loop = startLoop((signal) => line.run(signal))
  return {
    failure: firstFailure([loop, acknowledged]),
    status: () => line.status,
    metrics: () => line.metrics(),
    [Symbol.asyncDispose]: async () => {
      await loop[Symbol.asyncDispose]()
      await acknowledged[Symbol.asyncDispose]()
    },
  }
}

/** Connects, sends until the connection is lost, and again. */
class Line {
  readonly #options: UpstreamOptions
  readonly #acknowledged: Acknowledged
  readonly #format: UpstreamFormat
  readonly #tally: Tally = { acknowledged: 0, resent: 0, unsendable: 0, highestId: 0, inflight: 0 }
  #status: UpstreamStatus
  #goneAt: MonotonicMs
  #connects = 0
  #isTold = false

  constructor(options: UpstreamOptions, acknowledged: Acknowledged) {
    this.#options = options
    this.#acknowledged = acknowledged
    this.#format = unsFormat(options)
    this.#goneAt = options.clock.elapsed()
    this.#status = { upstream: options.name, state: 'connecting', sinceMs: options.clock.now() }
  }

  get status(): UpstreamStatus {
    return this.#status
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
        this.#lost(error)
      }
      const isProven = this.#tally.acknowledged > acknowledgedBefore || clock.elapsed() - begun > provenMs
      attempt = isProven ? 1 : attempt + 1
      await clock.sleep(backoffMs(backoff, attempt, chance), signal).catch(() => {})
    }
  }

  metrics(): readonly Metric[] {
    const labels = { upstream: this.#options.name }
    const { acknowledged, resent, unsendable, inflight } = this.#tally
    const row = (type: Metric['type'], name: string, help: string, value: number): Metric => ({ name, help, type, value, labels })
    return [
      row('gauge', 'lineside_upstream_connected', 'Whether the upstream broker is connected.', this.#status.state === 'online' ? 1 : 0),
      row('counter', 'lineside_upstream_connects_total', 'Connections that came about.', this.#connects),
      row('counter', 'lineside_upstream_acknowledged_total', 'Messages that the upstream broker has acknowledged.', acknowledged),
      row(
        'counter',
        'lineside_upstream_resent_total',
        'Messages sent again after a lost connection: the receiver may see them twice.',
        resent,
      ),
      row('counter', 'lineside_upstream_unsendable_total', 'Rows of the outbox that made no message and were taken out.', unsendable),
      row('gauge', 'lineside_upstream_inflight', 'Messages sent and not yet acknowledged.', inflight),
    ]
  }

  async #session(signal: AbortSignal): Promise<void> {
    const { config, name, node, outbox, clock, log } = this.#options
    const clientId = config.clientId ?? `lineside-${node}-${name}`
    await using connection = await connectUpstream({ config, clientId, format: this.#format }, signal)
    this.#connected()
    const { inflightMax, keepaliveMs } = config
    const parts = { connection, outbox, format: this.#format, acknowledged: this.#acknowledged, tally: this.#tally, clock, log }
    await new Sending({ ...parts, inflightMax, silenceMs: keepaliveMs }).run(signal)
    await this.#sayGoodbye(connection)
  }

  async #sayGoodbye(connection: UpstreamConnection): Promise<void> {
    const said = Promise.withResolvers<void>()
    using _timer = this.#options.clock.after(goodbyeMs, () => said.resolve())
    connection.publish(this.#format.goodbye, () => said.resolve())
    await Promise.race([said.promise, connection.failure]).catch(() => {})
  }

  #connected(): void {
    const { clock, log, config } = this.#options
    this.#connects += 1
    this.#isTold = false
    const goneMs = Math.round(clock.elapsed() - this.#goneAt)
    this.#status = { ...this.#status, state: 'online', sinceMs: clock.now() }
    log.info('The upstream broker is connected.', { url: config.url, goneMs })
  }

  /** Told once, until it has been back. */
  #lost(error: unknown): void {
    const { clock, log } = this.#options
    const wasOnline = this.#status.state === 'online'
    if (wasOnline) this.#goneAt = clock.elapsed()
    const sinceMs = wasOnline ? clock.now() : this.#status.sinceMs
    this.#status = { ...this.#status, state: 'connecting', sinceMs, lastFault: plainFault(error) }
    this.#tally.inflight = 0
    if (this.#isTold) return
    this.#isTold = true
    log.warn('The upstream broker is away; messages wait in the outbox.', errorFields(error))
  }
}
