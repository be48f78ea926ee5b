import type { DataValue } from 'node-opcua-client'
import type { Clock } from '../../base/clock.ts'
import { errorFields, type Log } from '../../base/log.ts'
import { KeepLatestQueue } from '../../base/queue.ts'
import type { Reading } from '../../model/tag.ts'
import type { Changes } from './changes.ts'
import type { Decoder } from './decoder.ts'
import { type Item, type ItemsOptions, itemsOf } from './items.ts'
import { LookedAt } from './looked-at.ts'
import type { MissingNodes } from './missing.ts'
import { badTooManyMonitoredItems } from './quality.ts'
import type { Requests } from './requests.ts'
import type { ServerLimits } from './resolve.ts'
import { decodeStructures, isOpaque } from './structures.ts'
import type { MonitoredValue, NumberedItem, Subscription } from './subscription.ts'

export interface MonitoringOptions extends ItemsOptions {
  readonly subscription: Subscription
  readonly requests: Requests
  readonly limits: ServerLimits
  readonly decoder: Decoder
  readonly read: (tags: readonly number[], signal: AbortSignal) => Promise<readonly Reading[]>
  readonly missing: MissingNodes
  /** Of what is read because the server does not monitor it. */
  readonly changes: Changes
  readonly clock: Clock
  readonly log: Log
}

type Report = (readings: readonly Reading[]) => void

function isTimeless({ value }: MonitoredValue): boolean {
  return !value.sourceTimestamp && value.statusCode.isGoodish()
}

/** Dead bands that a server does not know, or not for this node: it is asked without one. */
const filterRefusals: ReadonlySet<number> = new Set([0x8043_0000, 0x8044_0000, 0x8045_0000, 0x808e_0000])
const askedAgain = 'The OPC UA server did not answer a question that is asked again.'
/** What the server does not monitor any more is read this often, at most. */
const surplusMsMin = 1_000

/** Has every tag reported: by the subscription where the server takes the item, by reading where it takes no more, and again later where it refuses. */
export class Monitoring {
  readonly #options: MonitoringOptions
  readonly #items: NumberedItem[] = []
  readonly #refused = new Set<NumberedItem>()
  readonly #surplus = new Set<NumberedItem>()
  readonly #opaque = new KeepLatestQueue<NumberedItem, DataValue>()
  readonly #lookedAt: LookedAt
  #isLooking = false
  #isDecoding = false
  #hasTimes = true
  #report: Report = () => {}
  #until: AbortSignal = AbortSignal.abort()

  constructor(options: MonitoringOptions) {
    this.#options = options
    const { clock, config, subscription } = options
    const samplingMsOf = (item: NumberedItem): number => subscription.samplingMsOf(item)
    this.#lookedAt = new LookedAt({ clock, publishingMs: config.opcua.publishing, samplingMsOf })
  }

