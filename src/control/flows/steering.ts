import type { Clock } from '../../base/clock.ts'
import type { Door } from '../../base/door.ts'
import { Fault } from '../../base/fault.ts'
import type { SiteEvent } from '../../model/event.ts'
import { type Role, roleAllows } from '../../model/tag.ts'
import type { KeptRun, StoreCalls } from '../../store/contract.ts'
import type { RunInfo, SteerAct, SteerAsk } from '../contract.ts'
import { allSteps } from './all-steps.ts'
import type { CompiledFlow, StepList } from './compiled.ts'
import type { LiveRun, LiveRuns } from './live-runs.ts'
import { type By, type Cause, type Decision, Past, stepIdOf } from './past.ts'
import { infoOf, keptInfo } from './run-info.ts'
import { unsettledAlarm } from './unsettled.ts'

export interface SteeringOptions {
  readonly runs: LiveRuns
  readonly store: Door<StoreCalls>
  readonly clock: Clock
  /** Runs that have ended and are being brought in order: two people at once would let one go on twice. */
  readonly busy: Set<string>
  /** undefined where its definition cannot be understood any more. */
  readonly compiled: (definition: string) => CompiledFlow | undefined
}

const roles: Readonly<Record<Exclude<SteerAct, 'answer'>, Role>> = {
  pause: 'operator',
  resume: 'operator',
  cancel: 'operator',
  skip: 'engineer',
  retry: 'engineer',
  settle: 'engineer',
}

/** What people do to a run. Each order is in the journal, with who gave it and why, before it is obeyed. */
export async function steer(ask: SteerAsk, options: SteeringOptions): Promise<RunInfo> {
  const live = options.runs.find(ask.run)
  if (live !== undefined) {
    await steerLive(live, ask, options.runs)
    return options.runs.find(ask.run) === live ? infoOf(live) : { ...infoOf(live), ...(await live.ended) }
  }
  const { busy, store } = options
  if (busy.has(ask.run)) throw notNow(ask, 'somebody else is just bringing it in order')
  busy.add(ask.run)
  try {
    const kept = await store.call('run', { run: ask.run })
    if (kept === null) throw unknownRun(ask.run)
    return await steerEnded(kept, ask, options)
  } finally {
    busy.delete(ask.run)
  }
}

async function steerLive(live: LiveRun, ask: SteerAsk, runs: LiveRuns): Promise<void> {
  const by = byOf(ask)
  switch (ask.act) {
    case 'pause':
    case 'resume':
      checkRole(ask, roles[ask.act])
      for (const each of family(live, runs)) await (ask.act === 'pause' ? each.run.pause(by) : each.run.resume(by))
      return
    case 'cancel':
      checkRole(ask, roles.cancel)
      await cancel(live, ask, runs)
      return
    case 'skip':
      checkRole(ask, roles.skip)
      await skip(live, ask)
      return
    case 'answer':
      await answer(live, ask)
      return
    case 'retry':
    case 'settle':
      checkRole(ask, roles[ask.act])
      throw notNow(ask, 'it has not ended')
    default:
      ask.act satisfies never
  }
}

async function cancel(live: LiveRun, ask: SteerAsk, runs: LiveRuns): Promise<void> {
  const { run, state } = live
  const by = byOf(ask)
  const isUndone = ask.isLeftAsItStands !== true
  const begun = run.past.cause
  if (begun !== undefined && begun.isUndone !== isUndone)
    throw notNow(ask, begun.isUndone ? 'it is being undone already' : 'it is ending already, with the plant as it stands')
  const cause: Cause = { state: 'cancelled', isUndone }
  if (state === 'queued' && runs.starts.withdraw(run.id, () => run.decide('*', { order: 'cancel', cause, ...by }))) return
  await run.cancel(cause, by)
  // Whoever ends it wants it undone, and not held up.
  for (const each of family(live, runs)) if (each.run.past.time.isPaused) await each.run.resume(by)
}

