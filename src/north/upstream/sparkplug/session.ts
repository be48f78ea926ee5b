import type { Clock, MonotonicMs } from '../../../base/clock.ts'
import type { Log } from '../../../base/log.ts'
import type { LiveTags } from '../../../control/contract.ts'
import type { SparkplugMetric } from '../../../model/sparkplug/payload.ts'
import type { TagIndex } from '../../../model/tag.ts'
import type { Acknowledged } from '../acknowledged.ts'
import type { Bell } from '../bell.ts'
import { Pace } from '../pace.ts'
import type { Outbox } from '../sending.ts'
import { Backlog, type BacklogTally } from './backlog.ts'
import type { Link } from './link.ts'
import type { MetricBook } from './metric-book.ts'
import type { Publisher } from './publisher.ts'

export interface SessionOptions {
  readonly link: Link
  readonly publisher: Publisher
  readonly book: MetricBook
  readonly live: LiveTags
  readonly outbox: Outbox
  readonly acknowledged: Acknowledged
  readonly refused: Acknowledged
  /** Whether a device answers now. */
  readonly isAlive: (device: string) => boolean
  /** Whether births and data may be sent: there is no primary host, or it is online. */
  readonly mayGoOn: () => boolean
  /** Rung by whatever concerns this session. */
  readonly bell: Bell
  readonly tally: SessionTally
  /** Of history, where the site says it. */
  readonly backlogPerSecondMax?: number
  readonly clock: Clock
  readonly log: Log
}

export interface SessionTally extends BacklogTally {
  births: number
  rebirths: number
  deaths: number
}

/** Hosts that ask for births faster get them at this pace. */
const birthPauseMs = 1_000
/** Answers of commands not yet sent; the last ones of each device count. */
const answersMax = 1_000
/** A server that owes so many signs of life gets no more live values on top; their last ones follow. */
const owedMax = 4

/** One session of an edge node: births, and from then on data, until the link is lost, the primary host is gone, or the signal says stop. */
export class Session {
  readonly #options: SessionOptions
  readonly #backlog: Backlog
  readonly #pace: Pace
  readonly #born = new Map<string, MonotonicMs>()
  readonly #wanted = new Set<string>()
  readonly #dirty = new Set<TagIndex>()
  #answers: { readonly device: string; readonly result: string }[] = []
  #mustBear = true
  #bornAt: MonotonicMs | undefined
  #lost: unknown

