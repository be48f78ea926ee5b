import type { LiveTags } from '../../../control/contract.ts'
import type { Sample } from '../../../model/sample.ts'
import { dataTypes } from '../../../model/sparkplug/data-type.ts'
import type { SparkplugMetric } from '../../../model/sparkplug/payload.ts'
import { asTagId, asTagIndex, type TagIndex, type TagMeta } from '../../../model/tag.ts'
import { matchesFilter } from '../../../model/topic.ts'
import { dataTypeOf, fixedProperties, qualityCode, qualityProperty, sampleFields } from './tag-metric.ts'

export interface MetricBookOptions {
  readonly live: LiveTags
  readonly site: string
  /** Topic filters. */
  readonly send: readonly string[]
  /** Whether commands from above are taken at all. */
  readonly takesCommands: boolean
}

/** Says how the last command from above ended; no tag can have this name, for names have no blanks. */
const lastCommandName = 'Device Control/Last Command'

/** Which tags are metrics of which device, by which alias and type the last birth has announced them, and what has been said of them since. */
export class MetricBook {
  /** Every device of the site that sends anything, with its tags. */
  readonly devices: ReadonlyMap<string, readonly TagIndex[]>
  readonly #options: MetricBookOptions
  /** By tag; 0: not in the last birth. */
  readonly #types: Uint8Array
  /** By tag: when the value was received that was last sent as the present one. */
  readonly #saidMs: Float64Array
  readonly #saidQuality: Uint16Array
  readonly #isSent: Uint8Array

  constructor(options: MetricBookOptions) {
    const { metas } = options.live
    this.#options = options
    this.#types = new Uint8Array(metas.length)
    this.#saidMs = new Float64Array(metas.length)
    this.#saidQuality = new Uint16Array(metas.length)
    this.#isSent = new Uint8Array(metas.length)
    this.devices = devicesOf(options)
    for (const tags of this.devices.values()) for (const tag of tags) this.#isSent[tag] = 1
  }

  /** A new session begins: no alias of the old one means anything any more. */
  forgetBirths(): void {
    this.#types.fill(0)
  }

  find(id: string): TagIndex | undefined {
    const tag = this.#options.live.find(asTagId(id))
    return tag !== undefined && this.#isSent[tag] === 1 ? tag : undefined
  }

  meta(tag: TagIndex): TagMeta {
    const meta = this.#options.live.metas[tag]
    if (meta === undefined) throw new Error(`there is no tag ${tag}`)
    return meta
  }

  /** The tag that a command means, by alias or by name. */
  target(device: string, { alias, name }: Pick<SparkplugMetric, 'alias' | 'name'>): TagIndex | undefined {
    if (typeof alias === 'number') {
      const tag = asTagIndex(alias - 1)
      return this.#options.live.metas[tag]?.device === device && this.bornType(tag) !== 0 ? tag : undefined
    }
    return name === undefined ? undefined : this.find(`${device}/${name}`)
  }

  bornType(tag: TagIndex): number {
    return this.#types[tag] ?? 0
  }

  /** Whether a value needs another birth first: its type was not known, or has become another. */
  needsBirth(tag: TagIndex): boolean {
    const value = this.#options.live.current(tag)?.value ?? null
    if (value === null) return false
    const type = dataTypeOf(this.meta(tag), value)
    return type !== undefined && type !== this.#types[tag]
  }

  /** All metrics of a device with their present values. A tag whose type nobody knows yet is not among them; its first value asks for another birth. */
  birth(device: string): readonly SparkplugMetric[] {
    const tags = this.devices.get(device) ?? []
    return [...tags.flatMap((tag) => this.#birthMetric(tag)), this.lastCommand(device, 'none yet', 0)]
  }

  #birthMetric(tag: TagIndex): readonly SparkplugMetric[] {
    const meta = this.meta(tag)
    const sample = this.#options.live.current(tag)
    const type = dataTypeOf(meta, sample?.value ?? null)
    if (sample === undefined || type === undefined) return []
    this.#types[tag] = type
    this.#said(tag, sample)
    const isWritable = this.#options.takesCommands && meta.write !== undefined
    const properties = [qualityProperty(sample.quality), ...fixedProperties(meta, { isWritable })]
    return [{ name: meta.path, alias: tag + 1, type, properties, ...sampleFields(sample, type) }]
  }

  /** A value for DATA. Its quality stands beside it where it is not good, or was not. */
  data(tag: TagIndex, sample: Sample): SparkplugMetric {
    const code = qualityCode(sample.quality)
    const isOrdinary = code === 192 && this.#saidQuality[tag] === 192
    this.#said(tag, sample)
    const properties = isOrdinary ? {} : { properties: [qualityProperty(sample.quality)] }
    return { alias: tag + 1, ...properties, ...sampleFields(sample, this.bornType(tag)) }
  }

  /** A value that is not the present one: it changes nothing of what has been said. */
  historical(tag: TagIndex, sample: Sample): SparkplugMetric {
    const properties = sample.quality === 'good' ? {} : { properties: [qualityProperty(sample.quality)] }
    return { alias: tag + 1, isHistorical: true, ...properties, ...sampleFields(sample, this.bornType(tag)) }
  }

  saidMs(tag: TagIndex): number {
    return this.#saidMs[tag] ?? 0
  }

  /** In the birth with its name, in DATA without. */
  lastCommand(device: string, result: string, timestampMs: number): SparkplugMetric {
    const place = [...this.devices.keys()].indexOf(device)
    return {
      name: lastCommandName,
      alias: this.#options.live.metas.length + 1 + place,
      timestampMs,
      type: dataTypes.String,
      value: { form: 'string', value: result },
    }
  }

  #said(tag: TagIndex, { receivedMs, quality }: Sample): void {
    this.#saidMs[tag] = receivedMs
    this.#saidQuality[tag] = qualityCode(quality)
  }
}

function devicesOf({ live, site, send }: MetricBookOptions): ReadonlyMap<string, readonly TagIndex[]> {
  const devices = new Map<string, TagIndex[]>()
  for (const [place, { id, device }] of live.metas.entries()) {
    if (!send.some((filter) => matchesFilter(`${site}/${id}`, filter))) continue
    const tags = devices.get(device)
    if (tags === undefined) devices.set(device, [asTagIndex(place)])
    else tags.push(asTagIndex(place))
  }
  return devices
}
