import type { Chance } from '../../base/chance.ts'
import type { Clock } from '../../base/clock.ts'
import type { Door } from '../../base/door.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { Command, CommandResult } from '../../model/command.ts'
import type { SiteEvent } from '../../model/event.ts'
import { asTagId, type TagId, type TagMeta, type TagValue } from '../../model/tag.ts'
import type { StoreCalls } from '../../store/contract.ts'
import type { BreakerPool } from '../breaker-pool.ts'
import type { NorthCalls } from '../contract.ts'
import type { DevicePlace } from '../errand.ts'
import { MessageBatch } from '../message-batch.ts'
import type { RecentCommands } from '../recent-commands.ts'
import type { ServiceConfig } from '../routes/service-config.ts'
import { isSameValue, scaledValue, type TagTable } from '../tag-table.ts'
import type { CompiledFlow } from './compiled.ts'
import type { FlowDefinition } from './definition.ts'
import type { PipelineStep } from './pipeline-step.ts'
import type { KeepRuns } from './run-journal.ts'
import type { DeviceChoice, FlowMessage, StepPorts } from './step-ports.ts'
import type { Watchers } from './watchers.ts'

export interface FlowsOptions {
  readonly data: FlowsData
  readonly table: TagTable
  /** By name; a device that is only being started is not in it yet. */
  readonly devices: ReadonlyMap<string, DevicePlace>
  readonly road: { write(command: Command): Promise<CommandResult>; readonly recent: Pick<RecentCommands, 'find'> }
  readonly store: Door<StoreCalls>
  readonly north: Door<NorthCalls>
  readonly outbox: { acceptMessage(topic: string, payload: string, key?: string): Promise<unknown> | undefined }
  readonly breakers: BreakerPool
  readonly record: (event: SiteEvent) => void
  /** Where to be told that the journal has grown. */
  readonly journalled: (() => void)[]
  /** The same of what happens often: it may be kept and told a moment later. Default: `record`. */
  readonly note?: (event: SiteEvent) => void
  /** Resolves when the records, and with them what is to be told of them, are on the disk. Default: one after the other. */
  readonly keepRuns?: KeepRuns
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
  /** Where flows are proved, and no plant is touched: what takes the place of the services, and what a definition is made into. */
  readonly proof?: {
    readonly compile: (definition: FlowDefinition) => CompiledFlow
    readonly request: StepPorts['request']
  }
}

/** What flows are told of the site. Plain data. */
export interface FlowsData {
  readonly site: string
  readonly node: string
  readonly flows: readonly FlowDefinition[]
  readonly tags: readonly TagMeta[]
  readonly devices: readonly { readonly device: string; readonly capabilities: readonly string[] }[]
  readonly services?: Readonly<Record<string, ServiceConfig>>
  /** The main sequence of the site. */
  readonly pipeline?: readonly PipelineStep[]
  /** Filters of tags whose history is kept, beside those that flows ask for. */
  readonly history?: { readonly tags: readonly string[] }
}

const retryPauseMs = 200
/** A publish that the broker has not taken by then fails its step. */
const publishMs = 30_000
/** How long a resumed run waits for the device that can tell what happened. */
const settleMs = 30_000

type OwnPorts = Omit<StepPorts, 'runFlow' | 'request' | 'query'>

/** What steps do to the world, by way of everything else that the control room has. */
export function stepPorts(
  options: FlowsOptions,
  { watchers, life }: { readonly watchers: Watchers; readonly life: AbortSignal },
): OwnPorts {
  const { table, clock, chance, devices, record } = options
  const load = new Map<string, number>()
  const messages = new MessageBatch((batch) => options.north.call('publish', batch))
  return {
    clock,
    chance,
    tags: table,
    watch: (tags, look) => watchers.watch(tags, look),
    write: (command) => busy(load, String(command.tag).split('/')[0] ?? '', () => options.road.write(command)),
    outcomeOf: async (command) => await options.road.recent.find(command),
    readsNow: (tag, value) => readsNow(tag, { value, table, clock, life }),
    readFresh: (tags, stop) => readFresh(tags, { ...options, stop }),
    publish: (message) => publish(message, { ...options, messages, life }),
    record,
    call: async (name, call, stop) => {
      const place = devices.get(name)
      if (place === undefined) return { outcome: 'failed', fault: noSuchDevice(name) }
      return await busy(load, name, () => place.device.call(call, stop))
    },
    devicesWith: (capability) => choices(options, { capability, load }),
  }
}

async function busy<Result>(load: Map<string, number>, device: string, work: () => Promise<Result>): Promise<Result> {
  load.set(device, (load.get(device) ?? 0) + 1)
  try {
    return await work()
  } finally {
    const left = (load.get(device) ?? 1) - 1
    if (left === 0) load.delete(device)
    else load.set(device, left)
  }
}

