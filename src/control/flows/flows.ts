import { randomUUID } from 'node:crypto'
import { type Clock, isoTime } from '../../base/clock.ts'
import { Fault, plainFault } from '../../base/fault.ts'
import { errorFields } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import { firstFailure, type Running, startLoop } from '../../base/running.ts'
import { jsonValue } from '../../model/payload.ts'
import type { ChangeBatch, Sample } from '../../model/sample.ts'
import type { TagIndex } from '../../model/tag.ts'
import type { OpenRun, RunRecord } from '../../store/contract.ts'
import type { TagTable } from '../tag-table.ts'
import type { FlowConfig, FlowTrigger } from './config.ts'
import { devicesHeard, type FlowsOptions, openRuns, runPorts } from './ports.ts'
import { executeRun, type Run, type RunEnd, type RunPorts } from './run.ts'
import { Trigger } from './trigger.ts'

export interface Flows extends Running {
  take(batch: ChangeBatch): void
  metrics(): readonly Metric[]
}

/** Starts of one flow that may wait while a run of it is under way; one more is refused, and an event says so. */
const waitingRunsMax = 100

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
    if (!(error instanceof Fault)) throw error
    // The journal does not take this run, today or ever: it ends here, and no other run must suffer for it.
    log.error('A run of a flow could not be kept, and was given up.', { flow: run.flow.flow, ...data, ...errorFields(error) })
    return { state: 'failed', fault: plainFault(error) }
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
