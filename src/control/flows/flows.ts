import { randomUUID } from 'node:crypto'
import { type Clock, isoTime } from '../../base/clock.ts'
import type { Door } from '../../base/door.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import { firstFailure, type Running, startLoop } from '../../base/running.ts'
import type { Command, CommandResult } from '../../model/command.ts'
import type { SiteEvent } from '../../model/event.ts'
import { jsonValue } from '../../model/payload.ts'
import type { ChangeBatch, Sample } from '../../model/sample.ts'
import type { TagId, TagIndex, TagMeta, TagValue } from '../../model/tag.ts'
import type { OpenRun, RunRecord, StoreCalls } from '../../store/contract.ts'
import type { NorthCalls } from '../contract.ts'
import { isSameValue, type TagTable } from '../tag-table.ts'
import type { FlowConfig, FlowTrigger } from './config.ts'
import { executeRun, type Run, type RunEnd, type RunPorts } from './run.ts'
import { Trigger } from './trigger.ts'

export interface FlowsOptions {
  readonly data: { readonly site: string; readonly flows: readonly FlowConfig[]; readonly tags: readonly TagMeta[] }
  readonly table: TagTable
  readonly road: { write(command: Command): Promise<CommandResult> }
  readonly store: Door<StoreCalls>
  readonly north: Door<NorthCalls>
  readonly outbox: { acceptMessage(topic: string, payload: string): Promise<void> }
  readonly record: (event: SiteEvent) => void
  readonly clock: Clock
  readonly log: Log
}

export interface Flows extends Running {
  take(batch: ChangeBatch): void
  metrics(): readonly Metric[]
}

/** Starts of one flow that may wait while a run of it is under way; one more is refused, and an event says so. */
const waitingRunsMax = 100
const retryPauseMs = 200
/** A publish that the broker has not taken by then fails its step. */
const publishMs = 30_000
/** How long a resumed run waits for the device that can tell what happened. */
const settleMs = 30_000

/** Starts every flow, beginning with the runs that a crash or power cut left open. */
export async function startFlows(options: FlowsOptions): Promise<Flows> {
  const stop = new AbortController()
  const ports = runPorts(options, stop.signal)
  const flows = options.data.flows.map((flow) => new Flow(flow, { ...options, ports, stop: stop.signal }))
  const resumed = new ResumedRuns(await openRuns(options, stop.signal), flows, { ...options, ports, stop: stop.signal })
  const watchers = watchersByTag(flows, options.table)
  return {
    failure: firstFailure([resumed, ...flows]),
    take: (batch) => {
      const woken = new Set<Trigger>()
      for (const { tag } of batch) for (const trigger of watchers.get(tag) ?? []) woken.add(trigger)
      for (const trigger of woken) trigger.look()
    },
    metrics: () => flows.flatMap((flow) => flow.metrics()),
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      for (const flow of flows) await flow[Symbol.asyncDispose]()
      await resumed[Symbol.asyncDispose]()
    },
  }
}

interface FlowContext extends FlowsOptions {
  readonly ports: RunPorts
  readonly stop: AbortSignal
}

/** One flow: its triggers, and its runs one after the other in the order of their triggers. */
class Flow implements Running {
  readonly failure: Promise<never>
  readonly triggers: readonly Trigger[]
  readonly config: FlowConfig
  readonly #context: FlowContext
  readonly #waiting: Run[] = []
  readonly #ended: Record<RunEnd['state'], number> = { completed: 0, failed: 0, unsettled: 0 }
  readonly #loop: Running
  #bell = Promise.withResolvers<void>()
  #refused = 0

