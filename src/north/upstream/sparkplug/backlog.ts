import { type Clock, type MonotonicMs, parseIsoTime } from '../../../base/clock.ts'
import { errorFields, type Log } from '../../../base/log.ts'
import type { LiveTags } from '../../../control/contract.ts'
import { parseExactJson, tagValueOf } from '../../../model/json-value.ts'
import { samplePayload } from '../../../model/payload.ts'
import type { Quality } from '../../../model/quality.ts'
import type { Sample } from '../../../model/sample.ts'
import type { SparkplugMetric } from '../../../model/sparkplug/payload.ts'
import type { TagIndex, TagMeta, TagValue } from '../../../model/tag.ts'
import type { OutboxRow } from '../../../store/contract.ts'
import type { Acknowledged } from '../acknowledged.ts'
import type { Pace } from '../pace.ts'
import type { Outbox } from '../sending.ts'
import type { Link } from './link.ts'
import type { MetricBook } from './metric-book.ts'

export interface BacklogOptions {
  readonly outbox: Outbox
  readonly acknowledged: Acknowledged
  /** Takes out what cannot be sent; the ledger counts it as refused. */
  readonly refused: Pick<Acknowledged, 'add'>
  readonly link: Pick<Link, 'ping' | 'answered' | 'owed'>
  readonly book: MetricBook
  readonly live: LiveTags
  readonly tally: BacklogTally
  /** Of values that are history; those of now never wait. */
  readonly pace: Pick<Pace, 'live' | 'mayGo'>
  readonly isBorn: (device: string) => boolean
  readonly wantBirth: (device: string) => void
  readonly send: (device: string, metrics: readonly SparkplugMetric[]) => void
  readonly clock: Clock
  readonly log: Log
}

/** Counts over all sessions. */
export interface BacklogTally {
  /** Rows that the server has surely taken in. */
  proven: number
  /** Values sent as history. */
  historical: number
  /** Rows that Sparkplug cannot carry: messages of flows, tags that are no metrics any more. */
  unsendable: number
  unproven: number
}

/** Rows read from the outbox at once. */
const windowRows = 512
/** QoS 0 has no acknowledgement: so many rows may be lost with a connection, and are then sent again. */
const unprovenMax = 4_096
const pingRows = 1_024
const pingPauseMs = 200
/** While history waits for its pace. */
const pacePauseMs = 20

/** The outbox on its way up: each row is the present value, or history where a newer one has been said; and is kept until the server has surely taken it in. */
export class Backlog {
  readonly #options: BacklogOptions
  #afterId = 0
  /** Read, and not sent yet. */
  #rows: readonly OutboxRow[] = []
  #mayHaveMore = true
  #isFailing = false
  /** Until the first look has shown otherwise. */
  #isBehind = true
  #unpinged: number[] = []
  #pinged: { readonly ping: number; readonly ids: readonly number[] }[] = []
  #pingedAt: MonotonicMs
  /** The oldest row that waits for the birth of its device. */
  #heldId: number | undefined
  #mustRewind = false
  #isTold = false

  constructor(options: BacklogOptions) {
    this.#options = options
    this.#pingedAt = options.clock.elapsed()
  }

  /** Whether rows wait behind those that were read: then live values must not wait for their turn. */
  get isBehind(): boolean {
    return this.#isBehind || this.#rows.length > 0 || this.#mustRewind
  }

