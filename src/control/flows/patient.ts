import { Fault } from '../../base/fault.ts'
import { firstFailure } from '../../base/running.ts'
import { type Flows, startFlows } from './flows.ts'
import type { FlowPort } from './port.ts'
import type { FlowsOptions } from './ports.ts'

/** For the store to tell what an earlier life of the flows left. */
const patienceMs = 3_000

/**
 * Flows begin with what an earlier life left, which only the store can tell. The plant does not wait for a disk: where the store says nothing for
 * some seconds, everything else goes on without flows, and they begin when it does.
 */
export async function startFlowsPatiently(options: FlowsOptions): Promise<Flows> {
  const { clock, log } = options
  const stop = new AbortController()
  const starting = startFlows(options, stop.signal)
  const late = Promise.withResolvers<undefined>()
  using _timer = clock.after(patienceMs, () => late.resolve(undefined))
  const started = await Promise.race([starting, late.promise])
  if (started !== undefined) return started
  log.error('The store does not tell what flows had under way: they begin when it does, and all else goes on without them.')
  return lateFlows(starting, { ...options, stop })
}

function lateFlows(starting: Promise<Flows>, { table, log, stop }: FlowsOptions & { readonly stop: AbortController }): Flows {
  let arrived: Flows | undefined
  const arriving = starting.then((flows) => {
    arrived = flows
    flows.take(table.snapshot()) // what is known to be false by now arms triggers; nothing that is true already has become true
    log.info('The flows are at work.')
    return flows
  })
  const present = (): Flows => {
    if (arrived === undefined) throw notYet()
    return arrived
  }
  const whileAsked = arriving.catch((error: unknown) => (stop.signal.aborted ? new Promise<never>(() => {}) : Promise.reject(error)))
  const failure = firstFailure([{ failure: whileAsked.then((flows) => flows.failure) }])
  return {
    failure,
    take: (batch) => arrived?.take(batch),
    messages: async (batch) => (await arriving).messages(batch),
    startFlow: (...ask) => present().startFlow(...ask),
    startRouted: async (ask) => (await arriving).startRouted(ask),
    calls: callsOf(present),
    metrics: () => arrived?.metrics() ?? [],
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      const flows = await starting.catch(() => undefined)
      await flows?.[Symbol.asyncDispose]()
    },
  }
}

function callsOf(present: () => Flows): FlowPort {
  return {
    flows: async (ask) => await present().calls.flows(ask),
    startFlow: async (ask) => await present().calls.startFlow(ask),
    runs: async (ask) => await present().calls.runs(ask),
    run: async (ask) => await present().calls.run(ask),
    pipeline: async (ask) => await present().calls.pipeline(ask),
    steerRun: async (ask) => await present().calls.steerRun(ask),
  }
}

function notYet(): Fault {
  return new Fault('flow.not-begun', 'The flows have not begun: the store does not tell what they had under way.', {
    remedy: 'Mend what /health/ready says of the store, most often a full disk; the flows then begin by themselves.',
    isRetryable: true,
  })
}