  constructor(options: SessionOptions) {
    this.#options = options
    const { outbox, acknowledged, refused, link, book, live, tally, publisher, backlogPerSecondMax, clock, log } = options
    this.#pace = new Pace({ clock, ...(backlogPerSecondMax === undefined ? {} : { perSecondMax: backlogPerSecondMax }) })
    this.#backlog = new Backlog({
      ...{ outbox, acknowledged, refused, link, book, live, tally, clock, log },
      pace: this.#pace,
      isBorn: (device) => this.#born.has(device),
      wantBirth: (device) => void this.#wanted.add(device),
      send: (device, metrics) => publisher.deviceData(device, metrics),
    })
  }

  /** All births again; data stops until they are out. */
  askForRebirth(): void {
    this.#mustBear = true
    this.#options.tally.rebirths += 1
    this.#options.bell.ring()
  }

  /** How a command ended, to be told as data. */
  answer(device: string, result: string): void {
    if (this.#answers.length >= answersMax) this.#answers.shift()
    this.#answers.push({ device, result })
    this.#options.bell.ring()
  }

  async run(signal: AbortSignal): Promise<'stopped' | 'host-gone'> {
    const { live, link, bell, outbox, book, mayGoOn } = this.#options
    link.failure.catch((error: unknown) => {
      this.#lost = error
      bell.ring()
    })
    book.forgetBirths()
    using _changes = live.onChanges((batch) => {
      for (const { tag } of batch) this.#noteChange(tag)
    })
    using _accepted = outbox.onAccepted(() => {
      this.#backlog.lookAgain()
      bell.ring()
    })
    while (!signal.aborted) {
      if (this.#lost !== undefined) throw this.#lost
      if (!mayGoOn()) return 'host-gone'
      await this.#turn()
      await bell.wait(this.#pauseMs(), signal)
    }
    return 'stopped'
  }

  /** Each change comes from the outbox in its turn, unless that is behind, or the birth does not know the tag. */
  #noteChange(tag: TagIndex): void {
    const { book, bell } = this.#options
    if (!this.#backlog.isBehind && !book.needsBirth(tag)) return
    if (this.#dirty.size === 0) bell.ring()
    this.#dirty.add(tag)
  }

  async #turn(): Promise<void> {
    if (this.#mustBear && this.#isBirthDue()) this.#bearAll()
    if (this.#mustBear) return // no data until the births are out
    this.#followDevices()
    this.#sendAnswers()
    this.#sendLive()
    await this.#backlog.pump()
  }

  #pauseMs(): number {
    return this.#mustBear || this.#wanted.size > 0 ? 100 : this.#backlog.pauseMs
  }

  #isBirthDue(): boolean {
    return this.#bornAt === undefined || this.#options.clock.elapsed() - this.#bornAt >= birthPauseMs
  }

  #bearAll(): void {
    const { publisher, book, isAlive, clock } = this.#options
    this.#mustBear = false
    this.#bornAt = clock.elapsed()
    this.#born.clear()
    book.forgetBirths()
    publisher.nodeBirth((timestampMs) => book.templates.definitions(timestampMs))
    for (const device of book.devices.keys()) if (isAlive(device)) this.#bear(device)
  }

  #bear(device: string): void {
    const { publisher, book, clock, tally } = this.#options
    publisher.deviceBirth(device, book.birth(device))
    this.#born.set(device, clock.elapsed())
    this.#wanted.delete(device)
    for (const tag of book.devices.get(device) ?? []) this.#dirty.delete(tag)
    tally.births += 1
    this.#backlog.afterBirth()
  }

  #followDevices(): void {
    const { publisher, book, isAlive, tally } = this.#options
    for (const device of book.devices.keys()) {
      const wasBorn = this.#born.has(device)
      const isHere = isAlive(device)
      if (isHere && (!wasBorn || this.#isBirthWanted(device))) this.#bear(device)
      if (isHere || !wasBorn) continue
      this.#born.delete(device)
      publisher.deviceDeath(device)
      tally.deaths += 1
    }
  }

  #isBirthWanted(device: string): boolean {
    const bornAt = this.#born.get(device) ?? 0
    return this.#wanted.has(device) && this.#options.clock.elapsed() - bornAt >= birthPauseMs
  }

  #sendAnswers(): void {
    const { publisher, book, clock } = this.#options
    const answers = this.#answers
    this.#answers = []
    for (const { device, result } of answers) {
      if (!this.#born.has(device)) continue
      const { alias, timestampMs, value } = book.lastCommand(device, result, clock.now())
      publisher.deviceData(device, [
        {
          ...(alias === undefined ? {} : { alias }),
          ...(timestampMs === undefined ? {} : { timestampMs }),
          ...(value === undefined ? {} : { value }),
        },
      ])
    }
  }

  /** The last value of each tag that changed while the outbox is behind. */
  #sendLive(): void {
    const { publisher, book, live, link } = this.#options
    if (this.#dirty.size === 0 || link.owed > owedMax) return
    const byDevice = new Map<string, SparkplugMetric[]>()
    for (const tag of this.#dirty) {
      const { device } = book.meta(tag)
      const sample = live.current(tag)
      if (sample === undefined || !this.#born.has(device)) continue
      if (book.needsBirth(tag)) this.#wanted.add(device)
      else if (book.bornType(tag) !== 0 && sample.receivedMs > book.saidMs(tag)) {
        this.#pace.live()
        const metrics = byDevice.get(device) ?? []
        metrics.push(book.data(tag, sample))
        byDevice.set(device, metrics)
      }
    }
    this.#dirty.clear()
    for (const [device, metrics] of byDevice) publisher.deviceData(device, metrics)
  }
}
