import type { Clock } from '../../../base/clock.ts'
import { epochMs, isoTime } from '../../../base/clock.ts'
import { jsonValue } from '../../../model/payload.ts'
import type { PropertySet, SparkplugMetric, SparkplugPayload } from '../../../model/sparkplug/payload.ts'
import type { Wide } from '../../../model/sparkplug/protobuf.ts'
import type { DeviceMessage, NodeMessage } from '../../../model/sparkplug/topic.ts'
import { typedValue } from '../../../model/sparkplug/values.ts'
import type { TagValue } from '../../../model/tag.ts'

/** What an edge node says, in the order of its sequence. */
export interface EdgeMessage {
  readonly type: NodeMessage | DeviceMessage
  /** Empty: the node itself. */
  readonly device: string
  readonly payload: SparkplugPayload
}

export interface EdgeNodeViewOptions {
  readonly reorderMs: number
  readonly askForRebirth: () => void
  /** A metric has a new value, or is stale now. */
  readonly show: (device: string, metric: string, text: string) => void
  /** Node (empty) or device has come or gone. */
  readonly showState: (device: string, isOnline: boolean) => void
  /** Whether there is room for one more metric. */
  readonly mayAdd: () => boolean
  readonly clock: Clock
}

/** As its birth has announced it. */
export interface Metric {
  readonly device: string
  readonly name: string
  readonly type: number
  readonly alias?: Wide
  shown: Readonly<Record<string, unknown>>
}

/** Messages that wait for one that is missing. */
const lateMax = 128
/** A node that is asked for a rebirth gets this long to give it. */
const rebirthPauseMs = 5_000

/** One edge node as a host sees it: who is there, what the aliases mean, and whether anything is missing. */
export class EdgeNodeView {
  readonly #options: EdgeNodeViewOptions
  readonly #aliases = new Map<string, Metric>()
  readonly #metrics = new Map<string, Metric>()
  readonly #devices = new Set<string>()
  readonly #late = new Map<number, EdgeMessage>()
  #timer: Disposable | undefined
  #bdSeq: string | undefined
  #nextSeq = 0
  #isOnline = false
  #askedAt: number | undefined

  constructor(options: EdgeNodeViewOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#metrics.size
  }

  get isOnline(): boolean {
    return this.#isOnline
  }

  /** undefined where no birth has announced it. */
  find(device: string, name: string): Metric | undefined {
    return this.#metrics.get(`${device}/${name}`)
  }

