import { randomUUID } from 'node:crypto'
import { type Clock, parseIsoTime } from '../../../base/clock.ts'
import { Fault, plainFault } from '../../../base/fault.ts'
import type { CommandResult } from '../../../model/command.ts'
import type { SiteEvent } from '../../../model/event.ts'
import { jsonValue } from '../../../model/payload.ts'
import { RefusalPace } from '../../../model/refused-command.ts'
import { type DataTypeName, dataTypeName, dataTypes } from '../../../model/sparkplug/data-type.ts'
import { encodePayload } from '../../../model/sparkplug/encode.ts'
import { deviceTopic, type EdgeNodeName, nodeTopic } from '../../../model/sparkplug/topic.ts'
import { wireValue } from '../../../model/sparkplug/values.ts'
import { type Role, roleAllows, type TagValue, type ValueType } from '../../../model/tag.ts'
import type { ReceivedMessage } from '../door-keeper.ts'
import type { Wish } from '../set.ts'
import type { EdgeNodeView, Metric } from './edge-node-view.ts'

/** A metric that somebody wants to write. */
export interface Target {
  readonly node: EdgeNodeName
  readonly view: EdgeNodeView
  readonly metric: Metric
}

export interface MetricWritesOptions {
  /** Absent: nobody may write. */
  readonly role: Role | undefined
  /** By the levels of its topic; undefined where there is none. */
  readonly find: (levels: readonly string[]) => Target | undefined
  /** At QoS 0, not retained. */
  readonly publish: (topic: string, payload: Uint8Array) => Promise<void>
  /** Into the journal. */
  readonly record: (event: SiteEvent) => void
  readonly clock: Clock
}

interface Waiting {
  readonly view: EdgeNodeView
  readonly metric: Metric
  readonly text: string
  readonly done: () => void
}

/** Writes under way at once; one more is refused. */
const openMax = 200
/** A command has no answer of its own: that the metric has the value is said by the node's next data, and if not by then, nobody can know. */
const confirmMs = 5_000
const subjectCharsMax = 200

const valueTypes: Readonly<Partial<Record<DataTypeName, ValueType>>> = {
  Boolean: 'bool',
  Int8: 'i8',
  Int16: 'i16',
  Int32: 'i32',
  Int64: 'i64',
  UInt8: 'u8',
  UInt16: 'u16',
  UInt32: 'u32',
  UInt64: 'u64',
  Float: 'f32',
  Double: 'f64',
  String: 'string',
  Text: 'string',
  UUID: 'string',
  Bytes: 'bytes',
  DateTime: 'time',
}

/** The way of `…/METRIC/set` to an edge node, as NCMD or DCMD, and of its outcome to `…/set/result`. */
export class MetricWrites {
  readonly #options: MetricWritesOptions
  readonly #waiting = new Set<Waiting>()
  readonly #refusals = new RefusalPace()
  #open = 0
  #asked = 0

  constructor(options: MetricWritesOptions) {
    this.#options = options
  }

  /** How many were asked for. */
  get asked(): number {
    return this.#asked
  }

  async result(levels: readonly string[], message: ReceivedMessage): Promise<CommandResult> {
    const started = this.#options.clock.elapsed()
    const id = randomUUID()
    this.#asked += 1
    try {
      return await this.#carryOut(levels, message, id)
    } catch (error) {
      const { code, message: text, remedy } = plainFault(error)
      this.#recordRefusal(levels, message.by, code)
      return { id, status: 'refused', code, message: text, remedy, tookMs: Math.round(this.#options.clock.elapsed() - started) }
    }
  }

  /** A metric has told a value. */
  heard(view: EdgeNodeView, { device, name, shown }: Metric): void {
    for (const waiting of this.#waiting) {
      const { metric } = waiting
      if (waiting.view === view && metric.device === device && metric.name === name && valueText(shown) === waiting.text) waiting.done()
    }
  }

  #recordRefusal(levels: readonly string[], by: ReceivedMessage['by'], code: string): void {
    const { clock, record } = this.#options
    const extra = this.#refusals.next(clock.elapsed())
    if (extra === undefined) return
    const subject = levels.join('/').slice(0, subjectCharsMax)
    record({ type: 'sparkplug.command', subject, timeMs: clock.now(), data: { by, status: 'refused', code, ...extra } })
  }

  async #carryOut(levels: readonly string[], { payload, by }: ReceivedMessage, anyId: string): Promise<CommandResult> {
    const { role, find, clock } = this.#options
    if (role === undefined) throw commandsOff()
    if (!roleAllows(by.role, role)) throw roleTooLow(by, role)
    const target = find(levels)
    if (target === undefined) throw unknown(levels)
    if (!target.view.isHere(target.metric.device)) throw offline(levels)
    if (this.#open >= openMax) throw busy()
    const wish = await wishOf(payload, target.metric)
    if (wish.expiresMs !== undefined && wish.expiresMs < clock.now()) throw expired()
    this.#open += 1
    try {
      return await this.#send(target, { wish, id: wish.id ?? anyId, by })
    } finally {
      this.#open -= 1
    }
  }

  async #send(
    target: Target,
    { wish, id, by }: { readonly wish: Wish; readonly id: string; readonly by: ReceivedMessage['by'] },
  ): Promise<CommandResult> {
    const { clock, publish, record } = this.#options
    const { node, metric } = target
    const value = wireValue(momentOrValue(wish.value, metric.type), metric.type)
    if (value === undefined) throw unfit(metric)
    const { alias, name, type, device } = metric
    const timestampMs = clock.now()
    const said = { ...(alias === undefined ? { name } : { alias }), timestampMs, type, value }
    const topic = device === '' ? nodeTopic('NCMD', node) : deviceTopic('DCMD', node, device)
    const started = clock.elapsed()
    const isConfirmed = this.#confirmation(target, wish.value)
    await publish(topic, encodePayload({ timestampMs, metrics: [said] }))
    const isDone = await isConfirmed
    const tookMs = Math.round(clock.elapsed() - started)
    const result: CommandResult = isDone
      ? { id, status: 'done', value: wish.value, tookMs }
      : { id, status: 'unknown', ...notConfirmed, tookMs }
    const { status, code } = result
    const subject = [node.group, node.edgeNode, device, name].filter((level) => level !== '').join('/')
    record({ type: `sparkplug.command`, subject, timeMs: clock.now(), data: { by, value: jsonValue(wish.value), status, code } })
    return result
  }