async function skip({ run }: LiveRun, ask: SteerAsk): Promise<void> {
  const step = stepOf(ask, run.flow)
  const end = run.past.endOf(step)
  if (end !== undefined) throw notNow(ask, `${step} has ended ${end}`)
  await run.skip(step, byOf(ask))
}

/** A run that is held up holds those up that it waits for. */
function family(live: LiveRun, runs: LiveRuns): readonly LiveRun[] {
  const below = [...runs.all].filter(({ run }) => run.parent === live.run.id)
  return [live, ...below.flatMap((child) => family(child, runs))]
}

async function answer({ run }: LiveRun, ask: SteerAsk): Promise<void> {
  const asked = questionAt(run.questions, ask.step ?? '')
  if (asked === undefined)
    throw notNow(ask, run.questions.length === 0 ? 'it asks nothing' : `it asks at ${run.questions.map(({ key }) => key).join(', ')}`)
  checkRole(ask, asked.role)
  const allowed = asked.kind === 'approve' ? ['approved', 'rejected'] : ['done', 'failed', 'repeat']
  if (ask.verdict === undefined || !allowed.includes(ask.verdict)) throw notNow(ask, `the answer is one of ${allowed.join(', ')}`)
  // The first one counts, also after a power cut that comes before the run has gone on.
  if (run.past.answer(asked.key) !== undefined) throw notNow(ask, 'somebody has just answered it')
  await run.answer(asked.key, { verdict: ask.verdict, ...byOf(ask) })
}

/** By its place in the run, or by the step alone where that asks once. */
function questionAt<Asked extends { readonly key: string }>(questions: readonly Asked[], step: string): Asked | undefined {
  const known = questions.find(({ key }) => key === step)
  const own = questions.filter(({ key }) => stepIdOf(key) === step)
  return known ?? (own.length === 1 ? own[0] : undefined)
}

async function steerEnded(kept: KeptRun, ask: SteerAsk, options: SteeringOptions): Promise<RunInfo> {
  const { store, clock, runs } = options
  const { act, run } = ask
  if (act !== 'retry' && act !== 'settle') throw notNow(ask, `it has ended ${kept.state}`)
  checkRole(ask, roles[act])
  const timeMs = clock.now()
  const decision = (data: Decision) => ({ kind: 'decision', run, step: '*', timeMs, data: JSON.stringify(data) }) as const
  if (act === 'settle') {
    if (kept.state !== 'unsettled') throw notNow(ask, `it has ended ${kept.state}`)
    const news: SiteEvent = { type: 'flow.settled', subject: kept.flow, timeMs, data: { run, ...byOf(ask) } }
    const records = [decision({ order: 'settle', ...byOf(ask) }), { kind: 'settled', run, timeMs } as const]
    await runs.keep(records, [news, ...(await allClear(kept, options))])
    return { ...keptInfo(kept), state: 'settled' }
  }
  const flow = options.compiled(kept.definition ?? '')
  if (flow === undefined || kept.state === 'completed' || kept.state === 'settled') throw notNow(ask, `it has ended ${kept.state}`)
  const steps = stepsAgain(flow.steps, ask, { from: stepOf(ask, flow), past: new Past(kept.records) })
  const records = [{ kind: 'reopened', run, timeMs } as const, decision({ order: 'retry', steps, isAnew: true, ...byOf(ask) })]
  await runs.keep(records, await allClear(kept, options))
  const reopened = await store.call('run', { run })
  if (reopened === null) throw unknownRun(run)
  const [live] = runs.resume([{ kept: reopened, flow }])
  return live === undefined ? keptInfo(reopened) : infoOf(live)
}