  /** Of a device, or where that is empty of the node itself. */
  isHere(device: string): boolean {
    return this.#isOnline && (device === '' || this.#devices.has(device))
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]()
  }

  take(message: EdgeMessage): void {
    if (message.type === 'NBIRTH') this.#bear(message)
    else if (message.type === 'NDEATH') this.#die(message)
    else if (this.#isOnline) this.#follow(message)
    else this.#ask() // it speaks, and nobody here has seen its birth
  }

  #follow(message: EdgeMessage): void {
    const seq = Number(message.payload.seq ?? -1)
    if (seq === this.#nextSeq) {
      this.#apply(message)
      this.#catchUp()
    } else this.#wait(seq, message)
  }

  #bear({ payload }: EdgeMessage): void {
    this.#forgetLate()
    this.#aliases.clear()
    this.#metrics.clear()
    this.#devices.clear()
    this.#bdSeq = bdSeqOf(payload)
    this.#nextSeq = (Number(payload.seq ?? 0) + 1) % 256
    this.#isOnline = true
    this.#askedAt = undefined
    this.#options.showState('', true)
    for (const metric of payload.metrics) this.#announce('', metric)
  }

  /** A death that belongs to an older birth is late, and kills nothing. */
  #die({ payload }: EdgeMessage): void {
    if (!this.#isOnline || bdSeqOf(payload) !== this.#bdSeq) return
    this.#isOnline = false
    this.#forgetLate()
    for (const device of this.#devices) this.#options.showState(device, false)
    this.#devices.clear()
    this.#options.showState('', false)
    for (const metric of this.#metrics.values()) this.#stale(metric)
  }

  #wait(seq: number, message: EdgeMessage): void {
    if (seq < 0 || seq > 255 || this.#late.size >= lateMax) {
      this.#giveUp()
      return
    }
    this.#late.set(seq, message)
    this.#timer ??= this.#options.clock.after(this.#options.reorderMs, () => this.#giveUp())
  }

  #catchUp(): void {
    for (let next = this.#late.get(this.#nextSeq); next !== undefined; next = this.#late.get(this.#nextSeq)) {
      this.#late.delete(this.#nextSeq)
      this.#apply(next)
    }
    if (this.#late.size === 0) this.#forgetLate()
  }

  /** What is missing does not come: only births can say what is true now. */
  #giveUp(): void {
    this.#forgetLate()
    this.#ask()
  }

  #forgetLate(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    this.#late.clear()
  }

  #ask(): void {
    const { clock, askForRebirth } = this.#options
    const nowMs = clock.elapsed()
    if (this.#askedAt !== undefined && nowMs - this.#askedAt < rebirthPauseMs) return
    this.#askedAt = nowMs
    askForRebirth()
  }

  #apply({ type, device, payload }: EdgeMessage): void {
    this.#nextSeq = (this.#nextSeq + 1) % 256
    if (type === 'DBIRTH') this.#bearDevice(device, payload)
    else if (type === 'DDEATH') this.#loseDevice(device)
    else if (type === 'NDATA' || type === 'DDATA') for (const metric of payload.metrics) this.#tell(device, metric)
  }

  #bearDevice(device: string, payload: SparkplugPayload): void {
    this.#devices.add(device)
    this.#options.showState(device, true)
    for (const metric of payload.metrics) this.#announce(device, metric)
  }

  #loseDevice(device: string): void {
    if (!this.#devices.delete(device)) return
    this.#options.showState(device, false)
    for (const metric of this.#metrics.values()) if (metric.device === device) this.#stale(metric)
  }

  #announce(device: string, told: SparkplugMetric): void {
    const { name, alias, type = 0 } = told
    if (name === undefined || (device === '' && name === 'bdSeq')) return
    const key = `${device}/${name}`
    if (!this.#metrics.has(key) && !this.#options.mayAdd()) return
    const metric: Metric = { device, name, type, ...(alias === undefined ? {} : { alias }), shown: {} }
    this.#metrics.set(key, metric)
    if (alias !== undefined) this.#aliases.set(String(alias), metric)
    this.#show(metric, told)
  }

  #tell(device: string, told: SparkplugMetric): void {
    const metric = told.alias === undefined ? this.#metrics.get(`${device}/${told.name}`) : this.#aliases.get(String(told.alias))
    if (metric === undefined || metric.device !== device) this.#ask()
    else if (told.isHistorical !== true) this.#show(metric, told)
  }

  #show(metric: Metric, told: SparkplugMetric): void {
    const value = told.value === undefined || told.isNull === true ? null : typedValue(told.value, metric.type)
    const isPlain = value === null || typeof value !== 'object' || value instanceof Uint8Array || Array.isArray(value)
    metric.shown = {
      value: isPlain ? jsonValue((value ?? null) as TagValue | null) : null,
      quality: value === undefined || !isPlain ? 'bad' : qualityOf(told.properties),
      ...timeOf(told),
    }
    this.#options.show(metric.device, metric.name, JSON.stringify(metric.shown))
  }

  #stale(metric: Metric): void {
    metric.shown = { ...metric.shown, quality: 'stale' }
    this.#options.show(metric.device, metric.name, JSON.stringify(metric.shown))
  }
}

function bdSeqOf({ metrics }: SparkplugPayload): string | undefined {
  const value = metrics.find(({ name }) => name === 'bdSeq')?.value
  return value?.form === 'int' || value?.form === 'long' ? String(value.value) : undefined
}

function qualityOf(properties: PropertySet | undefined): 'good' | 'bad' | 'stale' {
  const value = properties?.find(({ name }) => name === 'Quality')?.value
  const code = value?.form === 'int' || value?.form === 'long' ? Number(value.value) : 192
  if (code === 192) return 'good'
  return code === 500 ? 'stale' : 'bad'
}

function timeOf({ timestampMs }: SparkplugMetric): { readonly time?: string } {
  const ms = Number(timestampMs ?? Number.NaN)
  return ms <= 8.64e15 ? { time: isoTime(epochMs(ms)) } : {}
}