  get counts(): { readonly items: number; readonly refused: number; readonly surplus: number } {
    return { items: this.#items.length, refused: this.#refused.size + this.#options.nodes.absent().length, surplus: this.#surplus.size }
  }

  /** Resolves when every tag has been asked for. */
  async start(report: Report, until: AbortSignal): Promise<void> {
    const { tags, nodes, subscription, missing } = this.#options
    this.#until = until
    this.#report = (readings) => {
      if (readings.length === 0 || until.aborted) return
      report(readings)
      missing.take(readings)
    }
    this.#report(nodes.absent().map((tag) => ({ tag, value: null, quality: 'bad', status: nodes.statusOf(tag) })))
    subscription.onValues((values) => this.#take(values))
    await this.#add(itemsOf([...tags.keys()], this.#options))
    void this.#forever(this.#options.config.opcua.retry, until, () => this.#retry())
    const surplusMs = Math.max(surplusMsMin, this.#options.config.opcua.publishing)
    void this.#forever(surplusMs, until, () => this.#readSurplus(until))
  }

  /** These tags were read, and told, besides what the server reports. */
  readBesides(tags: readonly number[]): void {
    this.#options.changes.readBesides(tags)
    const wanted = new Set(tags)
    for (const item of this.#items) {
      const own = item.tags.filter((tag) => wanted.has(tag))
      if (own.length > 0 && !this.#surplus.has(item)) this.#lookedAt.add(item, own)
    }
    if (this.#lookedAt.size > 0 && !this.#isLooking) void this.#lookAgain()
  }

  async #lookAgain(): Promise<void> {
    const { read, clock, log } = this.#options
    const until = this.#until
    this.#isLooking = true
    while (this.#lookedAt.size > 0 && !until.aborted) {
      try {
        await clock.sleep(this.#lookedAt.nextPauseMs(), until)
        this.#report(await this.#lookedAt.again((tags) => read(tags, until)))
      } catch (error) {
        if (!until.aborted) log.debug(askedAgain, errorFields(error))
      }
    }
    this.#isLooking = false
  }

  async #add(items: readonly Item[]): Promise<void> {
    const { make } = this.#options
    const added = items.map((item): NumberedItem => {
      const numbered = { ...item, handle: this.#items.length + 1 }
      this.#items.push(numbered)
      return numbered
    })
    const room = Math.max(0, (make?.itemsMax ?? Number.POSITIVE_INFINITY) - (this.#items.length - added.length))
    for (const item of added.slice(room)) this.#surplus.add(item)
    await this.#monitor(added.slice(0, room))
  }

  async #monitor(items: readonly NumberedItem[]): Promise<void> {
    const { subscription, limits, log } = this.#options
    const statuses = [...(await subscription.monitor(items, limits.monitor))]
    const unfiltered = items.flatMap((item, at) => (item.deadband !== undefined && filterRefusals.has(statuses[at] ?? 0) ? [at] : []))
    if (unfiltered.length > 0) {
      log.warn('The OPC UA server knows no dead band for some nodes; they are reported without.', { nodes: unfiltered.length })
      const again = unfiltered.flatMap((at) => items[at] ?? []).map(({ deadband: _, ...item }) => item)
      for (const [at, status] of (await subscription.monitor(again, limits.monitor)).entries()) statuses[unfiltered[at] ?? 0] = status
    }
    this.#sort(items, statuses)
  }

  #sort(items: readonly NumberedItem[], statuses: readonly number[]): void {
    const refused: Reading[] = []
    for (const [at, item] of items.entries()) {
      const status = statuses[at] ?? 0
      this.#refused.delete(item)
      if (status === 0) continue
      if (status === badTooManyMonitoredItems) this.#surplus.add(item)
      else {
        this.#refused.add(item)
        for (const tag of item.tags) refused.push({ tag, value: null, quality: 'bad', status })
      }
    }
    this.#report(refused)
  }

  /** A node that was not there, or not for us, may be there by now. */
  async #retry(): Promise<void> {
    const found = await this.#options.nodes.findAbsent()
    if (found.length > 0) await this.#add(itemsOf(found, this.#options))
    if (this.#refused.size > 0) await this.#monitor([...this.#refused])
  }

  async #readSurplus(until: AbortSignal): Promise<void> {
    if (this.#surplus.size === 0) return
    const { changes, read } = this.#options
    const tags = [...this.#surplus].flatMap((item) => item.tags)
    this.#report(await changes.among(read(tags, until)))
  }

  #take(values: readonly MonitoredValue[]): void {
    const { decoder } = this.#options
    const readings: Reading[] = []
    for (const { clientHandle, value } of values) {
      const item = this.#items[clientHandle - 1]
      if (item === undefined) continue
      if (this.#lookedAt.size > 0) this.#lookedAt.reported(item)
      if (isOpaque(value)) this.#opaque.push(item, value)
      else for (const tag of item.tags) readings.push(decoder.reading(tag, value))
    }
    this.#report(readings)
    if (this.#hasTimes && values.some(isTimeless)) this.#askServerTime()
    if (this.#opaque.size > 0 && !this.#isDecoding) void this.#decodeForever()
  }

  /** Once: there are values whose source says no time, and the server's is nearer to the truth than that of the report's arrival. */
  #askServerTime(): void {
    const { subscription, limits, log } = this.#options
    this.#hasTimes = false
    subscription.askServerTime(limits.monitor).catch((error: unknown) => {
      log.warn("The OPC UA server's own times cannot be had; values without a time bear that of their arrival.", errorFields(error))
    })
  }

  /** Structures wait for their type to be learnt, each with its newest value; nothing else waits for them. */
  async #decodeForever(): Promise<void> {
    const { decoder, requests, log } = this.#options
    this.#isDecoding = true
    while (this.#opaque.size > 0) {
      const values = this.#opaque.takeAll()
      await decodeStructures(requests.session, [...values.values()]).catch((error: unknown) =>
        log.warn('The OPC UA server does not say how its structures are made.', errorFields(error)),
      )
      const readings: Reading[] = []
      for (const [item, value] of values) for (const tag of item.tags) readings.push(decoder.reading(tag, value))
      this.#report(readings)
    }
    this.#isDecoding = false
  }

  /** What fails here is tried again next time; a lost connection is noticed by others. */
  async #forever(periodMs: number, until: AbortSignal, work: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options
    while (!until.aborted) {
      try {
        await clock.sleep(periodMs, until)
        await work()
      } catch (error) {
        if (!until.aborted) log.debug(askedAgain, errorFields(error))
      }
    }
  }
}
