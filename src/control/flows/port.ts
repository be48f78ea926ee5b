import { type Clock, isoTime } from '../../base/clock.ts'
import { Fault, plainFault } from '../../base/fault.ts'
import { roleAllows } from '../../model/tag.ts'
import type { FlowCalls, FlowRow, RunDetail, RunInfo, RunsQuery, StartAsk, StartedRun, SteerAsk } from '../contract.ts'
import type { AllFlows, OneFlow } from './all-flows.ts'
import { pipelineInfo } from './pipeline.ts'
import type { FlowsOptions } from './ports.ts'
import { detailOf, infoOf, keptInfo } from './run-info.ts'
import { steer } from './steering.ts'

/** The calls as the control room's thread answers them. */
export type FlowPort = { readonly [Name in keyof FlowCalls]: (ask: Parameters<FlowCalls[Name]>[0]) => Promise<ReturnType<FlowCalls[Name]>> }

const rowsMax = 1_000
/** Whoever asks waits no longer than this for a disk that takes nothing; what was asked goes on waiting for it. */
const patienceMs = 10_000

/** What people and programs may do with flows and runs. */
export function flowPort(flows: AllFlows, options: FlowsOptions): FlowPort {
  const { store, clock } = options
  const busy = new Set<string>()
  return {
    flows: async () => [...flows.byName.values()].map((flow) => rowOf(flow, flows)),
    startFlow: async (ask) => {
      const { event } = ask
      const { run, kept } =
        event === undefined
          ? flows.startFlow(ask.flow, ask.input, startTrigger(ask, flows, isoTime(clock.now())))
          : flows.replay({ ...ask, event })
      const late = { run, late: plainFault(notBegunYet(run)) }
      return await soon<StartedRun>(
        kept.then((isNew) => (isNew === false ? { run, isOld: true } : { run })),
        { clock, late: () => late },
      )
    },
    runs: (ask) => listRuns(ask, flows, options),
    run: async ({ run }): Promise<RunDetail | null> => {
      const kept = await store.call('run', { run })
      if (kept === null) return null
      const live = flows.runs.find(run)
      return detailOf(live === undefined ? keptInfo(kept) : infoOf(live), kept)
    },
    pipeline: () => pipelineInfo(flows, options),
    steerRun: (ask) =>
      soon(steer(ask, { runs: flows.runs, store, clock, busy, compiled: (definition) => flows.compiled(definition) }), {
        clock,
        late: () => {
          throw notObeyedYet(ask)
        },
      }),
  }
}

/** What `kept` gives, or what `late` does when it takes too long: it is not given up, only not waited for. */
async function soon<Answer>(
  kept: Promise<Answer>,
  { clock, late }: { readonly clock: Clock; readonly late: () => Answer },
): Promise<Answer> {
  const limit = Promise.withResolvers<void>()
  using _timer = clock.after(patienceMs, limit.resolve)
  return await Promise.race([kept, limit.promise.then(late)])
}

function notBegunYet(run: string): Fault {
  return new Fault('flow.not-kept-yet', `Run ${run} has not begun: the journal takes nothing at the moment. It begins once it does.`, {
    remedy: `Look at the disk. Do not start it again; \`lineside runs ${run}\` shows it once it has begun.`,
  })
}

function notObeyedYet({ run, act }: SteerAsk): Fault {
  return new Fault('flow.not-kept-yet', `The journal takes nothing at the moment: run ${run} hears "${act}" once it does.`, {
    remedy: 'Look at the disk. Do not say it again.',
  })
}

function startTrigger({ flow, by, input }: StartAsk, flows: AllFlows, time: string): Readonly<Record<string, unknown>> {
  const known = flows.byName.get(flow)
  const role = known === undefined ? undefined : startRole(known)
  if (known !== undefined && role === undefined) {
    throw new Fault('flow.not-startable', `${flow} is not started by people or programs.`, {
      remedy: 'Give it `- start: operator` under `on:` in its file.',
    })
  }
  if (role !== undefined && !roleAllows(by.role, role)) {
    throw new Fault('access.role', `"${by.name}" comes as ${by.role}, and ${flow} may be started from ${role} on.`, {
      remedy: 'Ask somebody with that role.',
    })
  }
  return { kind: 'start', by: by.name, role: by.role, input: input ?? {}, time }
}

/** The lowest of those its file names. */
function startRole({ compiled }: OneFlow): FlowRow['startRole'] {
  const roles = compiled.definition.on.flatMap((trigger) => (trigger.kind === 'start' ? [trigger.role] : []))
  return roles.toSorted((one, other) => (roleAllows(one, other) ? 1 : -1))[0]
}

function rowOf(flow: OneFlow, { runs }: AllFlows): FlowRow {
  const { flow: name, version, title, priority, mode, input } = flow.compiled.definition
  const own = [...runs.all].filter(({ run, state }) => run.flow.name === name && state === 'running')
  const role = startRole(flow)
  return {
    flow: name,
    version,
    priority,
    mode,
    running: own.length,
    waiting: runs.starts.waitingOf(name),
    ended: { ...flow.ended },
    refused: flow.refused,
    inputs: input,
    ...(title === undefined ? {} : { title }),
    ...(role === undefined ? {} : { startRole: role }),
  }
}

async function listRuns(ask: RunsQuery, { runs }: AllFlows, { store }: FlowsOptions): Promise<readonly RunInfo[]> {
  const { flow, state } = ask
  const most = Math.min(ask.rowsMax, rowsMax)
  const isOpen = state === undefined || state === 'open'
  const live = isOpen ? [...runs.all].filter(({ run }) => flow === undefined || run.flow.name === flow).map(infoOf) : []
  if (state === 'open' || live.length >= most) return live.slice(0, most)
  const ended = await store.call('runs', {
    rowsMax: most,
    ...(flow === undefined ? {} : { flow }),
    ...(state === undefined ? {} : { state }),
  })
  return [...live, ...ended.filter((row) => row.endedMs !== undefined).map(keptInfo)].slice(0, most)
}