  /** Whether the node has told the value in time. */
  async #confirmation({ view, metric }: Target, value: TagValue): Promise<boolean> {
    const text = JSON.stringify(jsonValue(typeof value === 'number' && metric.type === dataTypes.Float ? Math.fround(value) : value))
    if (valueText(metric.shown) === text) return true // what does not change is not told again
    return await new Promise((resolve) => {
      const end = (isDone: boolean): void => {
        this.#waiting.delete(waiting)
        timer[Symbol.dispose]()
        resolve(isDone)
      }
      const waiting: Waiting = { view, metric, text, done: () => end(true) }
      const timer = this.#options.clock.after(confirmMs, () => end(false))
      this.#waiting.add(waiting)
    })
  }
}

function valueText(shown: Metric['shown']): string {
  return JSON.stringify(shown['value'])
}

async function wishOf(payload: Uint8Array, { type }: Metric): Promise<Wish> {
  const name = dataTypeName(type)
  const element = name?.endsWith('Array') === true ? (name.slice(0, -'Array'.length) as DataTypeName) : name
  const valueType = element === undefined ? undefined : valueTypes[element]
  const { parseWish } = await import('../set.ts') // brings zod along, which a gateway nobody writes to by MQTT does not need
  return parseWish(payload, valueType === undefined ? {} : { type: valueType })
}

/** DateTime is ms on the wire and RFC 3339 everywhere else. */
function momentOrValue(value: TagValue, type: number): TagValue {
  return type === dataTypes.DateTime && typeof value === 'string' ? (parseIsoTime(value) ?? value) : value
}

const notConfirmed = {
  code: 'sparkplug.not-confirmed',
  message: `The edge node has not told the value within ${confirmMs / 1_000} s.`,
  remedy: 'Look at the metric before asking again: the node may have refused it, or told nothing yet.',
} as const

function commandsOff(): Fault {
  return new Fault('sparkplug.commands-off', 'Nobody may write metrics of edge nodes through this gateway.', {
    remedy: 'Set `mqtt: { sparkplug: { role: operator } }` in lineside.yaml, if clients of that role may.',
  })
}

function roleTooLow(by: ReceivedMessage['by'], role: Role): Fault {
  return new Fault('access.role', `"${by.name}" comes as ${by.role}, and metrics of edge nodes may be written from ${role} on.`, {
    remedy: 'Ask somebody with that role.',
  })
}

function unknown(levels: readonly string[]): Fault {
  return new Fault('sparkplug.metric-unknown', `No birth has announced ${levels.join('/').slice(0, 200)}.`, {
    remedy: 'Write to the topic under which the metric is shown, with /set behind it: GROUP/EDGE-NODE[/DEVICE]/METRIC/set.',
  })
}

function offline(levels: readonly string[]): Fault {
  return new Fault('sparkplug.offline', `The edge node or device of ${levels.join('/').slice(0, 200)} is offline.`, {
    remedy: 'Ask again when it is back.',
    isRetryable: true,
  })
}

function busy(): Fault {
  return new Fault('sparkplug.too-many-commands', `${openMax} writes to edge nodes are under way.`, {
    remedy: 'Wait for the results of earlier ones.',
    isRetryable: true,
  })
}

function expired(): Fault {
  return new Fault('command.expired', 'Its `expires` is over.', { remedy: 'Ask again; compare the clocks.' })
}

function unfit({ name, type }: Metric): Fault {
  return new Fault(
    'sparkplug.value-unfit',
    `The value is no ${dataTypeName(type) ?? `value of type ${type}`}, which ${name.slice(0, 100)} is.`,
    {
      remedy: 'Write a value of the type that the birth has announced; data sets and templates cannot be written.',
    },
  )
}
