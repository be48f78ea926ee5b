import type { Metric } from '../../base/metric.ts'
import type { Packed } from '../../base/packed.ts'
import { firstFailure, type Running } from '../../base/running.ts'
import type { ChangeBatch } from '../../model/sample.ts'
import type { TopicMessage } from '../contract.ts'
import { AllFlows, type Begun, type RoutedStart } from './all-flows.ts'
import { pipelineTopic } from './pipeline.ts'
import { type FlowPort, flowPort } from './port.ts'
import type { FlowsOptions } from './ports.ts'
import { infoOf } from './run-info.ts'
import { startRunTopics } from './run-topics.ts'
import { tellChangedVersions } from './version-watch.ts'

export interface Flows extends Running {
  take(batch: ChangeBatch): void
  /** Messages on the embedded broker; resolves when every run that begins with them is kept. */
  messages(batch: Packed<TopicMessage>): Promise<void>
  /** For whoever else begins flows: a route, a person. Throws where it cannot begin; `kept` resolves when it will survive a power cut. */
  startFlow(name: string, input: unknown, trigger: Readonly<Record<string, unknown>>): Begun
  /** For a route: the same event of the same route begins one run, however often it comes. Resolves when that is kept. */
  startRouted(ask: RoutedStart): Promise<void>
  readonly calls: FlowPort
  metrics(): readonly Metric[]
}

/** Starts every flow, beginning with the runs that a crash or power cut left open. Where the store does not tell them it waits, until `signal`. */
export async function startFlows(options: FlowsOptions, signal?: AbortSignal): Promise<Flows> {
  const stop = new AbortController()
  signal?.addEventListener('abort', () => stop.abort(), { once: true })
  const flows = new AllFlows(options, stop.signal)
  await using parts = new AsyncDisposableStack()
  parts.use(flows.triggers)
  await flows.resume()
  await flows.listen()
  await flows.triggers.follow()
  const keeping = flows.history.sink.isEmpty ? [] : [flows.history.sink.start()]
  void tellChangedVersions(flows.byName.values(), options)
  const topics = startRunTopics({
    ...options.data,
    ...options,
    runs: () => [...flows.runs.all].map(infoOf),
    more: () => pipelineTopic(flows, options),
  })
  parts.move()
  return {
    failure: firstFailure([flows.runs, flows.triggers, topics, ...keeping]),
    take: (batch) => {
      flows.watchers.take(batch)
      flows.history.sink.take(batch)
    },
    messages: (batch) => flows.triggers.messages(batch),
    startFlow: (name, input, trigger) => flows.startFlow(name, input, trigger),
    startRouted: (ask) => flows.startRouted(ask),
    calls: flowPort(flows, options),
    metrics: () => flows.metrics(),
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      for (const part of [topics, ...keeping]) await part[Symbol.asyncDispose]()
      await flows.triggers[Symbol.asyncDispose]()
      await Promise.allSettled([...flows.runs.all].filter(({ state }) => state === 'running').map(({ ended }) => ended))
      await flows.history.sink.flush()
    },
  }
}