  /** How soon to look again, though nothing rings. */
  get pauseMs(): number {
    if (this.#rows.length > 0 && !this.#isFull) return pacePauseMs
    return this.#isFailing || this.#unpinged.length > 0 ? pingPauseMs : 5_000
  }

  lookAgain(): void {
    this.#mayHaveMore = true
  }

  /** A device was born: what waited for that can go. */
  afterBirth(): void {
    if (this.#heldId !== undefined) this.#mustRewind = true
  }

  async pump(): Promise<void> {
    this.#settle()
    this.#rewind()
    while (!this.#mustRewind && !this.#isFull) {
      if (this.#rows.length === 0) this.#rows = this.#mayHaveMore ? await this.#fetch() : []
      if (this.#rows.length === 0) break
      this.#rows = this.#sendRows(this.#rows)
      this.#pingIfDue()
      if (this.#rows.length > 0) break
    }
    this.#pingIfDue()
    this.#options.tally.unproven = this.#unprovenRows
  }

  get #isFull(): boolean {
    return this.#unprovenRows >= unprovenMax || this.#options.acknowledged.isFull
  }

  get #unprovenRows(): number {
    return this.#unpinged.length + this.#pinged.reduce((sum, { ids }) => sum + ids.length, 0)
  }

  #settle(): void {
    const { link, acknowledged, tally } = this.#options
    while (this.#pinged[0] !== undefined && this.#pinged[0].ping <= link.answered) {
      const ids = this.#pinged.shift()?.ids ?? []
      tally.proven += ids.length
      for (const id of ids) acknowledged.add(id)
    }
  }

  #pingIfDue(): void {
    const { clock, link } = this.#options
    const isDue = this.#unpinged.length >= pingRows || clock.elapsed() - this.#pingedAt >= pingPauseMs || this.#mustRewind
    if (this.#unpinged.length === 0 || !isDue) return
    this.#pinged.push({ ping: link.ping(), ids: this.#unpinged })
    this.#unpinged = []
    this.#pingedAt = clock.elapsed()
  }

  /** Only when nothing is under way: rows that are not proven would be read, and sent, a second time. */
  #rewind(): void {
    if (!this.#mustRewind || this.#unprovenRows > 0 || !this.#options.acknowledged.isSettled) return
    this.#afterId = (this.#heldId ?? 1) - 1
    this.#rows = []
    this.#heldId = undefined
    this.#mustRewind = false
    this.#mayHaveMore = true
    this.#isBehind = true
  }

  async #fetch(): Promise<readonly OutboxRow[]> {
    const { outbox, log } = this.#options
    this.#mayHaveMore = false
    try {
      const rows = await outbox.next(this.#afterId, windowRows)
      this.#afterId = rows.at(-1)?.id ?? this.#afterId
      this.#isBehind = rows.length === windowRows
      this.#mayHaveMore ||= this.#isBehind
      this.#isFailing = false
      return rows
    } catch (error) {
      if (!this.#isFailing) log.warn('The outbox cannot be read now.', errorFields(error))
      this.#isFailing = true
      this.#mayHaveMore = true
      return []
    }
  }

  /** Gives those that have to wait for their pace. */
  #sendRows(rows: readonly OutboxRow[]): readonly OutboxRow[] {
    const byDevice = new Map<string, SparkplugMetric[]>()
    let left: readonly OutboxRow[] = []
    for (const [place, row] of rows.entries()) {
      const tag = row.kind === 'sample' ? this.#options.book.find(row.subject) : undefined
      const sample = tag === undefined ? undefined : storedSample(row, this.#options.book.meta(tag))
      const fate = tag === undefined || sample === undefined ? 'never' : this.#fate(tag, sample)
      if (tag === undefined || sample === undefined || fate === 'never') this.#drop(row)
      else if (fate === 'nothing') this.#unpinged.push(row.id)
      else if (fate === 'wait') this.#heldId = Math.min(this.#heldId ?? row.id, row.id)
      else if (this.#gather(tag, { row, sample, byDevice }) === 'wait') {
        left = rows.slice(place)
        break
      }
    }
    for (const [device, metrics] of byDevice) this.#options.send(device, metrics)
    return left
  }

  /** Values of a device that is dead, or of a tag that its birth does not announce, wait on the disk. */
  #fate(tag: TagIndex, sample: Sample): 'go' | 'wait' | 'nothing' | 'never' {
    const { book, isBorn, wantBirth } = this.#options
    const { device } = book.meta(tag)
    if (!isBorn(device)) return 'wait'
    if (book.needsBirth(tag)) {
      wantBirth(device)
      return 'wait'
    }
    if (book.bornType(tag) !== 0) return 'go'
    if (sample.value === null) return 'nothing' // no value yet, and nobody knows of which type
    return this.#options.live.current(tag)?.value === null ? 'wait' : 'never'
  }

  #gather(tag: TagIndex, found: { row: OutboxRow; sample: Sample; byDevice: Map<string, SparkplugMetric[]> }): 'taken' | 'wait' {
    const { book, tally, pace } = this.#options
    const { row, sample, byDevice } = found
    const meta = book.meta(tag)
    const kind = this.#kindOf(tag, row)
    if (kind === 'history' && !pace.mayGo()) return 'wait'
    this.#unpinged.push(row.id)
    if (kind === 'said') return 'taken'
    if (kind === 'present') pace.live()
    else tally.historical += 1
    const metric = kind === 'present' ? book.data(tag, sample) : book.historical(tag, sample)
    const metrics = byDevice.get(meta.device)
    if (metrics === undefined) byDevice.set(meta.device, [metric])
    else metrics.push(metric)
    return 'taken'
  }

  #kindOf(tag: TagIndex, row: OutboxRow): 'present' | 'history' | 'said' {
    const { book, live } = this.#options
    const current = live.current(tag)
    const saidMs = book.saidMs(tag)
    const isSaid = row.timeMs === saidMs && current?.receivedMs === saidMs
    if (isSaid && JSON.stringify(samplePayload(book.meta(tag), current)) === row.body) return 'said'
    // The second: our own clock was put back.
    return row.timeMs > saidMs || (row.timeMs < saidMs && current?.receivedMs === row.timeMs) ? 'present' : 'history'
  }

  #drop(row: OutboxRow): void {
    const { tally, refused, log } = this.#options
    tally.unsendable += 1
    refused.add(row.id)
    if (this.#isTold) return
    this.#isTold = true
    log.warn('Sparkplug carries values of tags alone; other rows of the outbox are taken out and counted.', {
      kind: row.kind,
      subject: row.subject.slice(0, 200),
    })
  }
}

const qualities: readonly Quality[] = ['good', 'uncertain', 'bad', 'stale']

/** The way back of `samplePayload`; undefined where the row holds no sample. */
function storedSample({ body, timeMs }: OutboxRow, meta: TagMeta): Sample | undefined {
  const json = parsed(body)
  if (json === undefined) return undefined
  const quality = qualities.find((known) => known === json['quality'])
  const sourceMs = typeof json['time'] === 'string' ? parseIsoTime(json['time']) : undefined
  if (quality === undefined || sourceMs === undefined) return undefined
  const value = json['value'] as TagValue | null | undefined
  return {
    value: value === null || value === undefined ? null : numbersOf(tagValueOf(value, meta.type), meta),
    quality,
    sourceMs,
    receivedMs: timeMs,
  }
}

function parsed(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = parseExactJson(body)
    return typeof json === 'object' && json !== null ? (json as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}

/** JSON has neither NaN nor infinity: they stand there as text. */
function numbersOf(value: TagValue, meta: TagMeta): TagValue {
  if (meta.type !== 'f32' && meta.type !== 'f64' && meta.scale === undefined) return value
  return Array.isArray(value) ? value.map((item) => Number(item)) : typeof value === 'string' ? Number(value) : value
}