/** What is done again. Throws where that leaves out what the run has failed by. */
function stepsAgain(list: StepList, ask: SteerAsk, { from, past }: { readonly from: string; readonly past: Past }): readonly string[] {
  const steps = new Set([...stepsFrom(list, from), ...takenBack(list, past)])
  const failed = past.cause?.step === undefined ? undefined : stepIdOf(past.cause.step)
  const isOwn = list.steps.some(({ step }) => allSteps([step]).some(({ id }) => id === failed))
  if (failed !== undefined && isOwn && !steps.has(failed)) throw notNow(ask, `${failed} has failed, and does not come after ${from}`)
  return [...steps.union(new Set(failedBeside(list, past)))]
}

/**
 * Steps of the first level that failed like the one that the run is told to have failed by: known to have failed, each would end it at once again. Not
 * those of which nobody knows whether they were done: a person has not said to do them once more.
 */
function failedBeside({ steps }: StepList, past: Past): readonly string[] {
  const failed = steps.filter(({ step, onFailure }) => onFailure === undefined && past.failedPart(step.id)?.status === 'failed')
  return failed.flatMap(({ step }) => allSteps([step]).map(({ id }) => id))
}

/** What is told when of this flow nobody must settle anything any more. */
async function allClear({ run, flow, state }: KeptRun, { store, clock }: SteeringOptions): Promise<readonly SiteEvent[]> {
  if (state !== 'unsettled') return []
  const open = await store.call('runs', { flow, state, rowsMax: 2 })
  if (open.some((other) => other.run !== run)) return []
  return [{ type: 'alarm.cleared', subject: unsettledAlarm(flow), timeMs: clock.now(), data: { flow, run } }]
}

/** A step of the first level, all that need it, and all that stands below them. */
function stepsFrom({ steps, dependents }: StepList, id: string): readonly string[] {
  const reached = new Set<number>()
  const reach = (place: number): void => {
    if (reached.has(place)) return
    reached.add(place)
    for (const next of dependents[place] ?? []) reach(next)
  }
  reach(steps.findIndex(({ step }) => step.id === id))
  return allSteps([...reached].flatMap((place) => steps[place]?.step ?? [])).map((step) => step.id)
}

/** Steps of the first level that were undone, with all below them: what comes after them would go by what is not so any more. */
function takenBack({ steps }: StepList, { undone }: Past): readonly string[] {
  return steps.flatMap(({ step }) => {
    const own = allSteps([step]).map(({ id }) => id)
    return own.some((id) => undone.has(id)) ? own : []
  })
}

function stepOf(ask: SteerAsk, flow: CompiledFlow): string {
  const { step = '', act } = ask
  const known = act === 'retry' ? flow.definition.steps : allSteps(flow.definition.steps)
  if (known.some(({ id }) => id === (act === 'retry' ? step : step.replace(/[@~/].*$/, '')))) return step
  throw new Fault('flow.step-unknown', `${flow.name} has no step "${step}" that could be meant.`, {
    remedy: `Name one of: ${known.map(({ id }) => id).join(', ')}.`,
  })
}

function byOf({ by, why }: SteerAsk): By {
  return { by: `${by.name} (${by.road})`, ...(why === undefined ? {} : { why: why.slice(0, 1_000) }) }
}

function checkRole({ by, act }: SteerAsk, needed: Role): void {
  if (roleAllows(by.role, needed)) return
  throw new Fault('access.role', `"${by.name}" comes as ${by.role}, and ${act} is for ${needed} and above.`, {
    remedy: 'Ask somebody with that role.',
  })
}

function notNow({ run, act }: SteerAsk, why: string): Fault {
  return new Fault('flow.not-now', `${act} cannot be done to the run ${run}: ${why}.`, { remedy: '`lineside runs` shows where runs are.' })
}

function unknownRun(run: string): Fault {
  return new Fault('flow.run-unknown', `The journal knows no run "${run.slice(0, 100)}".`, {
    remedy: '`lineside runs` lists them, by their whole ids; old ones are dropped when the journal is full.',
  })
}