function choices(
  { data, devices }: FlowsOptions,
  { capability, load }: { readonly capability: string; readonly load: ReadonlyMap<string, number> },
): readonly DeviceChoice[] {
  return data.devices
    .filter(({ capabilities }) => capabilities.includes(capability))
    .map(({ device }) => ({ device, isHealthy: devices.get(device)?.device.status().state === 'online', load: load.get(device) ?? 0 }))
}

async function publish(
  { topic, payload, isRetained, key }: FlowMessage,
  { data, outbox, messages, clock, log, life }: FlowsOptions & { readonly messages: MessageBatch; readonly life: AbortSignal },
): Promise<void> {
  const fullTopic = topic.startsWith('/') ? topic.slice(1) : `${data.site}/${topic}`
  await outbox.acceptMessage(fullTopic, payload, key)
  const limit = clock.elapsed() + publishMs
  const what = 'The broker does not answer; a flow waits for it.'
  const ask = (): Promise<void> => messages.publish({ topic: fullTopic, payload, qos: 1, isRetained })
  await untilAnswered(ask, { clock, log, stop: life, limit, what })
}

export interface Patience {
  readonly clock: Clock
  readonly log: Log
  readonly stop: AbortSignal
  readonly what: string
  /** Moment of the monotonic clock after which the fault is passed on. */
  readonly limit?: number
}

/** Asks again while the fault says that it may help, telling the log once. */
export async function untilAnswered<Answer>(ask: () => Promise<Answer>, { clock, log, stop, what, limit }: Patience): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask()
    } catch (error) {
      const isLate = limit !== undefined && clock.elapsed() > limit
      if (!(error instanceof Fault) || !error.isRetryable || isLate) throw error
      if (attempt === 1) log.warn(what, errorFields(error))
      await clock.sleep(retryPauseMs, stop)
    }
  }
}

interface Hearing {
  readonly table: TagTable
  readonly clock: Clock
  readonly life: AbortSignal
}

/** After a start, devices need a moment: a resumed run must not fail because it was faster than they. */
export async function devicesHeard(tags: readonly string[], { table, clock, life }: Hearing): Promise<void> {
  const known = tags.map(asTagId).filter((tag) => table.find(tag) !== undefined)
  const limit = clock.elapsed() + settleMs
  while (clock.elapsed() < limit && known.some((tag) => !isHeard(table, tag))) await clock.sleep(retryPauseMs, life)
}

/** Waits until the device can be heard, then compares. */
async function readsNow(tag: TagId, { table, clock, life, value }: Hearing & { readonly value: TagValue }): Promise<boolean | undefined> {
  const limit = clock.elapsed() + settleMs
  while (clock.elapsed() < limit) {
    if (isHeard(table, tag)) return isSameValue(table.sampleOf(tag)?.value ?? null, value)
    await clock.sleep(retryPauseMs, life)
  }
  return undefined
}

function isHeard(table: TagTable, tag: TagId): boolean {
  const quality = table.sampleOf(tag)?.quality
  return quality === 'good' || quality === 'uncertain'
}

/** One read a device, and whoever looks at the tags then sees the same. */
async function readFresh(
  tags: readonly TagId[],
  { table, devices, clock, stop }: FlowsOptions & { readonly stop: AbortSignal },
): Promise<readonly (TagValue | undefined)[]> {
  const places = tags.map((tag) => ({ tag, place: table.find(tag), device: tag.split('/')[0] ?? '' }))
  const values = new Map<TagId, TagValue | undefined>()
  for (const [name, asked] of Map.groupBy(places, ({ device }) => device)) {
    const at = devices.get(name)
    if (at === undefined) throw noSuchDevice(name)
    const known = asked.flatMap(({ tag, place }) => (place === undefined ? [] : [{ tag, place }]))
    const readings = await at.device.read(
      known.map(({ place }) => place - at.first),
      stop,
    )
    table.take(at.first, readings, clock.now())
    table.flush()
    for (const [position, { tag, place }] of known.entries()) {
      const reading = readings[position]
      const isUsable = reading !== undefined && reading.value !== null && (reading.quality === 'good' || reading.quality === 'uncertain')
      values.set(tag, isUsable && reading.value !== null ? scaledValue(reading.value, table.metas[place]?.scale) : undefined)
    }
  }
  return tags.map((tag) => values.get(tag))
}

function noSuchDevice(device: string): Fault {
  return new Fault('flow.no-device', `There is no device ${device} here, or it is only being started.`, {
    remedy: 'Look at the name that the flow computes; the devices of the site are those of its folder devices/.',
    isRetryable: true,
  })
}
