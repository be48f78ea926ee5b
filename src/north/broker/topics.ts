import { randomUUID } from 'node:crypto'
import { type Clock, isoTime } from '../../base/clock.ts'
import { Fault, plainFault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import type { CommandRoad, LiveTags, LocalMessage } from '../../control/contract.ts'
import type { CommandResult } from '../../model/command.ts'
import type { DeviceStatus } from '../../model/device.ts'
import { jsonValue, samplePayload } from '../../model/payload.ts'
import type { RefusedCommand } from '../../model/refused-command.ts'
import { asTagId, asTagIndex, roleAllows, type TagMeta, type TagValue } from '../../model/tag.ts'
import { matchesFilter } from '../../model/topic.ts'
import type { Broker } from './broker.ts'
import type { ReceivedMessage } from './door-keeper.ts'
import type { Wish } from './set.ts'

export interface TagTopicsOptions {
  readonly broker: Pick<Broker, 'publish' | 'serveValues' | 'own'>
  /** The root of the value topics. */
  readonly site: string
  readonly node: string
  readonly tags: LiveTags
  readonly commands: CommandRoad
  /** Filters of messages that somebody here listens to, the site's own topics among them. */
  readonly openTopics?: readonly string[]
  readonly clock: Clock
  readonly log: Log
}

/** The topics of this gateway on its broker, while it is there. Disposing says `offline`. */
export interface TagTopics extends AsyncDisposable {
  /** What control tells of its devices. */
  devices(statuses: readonly DeviceStatus[]): void
  metrics(): readonly Metric[]
}

/** Writes asked for over MQTT that may be under way at once; one more is refused. */
const writesMax = 200
const setSuffix = '/set'

/** Serves every tag as a retained topic, takes `…/set`, and says that the gateway is there. Ready when `online` has been published. */
export async function startTagTopics(options: TagTopicsOptions): Promise<TagTopics> {
  const { broker, site, node, tags } = options
  const stop = new DisposableStack()
  const changed = broker.serveValues({
    topics: tags.metas.map((meta) => `${site}/${meta.id}`),
    payload: (place) => valuePayload(tags, place),
  })
  stop.use(tags.onChanges((batch) => changed(batch.map(({ tag }) => tag))))
  const writes = new Writes(options)
  stop.use(
    broker.own(
      `${site}/`,
      (message) => writes.receive(message),
      (message) => writes.forbid(message),
    ),
  )
  stop.use(broker.own(`lineside/${node}/`, () => 'discard'))
  const say = (message: LocalMessage): Promise<void> => broker.publish([message])
  const mention = (messages: readonly LocalMessage[]): void => {
    broker
      .publish(messages)
      .catch((error: unknown) => options.log.error('A message about this gateway was not published.', errorFields(error)))
  }
  await say(retained(`lineside/${node}/status`, 'online'))
  return {
    devices: (statuses) => mention(statuses.map((status) => retained(`lineside/${node}/devices/${status.device}`, devicePayload(status)))),
    metrics: () => writes.metrics(),
    [Symbol.asyncDispose]: async () => {
      stop.dispose()
      await say(retained(`lineside/${node}/status`, 'offline'))
    },
  }
}

function valuePayload(tags: LiveTags, place: number): string | undefined {
  const tag = asTagIndex(place)
  const meta = tags.metas[tag]
  const sample = tags.current(tag)
  return meta === undefined || sample === undefined ? undefined : JSON.stringify(samplePayload(meta, sample))
}

function devicePayload({ sinceMs, device: _, ...status }: DeviceStatus): string {
  return JSON.stringify({ ...status, since: isoTime(sinceMs) })
}

function retained(topic: string, payload: string): LocalMessage {
  return { topic, payload, qos: 1, isRetained: true }
}

function noSuchTag(id: string): Fault {
  const remedy = 'Check the name: it is DEVICE/TAG, as in the device files.'
  return new Fault('command.tag-unknown', `There is no tag ${id.slice(0, 200)}.`, { remedy })
}

function notToWrite(name: string, tag: string): Fault {
  return new Fault('access.write', `The rules of "${name}" do not let him write ${tag.slice(0, 200)}; nothing was written.`, {
    remedy: 'Ask an admin for a rule (`lineside user add NAME --write FILTER`) that covers the topic …/set of this tag.',
  })
}

/** The way of `…/set` through the command road to `…/set/result`. */
class Writes {
  readonly #options: TagTopicsOptions
  #open = 0
  #refused = 0

  constructor(options: TagTopicsOptions) {
    this.#options = options
  }

  /** Whatever else is published under the site's root is a value, and values are ours alone to publish. */
  receive(message: ReceivedMessage): 'passOn' | 'discard' {
    const { site, tags } = this.#options
    if (!message.topic.endsWith(setSuffix)) return this.#isWanted(message) ? 'passOn' : 'discard'
    const id = message.topic.slice(site.length + 1, -setSuffix.length)
    const tag = tags.find(asTagId(id))
    const meta = tag === undefined ? undefined : tags.metas[tag]
    void this.#answer(message, meta ?? id)
    return meta === undefined ? 'discard' : 'passOn'
  }

  /** The client hears nothing, as with every topic that is not his; the journal does. */
  forbid({ topic, by }: ReceivedMessage): void {
    if (!topic.endsWith(setSuffix)) return
    const tag = topic.slice(this.#options.site.length + 1, -setSuffix.length)
    this.#refuse({ id: randomUUID(), tag, by }, notToWrite(by.name, tag))
  }

  /** What a flow or a route begins with, where it is nobody's value. */
  #isWanted({ topic, by }: ReceivedMessage): boolean {
    const { site, tags, openTopics = [] } = this.#options
    const [device] = topic.slice(site.length + 1).split('/')
    const isListenedTo = openTopics.some((filter) => matchesFilter(topic, filter))
    return isListenedTo && roleAllows(by.role, 'operator') && !tags.metas.some((meta) => meta.device === device)
  }

  metrics(): readonly Metric[] {
    return [
      { name: 'lineside_mqtt_writes_open', help: 'Writes asked for over MQTT that are under way.', type: 'gauge', value: this.#open },
      {
        name: 'lineside_mqtt_writes_refused_total',
        help: 'Writes refused before the command road: malformed, not allowed, or too many.',
        type: 'counter',
        value: this.#refused,
      },
    ]
  }

  /** `to`: the tag, or its name where there is no such tag. */
  async #answer(message: ReceivedMessage, to: TagMeta | string): Promise<void> {
    await this.#tell(message, await this.#result(message, to))
  }

  async #tell(message: ReceivedMessage, result: CommandResult): Promise<void> {
    const { broker, log } = this.#options
    const { value, ...rest } = result
    const payload = JSON.stringify({ ...rest, ...(value === undefined ? {} : { value: jsonValue(value) }) })
    try {
      await broker.publish([{ topic: `${message.topic}/result`, payload, qos: 1, isRetained: false }])
    } catch (error) {
      log.error('The result of a write was not published.', { topic: message.topic, ...errorFields(error) })
    }
  }

  async #result({ payload, by }: ReceivedMessage, to: TagMeta | string): Promise<CommandResult> {
    let id: string = randomUUID()
    let value: TagValue | undefined
    try {
      const { parseWish, wishIdOf } = await import('./set.ts') // brings zod along, 10 MB that a gateway nobody writes to by MQTT does not need
      id = wishIdOf(payload) ?? id // his answer must be known by it, also where the rest cannot be read
      if (typeof to === 'string') throw noSuchTag(to)
      const wish = parseWish(payload, to)
      value = wish.value
      this.#check(by, to)
      return await this.#write({ wish, id, by, meta: to })
    } catch (error) {
      const tag = typeof to === 'string' ? to : to.id
      if (!(error instanceof Fault)) this.#options.log.error('A write over MQTT ended in a bug.', { tag, ...errorFields(error) })
      return this.#refuse({ id, tag, ...(value === undefined ? {} : { value }), by }, error)
    }
  }

  #refuse(
    wish: Pick<RefusedCommand, 'tag' | 'value'> & Pick<ReceivedMessage, 'by'> & { readonly id: string },
    error: unknown,
  ): CommandResult {
    const { code, message, remedy } = plainFault(error)
    this.#refused += 1
    this.#options.commands.noteRefused({ ...wish, by: { road: 'mqtt', ...wish.by }, code, message, remedy })
    return { id: wish.id, status: 'refused', code, message, remedy, tookMs: 0 }
  }

  /** What control need not be asked for: a flood of it must not reach it. */
  #check(by: ReceivedMessage['by'], meta: TagMeta): void {
    if (!roleAllows(by.role, meta.write?.role ?? 'operator')) {
      throw new Fault(
        'access.role',
        `"${by.name}" comes as ${by.role}, and ${meta.id} may be written from ${meta.write?.role ?? 'operator'} on.`,
        {
          remedy: 'Ask somebody with that role; who may do what without credentials is `mqtt: { anonymous: … }` in lineside.yaml.',
        },
      )
    }
    if (this.#open >= writesMax) {
      throw new Fault('mqtt.set-busy', `${writesMax} writes asked for over MQTT are under way already.`, {
        remedy: 'Wait for the results of earlier writes before asking for more.',
        isRetryable: true,
      })
    }
  }

  async #write({ wish, id, by, meta }: { wish: Wish; id: string; by: ReceivedMessage['by']; meta: TagMeta }): Promise<CommandResult> {
    const expires = wish.expiresMs === undefined ? {} : { expiresMs: wish.expiresMs }
    this.#open += 1
    try {
      return await this.#options.commands.write({ id, tag: meta.id, value: wish.value, by: { road: 'mqtt', ...by }, ...expires })
    } finally {
      this.#open -= 1
    }
  }
}
