import type { LiveTags } from '../../../control/contract.ts'
import type { Sample } from '../../../model/sample.ts'
import { dataTypes } from '../../../model/sparkplug/data-type.ts'
import type { SparkplugMetric } from '../../../model/sparkplug/payload.ts'
import { asTagId, asTagIndex, type TagIndex, type TagMeta } from '../../../model/tag.ts'
import { matchesFilter } from '../../../model/topic.ts'
import { dataTypeOf, fixedProperties, qualityCode, qualityProperty, sampleFields } from './tag-metric.ts'
import { type Instance, Templates } from './templates.ts'

export interface MetricBookOptions {
  readonly live: LiveTags
  readonly site: string
  /** Topic filters. */
  readonly send: readonly string[]
  /** Whether commands from above are taken at all. */
  readonly takesCommands: boolean
  /** Names of templates, with filters over DEVICE/BRANCH. */
  readonly templates?: Readonly<Record<string, readonly string[]>>
}

/** Says how the last command from above ended; no tag can have this name, for names have no blanks. */
const lastCommandName = 'Device Control/Last Command'

/** Which tags are metrics of which device, by which alias and type the last birth has announced them, and what has been said of them since. */
export class MetricBook {
  /** Every device of the site that sends anything, with its tags. */
  readonly devices: ReadonlyMap<string, readonly TagIndex[]>
  readonly #options: MetricBookOptions
  /** By tag; 0: not in the last birth. */
  readonly #lastCommands = new Map<string, { readonly result: string; readonly timestampMs: number }>()
  readonly #types: Uint8Array
  /** By tag: when the value was received that was last sent as the present one. */
  readonly #saidMs: Float64Array
  readonly #saidQuality: Uint16Array
  readonly #isSent: Uint8Array
  readonly templates: Templates

  constructor(options: MetricBookOptions) {
    const { metas } = options.live
    this.#options = options
    this.#types = new Uint8Array(metas.length)
    this.#saidMs = new Float64Array(metas.length)
    this.#saidQuality = new Uint16Array(metas.length)
    this.#isSent = new Uint8Array(metas.length)
    this.devices = devicesOf(options)
    for (const tags of this.devices.values()) for (const tag of tags) this.#isSent[tag] = 1
    this.templates = new Templates({
      metas,
      rules: options.templates ?? {},
      isSent: (tag) => this.#isSent[tag] === 1,
      firstAlias: metas.length + 1 + this.devices.size,
    })
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
    const flat = tags.filter((tag) => this.templates.instanceOf(tag) === undefined)
    const instances = new Set(tags.flatMap((tag) => this.templates.instanceOf(tag) ?? []))
    return [
      ...flat.flatMap((tag) => this.#birthMetric(tag, { name: this.meta(tag).path, alias: tag + 1 })),
      ...[...instances].map((instance) => this.#birthInstance(instance)),
      this.#commandMetric(device),
    ]
  }

  /** A value for DATA. Its quality stands beside it where it is not good, or was not. */
  data(tag: TagIndex, sample: Sample): SparkplugMetric {
    const code = qualityCode(sample.quality)
    const isOrdinary = code === 192 && this.#saidQuality[tag] === 192
    this.#said(tag, sample)
    return this.#dressed(tag, { ...(isOrdinary ? {} : withQuality(sample)), ...sampleFields(sample, this.bornType(tag)) })
  }

  /** A value that is not the present one: it changes nothing of what has been said. */
  historical(tag: TagIndex, sample: Sample): SparkplugMetric {
    const quality = sample.quality === 'good' ? {} : withQuality(sample)
    return { ...this.#dressed(tag, { ...quality, ...sampleFields(sample, this.bornType(tag)) }), isHistorical: true }
  }

  /** By its own alias, or as the one member of its instance that is told. */
  #dressed(tag: TagIndex, fields: SparkplugMetric): SparkplugMetric {
    const instance = this.templates.instanceOf(tag)
    if (instance === undefined) return { alias: tag + 1, ...fields }
    const member = { name: this.templates.memberName(tag), type: this.bornType(tag), ...fields }
    const { timestampMs = 0 } = fields
    return { alias: instance.alias, timestampMs, value: this.templates.wrap(instance, [member]) } as SparkplugMetric
  }

  #birthInstance(instance: Instance): SparkplugMetric {
    const members = instance.tags.flatMap((tag) => this.#birthMember(tag))
    const timestampMs = members.reduce((latest, member) => Math.max(latest, Number(member.timestampMs ?? 0)), 0)
    const { name, alias } = instance
    return { name, alias, timestampMs, type: dataTypes.Template, value: this.templates.wrap(instance, members) } as SparkplugMetric
  }

  /** All members are in the birth, also those that nobody has heard of yet. */
  #birthMember(tag: TagIndex): readonly SparkplugMetric[] {
    const name = this.templates.memberName(tag)
    const known = this.#birthMetric(tag, { name })
    if (known.length > 0) return known
    const type = dataTypeOf(this.meta(tag), null)
    this.#types[tag] = type ?? 0
    return type === undefined ? [] : [{ name, type, timestampMs: 0, isNull: true }]
  }

  #birthMetric(tag: TagIndex, identity: Pick<SparkplugMetric, 'name' | 'alias'>): readonly SparkplugMetric[] {
    const meta = this.meta(tag)
    const sample = this.#options.live.current(tag)
    const type = dataTypeOf(meta, sample?.value ?? null)
    if (sample === undefined || type === undefined) return []
    this.#types[tag] = type
    this.#said(tag, sample)
    const isWritable = this.#options.takesCommands && meta.write !== undefined
    const properties = [qualityProperty(sample.quality), ...fixedProperties(meta, { isWritable })]
    return [{ ...identity, type, properties, ...sampleFields(sample, type) }]
  }

  saidMs(tag: TagIndex): number {
    return this.#saidMs[tag] ?? 0
  }

  /** How the last command of a device ended; the births that follow tell it, too. */
  lastCommand(device: string, result: string, timestampMs: number): SparkplugMetric {
    this.#lastCommands.set(device, { result, timestampMs })
    return this.#commandMetric(device)
  }

  /** In the birth with its name, in DATA without. */
  #commandMetric(device: string): SparkplugMetric {
    const { result, timestampMs } = this.#lastCommands.get(device) ?? { result: 'none yet', timestampMs: 0 }
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

function withQuality({ quality }: Sample): Pick<SparkplugMetric, 'properties'> {
  return { properties: [qualityProperty(quality)] }
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
