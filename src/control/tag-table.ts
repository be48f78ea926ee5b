import type { Clock, EpochMs } from '../base/clock.ts'
import { epochMs } from '../base/clock.ts'
import type { Metric } from '../base/metric.ts'
import type { Change, ChangeBatch, Sample } from '../model/sample.ts'
import { SampleColumns } from '../model/sample-columns.ts'
import { asTagIndex, type LinearScale, type Reading, type TagId, type TagIndex, type TagMeta, type TagValue } from '../model/tag.ts'

/** OPC UA BadWaitingForInitialData: what a tag is before its device was ever heard. */
const waitingForInitialData = 0x80320000

export type ChangeListener = (batch: ChangeBatch) => void

/** The current sample of every tag of the site. What changes in one turn of the loop goes to the listeners as one batch. */
export class TagTable {
  readonly metas: readonly TagMeta[]
  readonly #clock: Clock
  readonly #samples: SampleColumns
  /** When the device last vouched for the value, changed or not. */
  readonly #heardMs: Float64Array
  /** When the tag was last passed on, for `refresh`. */
  readonly #passedOnMs: Float64Array
  /** The sample as it was before it went stale, for when the device says it still is. */
  readonly #beforeStale = new Map<number, Sample>()
  readonly #indexById: ReadonlyMap<TagId, TagIndex>
  readonly #refreshed: readonly number[]
  readonly #listeners = new Set<ChangeListener>()
  /** What the listeners are told next, in this order; mostly there is one round. */
  #rounds: Change[][] = []
  /** By tag: the last of these rounds that it is in, from 1 on (0: none), and its place there. */
  readonly #roundOf: Uint32Array
  readonly #placeInRound: Uint32Array
  #isFlushPlanned = false
  #passedOn = 0

  constructor(metas: readonly TagMeta[], clock: Clock) {
    this.metas = metas
    this.#clock = clock
    const nowMs = clock.now()
    this.#samples = new SampleColumns(metas.length)
    for (const place of metas.keys())
      this.#samples.set(place, { value: null, quality: 'bad', status: waitingForInitialData, sourceMs: nowMs, receivedMs: nowMs })
    this.#heardMs = new Float64Array(metas.length)
    this.#passedOnMs = new Float64Array(metas.length)
    this.#roundOf = new Uint32Array(metas.length)
    this.#placeInRound = new Uint32Array(metas.length)
    this.#indexById = new Map(metas.map((meta, place) => [meta.id, asTagIndex(place)]))
    this.#refreshed = metas.flatMap((meta, place) => (meta.refreshMs === undefined ? [] : [place]))
  }

