import { dataTypes } from '../../../model/sparkplug/data-type.ts'
import type { SparkplugMetric } from '../../../model/sparkplug/payload.ts'
import { asTagIndex, type TagIndex, type TagMeta } from '../../../model/tag.ts'
import { matchesFilter } from '../../../model/topic.ts'
import { dataTypeOf } from './tag-metric.ts'

/** A branch of a device's tags that is one metric: an instance of a template. */
export interface Instance {
  readonly template: string
  readonly device: string
  /** Of the metric: the branch below the device. */
  readonly name: string
  readonly alias: number
  readonly tags: readonly TagIndex[]
}

export interface TemplatesOptions {
  readonly metas: readonly TagMeta[]
  /** Names of templates, with filters over DEVICE/BRANCH. */
  readonly rules: Readonly<Record<string, readonly string[]>>
  /** Whether a tag goes up at all. */
  readonly isSent: (tag: TagIndex) => boolean
  /** The first alias that nobody else has. */
  readonly firstAlias: number
}

/**
 * Which tags are members of which instance. The first branch that a template's filters match defines it; another one is an instance where it has
 * exactly the same members, of the same types, and flat metrics otherwise.
 */
export class Templates {
  readonly #options: TemplatesOptions
  readonly #byTag = new Map<TagIndex, Instance>()
  readonly #definitions = new Map<string, Instance>()

  constructor(options: TemplatesOptions) {
    this.#options = options
    let alias = options.firstAlias
    for (const [branch, tags] of options.metas.length === 0 || Object.keys(options.rules).length === 0 ? [] : this.#branches()) {
      const template = this.#templateOf(branch)
      if (template === undefined || tags.some((tag) => this.#byTag.has(tag) || this.#type(tag) === undefined)) continue
      const slash = branch.indexOf('/')
      const instance: Instance = { template, device: branch.slice(0, slash), name: branch.slice(slash + 1), alias, tags }
      const definition = this.#definitions.get(template)
      if (definition !== undefined && this.#shape(definition) !== this.#shape(instance)) continue
      if (definition === undefined) this.#definitions.set(template, instance)
      for (const tag of tags) this.#byTag.set(tag, instance)
      alias += 1
    }
  }

  /** For the birth of the node: every definition, before anything refers to it. */
  definitions(timestampMs: number): readonly SparkplugMetric[] {
    return [...this.#definitions].map(([name, instance]) => {
      const metrics = instance.tags.map((tag) => ({ name: this.memberName(tag), type: this.#type(tag) ?? 0, isNull: true }))
      return {
        name,
        timestampMs,
        type: dataTypes.Template,
        value: { form: 'template', value: { metrics, parameters: [], isDefinition: true } },
      }
    })
  }

  instanceOf(tag: TagIndex): Instance | undefined {
    return this.#byTag.get(tag)
  }

  /** What a command means that names an instance: its members as if each had been named. */
  expand(device: string, metric: SparkplugMetric): readonly SparkplugMetric[] {
    if (metric.value?.form !== 'template') return [metric]
    const instances = new Set(this.#byTag.values())
    const found = instances.values().find((one) => one.device === device && (metric.alias === one.alias || metric.name === one.name))
    if (found === undefined) return [metric]
    return metric.value.value.metrics.map(({ alias: _, ...member }) => ({ ...member, name: `${found.name}/${member.name}` }))
  }

  /** Of a tag within its instance. */
  memberName(tag: TagIndex): string {
    const instance = this.#byTag.get(tag)
    return this.#meta(tag).path.slice((instance?.name.length ?? -1) + 1)
  }

  /** One or some members of an instance, as a metric. */
  wrap(instance: Instance, metrics: readonly SparkplugMetric[]): SparkplugMetric['value'] {
    return { form: 'template', value: { ref: instance.template, isDefinition: false, parameters: [], metrics } }
  }

  /** Every DEVICE/BRANCH that has tags directly or further below, with all of them. */
  #branches(): ReadonlyMap<string, readonly TagIndex[]> {
    const branches = new Map<string, TagIndex[]>()
    for (const [place, { id }] of this.#options.metas.entries()) {
      if (!this.#options.isSent(asTagIndex(place))) continue
      const levels = id.split('/')
      for (let depth = 2; depth < levels.length; depth += 1) {
        const branch = levels.slice(0, depth).join('/')
        const tags = branches.get(branch)
        if (tags === undefined) branches.set(branch, [asTagIndex(place)])
        else tags.push(asTagIndex(place))
      }
    }
    return branches
  }

  #templateOf(branch: string): string | undefined {
    return Object.entries(this.#options.rules).find(([, filters]) => filters.some((filter) => matchesFilter(branch, filter)))?.[0]
  }

  #shape({ name, tags }: Instance): string {
    return JSON.stringify(tags.map((tag) => [this.#meta(tag).path.slice(name.length + 1), this.#type(tag)]))
  }

  #type(tag: TagIndex): number | undefined {
    return dataTypeOf(this.#meta(tag), null)
  }

  #meta(tag: TagIndex): TagMeta {
    const meta = this.#options.metas[tag]
    if (meta === undefined) throw new Error(`there is no tag ${tag}`)
    return meta
  }
}