  constructor(config: FlowConfig, context: FlowContext) {
    this.config = config
    this.#context = context
    this.triggers = config.on.map(
      (trigger) => new Trigger({ trigger, tags: context.table, clock: context.clock, fire: (sample) => this.#start(trigger, sample) }),
    )
    this.#loop = startLoop((signal) => this.#work(signal))
    this.failure = this.#loop.failure
  }

  /** Takes up a run of an earlier life, ahead of new ones. */
  resume(run: Run): void {
    this.#waiting.unshift(run)
    this.#bell.resolve()
  }

  metrics(): readonly Metric[] {
    const { flow } = this.config
    const rows = Object.entries(this.#ended).map(
      ([state, value]): Metric => ({
        name: 'lineside_flow_runs_total',
        help: 'Runs by how they ended.',
        type: 'counter',
        value,
        labels: { flow, state },
      }),
    )
    return [
      ...rows,
      {
        name: 'lineside_flow_refused_total',
        help: 'Starts refused because too many waited.',
        type: 'counter',
        value: this.#refused,
        labels: { flow },
      },
      {
        name: 'lineside_flow_waiting',
        help: 'Starts that wait for their turn.',
        type: 'gauge',
        value: this.#waiting.length,
        labels: { flow },
      },
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const trigger of this.triggers) trigger[Symbol.dispose]()
    this.#bell.resolve()
    await this.#loop[Symbol.asyncDispose]()
  }

  #start(trigger: FlowTrigger, sample: Sample): void {
    const { clock, record } = this.#context
    if (this.#waiting.length >= waitingRunsMax) {
      this.#refused += 1
      record({ type: 'flow.overloaded', subject: this.config.flow, timeMs: clock.now(), data: { waiting: this.#waiting.length } })
      return
    }
    this.#waiting.push({ id: randomUUID(), flow: this.config, trigger: triggerData(trigger, sample), isResumed: false, past: [] })
    this.#bell.resolve()
  }

  async #work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#bell.promise
      this.#bell = Promise.withResolvers<void>()
      for (let run = this.#waiting.shift(); run !== undefined && !signal.aborted; run = this.#waiting.shift()) {
        const end = await runOnce(run, this.#context)
        if (end !== undefined) this.#ended[end.state] += 1
      }
    }
  }
}

/** Runs of flows that the site no longer has are finished all the same, on the definition they began with. */
class ResumedRuns implements Running {
  readonly failure: Promise<never>
  readonly #loop: Running

  constructor(open: readonly OpenRun[], flows: readonly Flow[], context: FlowContext) {
    const orphans: Run[] = []
    for (const run of open.map(runOf).reverse()) {
      const flow = flows.find(({ config }) => config.flow === run.flow.flow)
      if (flow === undefined) orphans.push(run)
      else flow.resume(run)
    }
    this.#loop = startLoop(async (signal) => {
      for (const run of orphans.reverse()) if (!signal.aborted) await runOnce(run, context)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    })
    this.failure = this.#loop.failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]()
  }
}

/** undefined when the daemon stopped meanwhile: the run goes on in its next life. */
async function runOnce(run: Run, context: FlowContext): Promise<RunEnd | undefined> {
  const { ports, clock, record, log, stop } = context
  const data = { run: run.id, version: run.flow.version }
  try {
    if (run.isResumed) await devicesHeard(run, context)
    else await ports.keep([begun(run, clock)])
    record({
      type: run.isResumed ? 'flow.resumed' : 'flow.started',
      subject: run.flow.flow,
      timeMs: clock.now(),
      data: { ...data, trigger: run.trigger },
    })
    const end = await executeRun(run, ports)
    record({ type: `flow.${end.state}`, subject: run.flow.flow, timeMs: clock.now(), data: { ...data, ...end } })
    if (end.state !== 'completed') log.warn('A run of a flow did not complete.', { flow: run.flow.flow, ...data, ...end })
    return end
  } catch (error) {
    if (stop.aborted) return undefined
    throw error
  }
}

function begun(run: Run, clock: Clock): RunRecord {
  return {
    kind: 'begun',
    run: run.id,
    flow: run.flow.flow,
    timeMs: clock.now(),
    definition: JSON.stringify(run.flow),
    input: JSON.stringify(run.trigger),
  }
}

function runOf(open: OpenRun): Run {
  const { run, definition, input } = open.begun
  return {
    id: run,
    flow: JSON.parse(definition) as FlowConfig,
    trigger: JSON.parse(input) as Run['trigger'],
    isResumed: true,
    past: open.records,
  }
}

function triggerData(trigger: FlowTrigger, sample: Sample): Run['trigger'] {
  const [device] = trigger.tag.split('/')
  return { tag: trigger.tag, device, value: jsonValue(sample.value), quality: sample.quality, time: isoTime(sample.sourceMs) }
}

function watchersByTag(flows: readonly Flow[], table: TagTable): ReadonlyMap<TagIndex, readonly Trigger[]> {
  const watchers = new Map<TagIndex, Trigger[]>()
  for (const trigger of flows.flatMap((flow) => flow.triggers)) {
    for (const id of trigger.watched) {
      const tag = table.find(id)
      if (tag !== undefined) watchers.set(tag, [...(watchers.get(tag) ?? []), trigger])
    }
  }
  return watchers
}

async function openRuns({ store, clock, log }: FlowsOptions, stop: AbortSignal): Promise<readonly OpenRun[]> {
  return await untilAnswered(() => store.call('openRuns', null), { clock, log, stop, what: 'The store does not tell the open runs yet.' })
}

function runPorts({ data, table, road, store, north, outbox, clock, log }: FlowsOptions, stop: AbortSignal): RunPorts {
  return {
    tags: table,
    clock,
    write: (command) => road.write(command),
    keep: async (records) => {
      await untilAnswered(() => store.call('recordRuns', records), {
        clock,
        log,
        stop,
        what: 'The journal does not answer; runs wait for it.',
      })
    },
    publish: async ({ topic, payload, isRetained }) => {
      const fullTopic = `${data.site}/${topic}`
      await outbox.acceptMessage(fullTopic, payload)
      const limit = clock.elapsed() + publishMs
      await untilAnswered(() => north.call('publish', [{ topic: fullTopic, payload, qos: 1, isRetained }]), {
        clock,
        log,
        stop,
        limit,
        what: 'The broker does not answer; a flow waits for it.',
      })
    },
    readsNow: (tag, value) => readsNow(tag, { value, table, clock, stop }),
  }
}

interface Patience {
  readonly clock: Clock
  readonly log: Log
  readonly stop: AbortSignal
  readonly what: string
  /** Moment of the monotonic clock after which the fault is passed on. */
  readonly limit?: number
}

/** Asks again while the fault says that it may help, telling the log once. */
async function untilAnswered<Answer>(ask: () => Promise<Answer>, { clock, log, stop, what, limit }: Patience): Promise<Answer> {
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

/** After a start, devices need a moment: a resumed run must not fail because it was faster than they. */
async function devicesHeard(run: Run, { table, clock, stop }: FlowContext): Promise<void> {
  const limit = clock.elapsed() + settleMs
  const tags = run.flow.steps.flatMap((step) => (step.kind === 'write' ? step.writes.map(({ tag }) => tag) : []))
  while (clock.elapsed() < limit && tags.some((tag) => !isHeard(table, tag))) await clock.sleep(retryPauseMs, stop)
}

/** Waits until the device can be heard, then compares. */
async function readsNow(
  tag: TagId,
  context: { readonly value: unknown; readonly table: TagTable; readonly clock: Clock; readonly stop: AbortSignal },
): Promise<boolean | undefined> {
  const { table, clock, stop } = context
  const limit = clock.elapsed() + settleMs
  while (clock.elapsed() < limit) {
    if (isHeard(table, tag)) return isSameValue(table.sampleOf(tag)?.value ?? null, context.value as TagValue)
    await clock.sleep(retryPauseMs, stop)
  }
  return undefined
}

function isHeard(table: TagTable, tag: TagId): boolean {
  const quality = table.sampleOf(tag)?.quality
  return quality === 'good' || quality === 'uncertain'
}