  metrics(): readonly Metric[] {
    const help = 'Changes of tags that were passed on.'
    return [{ name: 'lineside_tag_changes_total', help, type: 'counter', value: this.#passedOn }]
  }

  find(id: TagId): TagIndex | undefined {
    return this.#indexById.get(id)
  }

  current(tag: TagIndex): Sample | undefined {
    return this.#samples.get(tag)
  }

  sampleOf(id: TagId): Sample | undefined {
    const tag = this.find(id)
    return tag === undefined ? undefined : this.#samples.get(tag)
  }

  onChanges(listener: ChangeListener): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) }
  }

  /** Every tag as it is now. */
  snapshot(): ChangeBatch {
    return this.metas.flatMap((_, place) => {
      const sample = this.#samples.get(place)
      return sample === undefined ? [] : [{ tag: asTagIndex(place), sample }]
    })
  }

  /** `first` is the TagIndex of the device's first tag. */
  take(first: number, readings: readonly Reading[], receivedMs: EpochMs): void {
    for (const reading of readings) {
      const place = first + reading.tag
      const meta = this.metas[place]
      if (meta === undefined) continue
      this.#heardMs[place] = receivedMs
      if (this.#beforeStale.size > 0) this.#beforeStale.delete(place)
      const before = this.#samples.value(place)
      const sample = sampleOf(meta, reading, { before, receivedMs })
      if (!this.#samples.hasState(place, sample) || isOtherValue(meta, before, sample.value)) this.#set(place, sample)
    }
  }

  heard(first: number, tags: readonly number[], receivedMs: EpochMs): void {
    for (const tag of tags) this.#heardMs[first + tag] = receivedMs
    if (this.#beforeStale.size === 0) return
    for (const tag of tags) {
      const before = this.#beforeStale.get(first + tag)
      if (before === undefined) continue
      this.#beforeStale.delete(first + tag)
      this.#set(first + tag, { ...before, sourceMs: receivedMs, receivedMs })
    }
  }

  /** Keeps the last value, and its time: what is stale says since when it is true no more. */
  stale(first: number, tags: readonly number[]): void {
    for (const tag of tags) {
      const place = first + tag
      const before = this.#samples.get(place)
      if (before === undefined || before.quality === 'stale' || before.value === null) continue
      this.#beforeStale.set(place, before)
      this.#set(place, { ...before, quality: 'stale' })
    }
  }

  /** Passes on again what has not changed for its `refresh`, with the time at which the device last vouched for it. */
  refresh(): void {
    const nowMs = this.#clock.now()
    for (const place of this.#refreshed) {
      const meta = this.metas[place]
      const heardMs = this.#heardMs[place] ?? 0
      if (meta?.refreshMs === undefined || heardMs === 0 || nowMs - (this.#passedOnMs[place] ?? 0) < meta.refreshMs) continue
      const sample = this.#samples.get(place)
      if (sample === undefined || sample.quality === 'stale') continue
      this.#set(place, { ...sample, sourceMs: epochMs(Math.max(heardMs, sample.sourceMs)), receivedMs: nowMs })
    }
  }

  #set(place: number, sample: Sample): void {
    this.#samples.set(place, sample)
    this.#passedOnMs[place] = sample.receivedMs
    this.#tellNext(place, { tag: asTagIndex(place), sample })
    if (this.#isFlushPlanned) return
    this.#isFlushPlanned = true
    setImmediate(() => this.flush())
  }

  /** Tells the listeners now what they would be told at the end of this turn. */
  flush(): void {
    this.#isFlushPlanned = false
    const rounds = this.#rounds
    this.#rounds = []
    for (const batch of rounds) for (const { tag } of batch) this.#roundOf[tag] = 0
    for (const batch of rounds) {
      this.#passedOn += batch.length
      for (const listener of this.#listeners) listener(batch)
    }
  }

  /** A tag that changes twice in one turn (good, then stale at once) is passed on as it ended; two measurements of it (a server's queue) are passed on one after the other. */
  #tellNext(place: number, change: Change): void {
    const last = this.#roundOf[place] ?? 0
    const batch = this.#rounds[last - 1]
    const at = this.#placeInRound[place] ?? 0
    if (batch !== undefined && batch[at]?.sample.sourceMs === change.sample.sourceMs) {
      batch[at] = change
      return
    }
    const next = this.#rounds[last] ?? []
    this.#rounds[last] = next
    this.#roundOf[place] = last + 1
    this.#placeInRound[place] = next.length
    next.push(change)
  }
}

function sampleOf(meta: TagMeta, reading: Reading, context: { readonly before: TagValue | null; readonly receivedMs: EpochMs }): Sample {
  const scaled = reading.value === null ? null : scaledValue(reading.value, meta.scale)
  // A device that gives no value with a bad status leaves the last one standing, marked bad: an operator wants to see both.
  const value = scaled ?? context.before
  const sourceMs = reading.sourceMs === undefined ? context.receivedMs : epochMs(reading.sourceMs)
  const { quality, status } = reading
  return status === undefined
    ? { value, quality, sourceMs, receivedMs: context.receivedMs }
    : { value, quality, status, sourceMs, receivedMs: context.receivedMs }
}

/** By more than the deadband, where there is one. */
function isOtherValue(meta: TagMeta, before: TagValue | null, after: TagValue | null): boolean {
  if (meta.deadband !== undefined && typeof before === 'number' && typeof after === 'number') {
    return Math.abs(after - before) >= Math.max(meta.deadband, Number.MIN_VALUE)
  }
  return !isSameValue(before, after)
}

export function isSameValue(one: TagValue | null, other: TagValue | null): boolean {
  if (Object.is(one, other)) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null || one.length !== other.length) return false
  return one.every((item, place) => isSameValue(item, other[place] ?? null))
}

/** Raw to engineering units. */
export function scaledValue(value: TagValue, scale: LinearScale | undefined): TagValue {
  if (scale === undefined) return value
  const slope = (scale.to[1] - scale.to[0]) / (scale.raw[1] - scale.raw[0])
  return eachNumber(value, (raw) => scale.to[0] + (raw - scale.raw[0]) * slope)
}

/** Engineering units to raw. */
export function rawValue(value: TagValue, scale: LinearScale | undefined): TagValue {
  return scale === undefined ? value : scaledValue(value, { raw: scale.to, to: scale.raw })
}

export function eachNumber(value: TagValue, change: (value: number) => number): TagValue {
  if (typeof value === 'number') return change(value)
  if (typeof value === 'bigint') return change(Number(value))
  return Array.isArray(value) ? value.map((item) => eachNumber(item, change) as number) : value
}
