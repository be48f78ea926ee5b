import type { Chance } from '../../../base/chance.ts'
import type { Clock } from '../../../base/clock.ts'
import { epochMs, isoTime } from '../../../base/clock.ts'
import type { CommandRoad } from '../../../control/contract.ts'
import type { CommandResult } from '../../../model/command.ts'
import { jsonValue } from '../../../model/payload.ts'
import { dataTypes } from '../../../model/sparkplug/data-type.ts'
import { decodePayload } from '../../../model/sparkplug/decode.ts'
import type { SparkplugMetric, SparkplugPayload } from '../../../model/sparkplug/payload.ts'
import { typedValue } from '../../../model/sparkplug/values.ts'
import type { Role, TagIndex, TagValue } from '../../../model/tag.ts'
import type { MetricBook } from './metric-book.ts'
import { rebirthName } from './publisher.ts'

interface Refusal {
  readonly code: string
  readonly message: string
}

export interface CommandsOptions {
  readonly upstream: string
  /** Absent: every command is refused. */
  readonly role: Role | undefined
  readonly book: MetricBook
  readonly commands: CommandRoad
  /** Called with each result, as JSON. */
  readonly answer: (device: string, result: string) => void
  readonly clock: Clock
  readonly chance: Chance
}

/** A command is small; what is larger is none. */
const limits = { sizeBytesMax: 256 * 1024, itemsMax: 10_000 }
const metricsMax = 200
/** Writes asked for by this upstream and not yet ended. */
const pendingMax = 200

/** Writes that a host application asks for. Each takes the command road, as every other wish; how it ended goes back as data. */
export class Commands {
  readonly #options: CommandsOptions
  #pending = 0
  #count = 0

  constructor(options: CommandsOptions) {
    this.#options = options
  }

  /** What the metrics of a DCMD ask for. */
  take(device: string, bytes: Uint8Array): void {
    const payload = readCommand(bytes)
    if (typeof payload === 'string') {
      this.#refuse(device, '', { code: 'sparkplug.command-malformed', message: payload })
      return
    }
    const { book } = this.#options
    const metrics = payload.metrics.slice(0, metricsMax).flatMap((metric) => book.templates.expand(device, metric))
    for (const metric of metrics.slice(0, metricsMax)) void this.#carryOut(device, metric)
    const more = payload.metrics.length - metricsMax + Math.max(0, metrics.length - metricsMax)
    if (more > 0)
      this.#refuse(device, '', { code: 'sparkplug.command-too-large', message: `${more} metrics beyond ${metricsMax} were left out` })
  }

  async #carryOut(device: string, metric: SparkplugMetric): Promise<void> {
    const { book, commands, upstream, chance } = this.#options
    const tag = book.target(device, metric)
    const wish = this.#understand(tag, metric)
    if (tag === undefined || 'code' in wish) {
      const name = tag === undefined ? (metric.name ?? String(metric.alias ?? '')) : book.meta(tag).path
      if ('code' in wish) this.#refuse(device, name, wish)
      return
    }
    this.#pending += 1
    this.#count += 1
    const id = `${upstream}-${this.#count}-${Math.floor(chance() * 2 ** 48).toString(36)}`
    const by = { road: 'upstream', name: upstream, role: wish.role }
    const result = await commands.write({ id, tag: book.meta(tag).id, value: wish.value, by })
    this.#pending -= 1
    this.#answer(device, book.meta(tag).path, result)
  }

  #understand(tag: TagIndex | undefined, metric: SparkplugMetric): { readonly value: TagValue; readonly role: Role } | Refusal {
    const { book, role } = this.#options
    if (tag === undefined) return { code: 'sparkplug.metric-unknown', message: 'no birth has announced it' }
    if (role === undefined) return { code: 'sparkplug.commands-off', message: 'this upstream has no role' }
    if (this.#pending >= pendingMax) return { code: 'sparkplug.too-many-commands', message: `${pendingMax} are under way` }
    const value = commandValue(metric, book, tag)
    return value === undefined ? { code: 'sparkplug.value-unfit', message: 'its value is not of its type' } : { value, role }
  }

  #refuse(device: string, metric: string, why: Refusal): void {
    const { upstream, role = 'viewer', commands } = this.#options
    const remedy = 'Send what the last DBIRTH announces: docs/sparkplug.md says what a command takes.'
    commands.noteRefused({ tag: `${device}/${metric}`, by: { road: 'upstream', name: upstream, role }, ...why, remedy })
    this.#answer(device, metric.slice(0, 255), { status: 'refused', ...why, tookMs: 0 })
  }

  #answer(device: string, metric: string, { status, code, message, value, tookMs }: Omit<CommandResult, 'id'>): void {
    const { clock, answer } = this.#options
    const said = value === undefined ? {} : { value: jsonValue(value) }
    answer(device, JSON.stringify({ metric, status, code, message, ...said, tookMs, time: isoTime(clock.now()) }))
  }
}

/** Whether a NCMD asks for a rebirth. */
export function asksForRebirth(bytes: Uint8Array): boolean {
  const payload = readCommand(bytes)
  if (typeof payload === 'string') return false
  return payload.metrics.some(({ name, value }) => name === rebirthName && value?.form === 'boolean' && value.value)
}

function readCommand(bytes: Uint8Array): SparkplugPayload | string {
  const decoded = decodePayload(bytes, limits)
  return 'payload' in decoded ? decoded.payload : decoded.problem
}

function commandValue({ value, type, isNull }: SparkplugMetric, book: MetricBook, tag: TagIndex): TagValue | undefined {
  if (value === undefined || isNull === true) return undefined
  const born = book.bornType(tag)
  // A host may say another type than that of the birth: whether the value fits the tag is for the command road to say.
  const meant = typedValue(value, type === undefined || type === 0 ? born : type) ?? typedValue(value, born)
  if (meant === undefined || (typeof meant === 'object' && 'metrics' in meant) || (typeof meant === 'object' && 'columns' in meant))
    return undefined
  const isMoment = born === dataTypes.DateTime && typeof meant === 'number' && Math.abs(meant) <= 8.64e15
  return isMoment ? isoTime(epochMs(meant)) : (meant as TagValue)
}
