import { randomUUID } from 'node:crypto'
import type { Clock, EpochMs, MonotonicMs } from '../../base/clock.ts'
import { Fault, plainFault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import type { LocalMessage } from '../../control/contract.ts'
import type { Command, CommandResult } from '../../model/command.ts'
import { jsonValue } from '../../model/payload.ts'
import type { RefusedCommand } from '../../model/refused-command.ts'
import { asTagId, type TagMeta, type TagValue } from '../../model/tag.ts'
import { matchesFilter } from '../../model/topic.ts'
import type { UpstreamConfig } from './config.ts'
import type { ReceiveRule } from './config-topics.ts'
import type { FarMessage, Wanted } from './connection.ts'
import { markName } from './ledger.ts'
import { topicHere } from './mapping.ts'

/** What messages from above may do here. */
export interface ReceivingPorts {
  /** On the embedded broker, where clients and whoever listens inside hear it. */
  publish(messages: readonly ReceivedBytes[]): Promise<void>
  write(command: Command): Promise<CommandResult>
  /** For the journal. */
  noteRefused(refused: RefusedCommand): void
  findTag(id: string): TagMeta | undefined
  /** Reads what `…/set` carries; rejects with a Fault where it cannot. */
  parseWish(payload: Uint8Array, meta: TagMeta): Promise<Wish>
  /** The id of a wish, as far as it can be read. */
  wishIdOf(payload: Uint8Array): Promise<string | undefined>
  /** By way of the outbox. */
  answer(topic: string, payload: string): Promise<unknown>
}

/** As it came: it need not be text. */
export type ReceivedBytes = Omit<LocalMessage, 'payload'> & { readonly payload: Uint8Array }

export interface Wish {
  readonly value: TagValue
  readonly id?: string
  readonly expiresMs?: EpochMs
}

export interface ReceivingOptions {
  readonly upstream: string
  readonly config: Pick<UpstreamConfig, 'map' | 'receive'>
  readonly site: string
  readonly node: string
  readonly ports: ReceivingPorts
  readonly clock: Clock
  readonly log: Log
}

/** Messages from above that may be worked on at once; one more is dropped. */
const openMax = 200
/** Of a rule's rate: what may come at once. */
const burstMs = 1_000
/** Topics of which it is known that the far broker keeps a message. */
const keptAboveMax = 10_000
const setSuffix = '/set'

/** Takes what the far broker sends, by the rules of the site. Nothing of it ever goes back there. */
export class Receiving {
  readonly #options: ReceivingOptions
  readonly #buckets: Map<ReceiveRule, { credit: number; at: MonotonicMs }>
  readonly #counts = { taken: 0, own: 0, tooFast: 0, refused: 0 }
  readonly #keptAbove = new Set<string>()
  #open = 0
  #isTold = false

  constructor(options: ReceivingOptions) {
    this.#options = options
    const at = options.clock.elapsed()
    this.#buckets = new Map(options.config.receive.map((rule) => [rule, { credit: rule.ratePerSecondMax, at }]))
  }

  take(message: FarMessage, flag: Wanted['retain'] = 'as-published'): void {
    const { config, log } = this.#options
    const rule = config.receive.find(({ from }) => matchesFilter(message.topic, from))
    if (rule === undefined) return
    const topic = topicHere(message.topic, config.map)
    if (this.#isOwn(message, topic, rule)) {
      this.#counts.own += 1
      return
    }
    if (!this.#mayPass(rule) || this.#open >= openMax) {
      this.#counts.tooFast += 1
      if (!this.#isTold) log.warn('More comes from the upstream than its rule allows; the rest is dropped.', { from: rule.from })
      this.#isTold = true
      return
    }
    this.#counts.taken += 1
    this.#open += 1
    const isKept = rule.action === 'publish' && flag === 'as-stored' && this.#isKeptAbove(message)
    void this.#work(isKept ? { ...message, isRetained: true } : message, topic, rule).finally(() => {
      this.#open -= 1
    })
  }

  metrics(): readonly Metric[] {
    const { taken, own, tooFast, refused } = this.#counts
    const row = (outcome: string, value: number): Metric => ({
      name: 'lineside_upstream_received_total',
      help: 'Messages from the upstream that a rule matched: taken, our own come back, above the rate, or refused.',
      type: 'counter',
      value,
      labels: { upstream: this.#options.upstream, outcome },
    })
    return [row('taken', taken), row('own', own), row('too-fast', tooFast), row('refused', refused)]
  }

  /**
   * Ours are marked where MQTT 5 is spoken. Without marks topics tell: under the site's root and the gateway's own there are only messages that we
   * have sent up ourselves, or wishes.
   */
  #isOwn({ properties }: FarMessage, topic: string, rule: ReceiveRule): boolean {
    const { site, node } = this.#options
    const marks = [properties[markName] ?? []].flat()
    if (marks.some((mark) => mark === node || mark.startsWith(`${node}/`))) return true
    if (rule.action === 'write') return !topic.endsWith(setSuffix)
    const target = targetOf(topic, rule)
    return [site, 'lineside'].some((root) => target === root || target.startsWith(`${root}/`)) || target.startsWith('$')
  }

  /** MQTT 3.1.1 says so of a message at the beginning alone, and not of those that take its place. */
  #isKeptAbove({ topic, isRetained }: FarMessage): boolean {
    if (isRetained && this.#keptAbove.size < keptAboveMax) this.#keptAbove.add(topic)
    return this.#keptAbove.has(topic)
  }

  #mayPass(rule: ReceiveRule): boolean {
    const bucket = this.#buckets.get(rule)
    if (bucket === undefined) return false
    const now = this.#options.clock.elapsed()
    const most = Math.max(1, (rule.ratePerSecondMax * burstMs) / 1_000)
    bucket.credit = Math.min(most, bucket.credit + ((now - bucket.at) * rule.ratePerSecondMax) / 1_000)
    bucket.at = now
    if (bucket.credit < 1) return false
    bucket.credit -= 1
    return true
  }

  async #work(message: FarMessage, topic: string, rule: ReceiveRule): Promise<void> {
    const { ports, log } = this.#options
    try {
      if (rule.action === 'write') return await this.#write(message, topic, rule)
      const { payload, isRetained } = message
      await ports.publish([{ topic: targetOf(topic, rule), payload, qos: 1, isRetained }])
    } catch (error) {
      this.#counts.refused += 1
      log.warn('A message from the upstream could not be taken.', { topic: message.topic.slice(0, 200), ...errorFields(error) })
    }
  }

  async #write({ payload, isRetained }: FarMessage, topic: string, rule: ReceiveRule): Promise<void> {
    const { ports } = this.#options
    if (isRetained) {
      this.#counts.refused += 1 // a wish of long ago, that would be granted again at each connection
      return
    }
    const { value, ...result } = await this.#result(payload, topic, rule)
    const body = JSON.stringify({ ...result, ...(value === undefined ? {} : { value: jsonValue(value) }) })
    await ports.answer(`${topic}/result`, body)
  }

  async #result(payload: Uint8Array, topic: string, rule: ReceiveRule): Promise<CommandResult> {
    const { site, ports, upstream } = this.#options
    const by = { road: 'upstream', name: upstream, role: rule.role }
    const name = topic.startsWith(`${site}/`) ? topic.slice(site.length + 1, -setSuffix.length) : topic
    let id: string = randomUUID()
    try {
      id = (await ports.wishIdOf(payload)) ?? id
      const meta = ports.findTag(name)
      if (meta === undefined) throw noSuchTag(name)
      const wish = await ports.parseWish(payload, meta)
      const expires = wish.expiresMs === undefined ? {} : { expiresMs: wish.expiresMs }
      return await ports.write({ id, tag: asTagId(name), value: wish.value, by, ...expires })
    } catch (error) {
      this.#counts.refused += 1
      const { code, message, remedy } = plainFault(error)
      ports.noteRefused({ id, tag: name, by, code, message, remedy })
      return { id, status: 'refused', code, message, remedy, tookMs: 0 }
    }
  }
}

function targetOf(topic: string, { into }: ReceiveRule): string {
  return into === undefined ? topic : `${into}/${topic}`
}

function noSuchTag(name: string): Fault {
  const remedy = 'Check the name: it is DEVICE/TAG, as in the device files.'
  return new Fault('command.tag-unknown', `There is no tag ${name.slice(0, 200)}.`, { remedy })
}
