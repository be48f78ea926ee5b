import { jsonValue } from '../../model/payload.ts'
import type { KeptRun } from '../../store/contract.ts'
import { revive } from '../flows/frozen.ts'
import type { Decision } from '../flows/past.ts'
import type { RunEnd } from '../flows/run-end.ts'
import { infoOf } from '../flows/run-info.ts'
import type { Shown } from './bench.ts'
import type { Expectation } from './definition.ts'

/** Where what happened is not what was expected. */
export interface Difference {
  readonly what: string
  readonly expected: unknown
  readonly was: unknown
}

interface Seen {
  readonly expected: Expectation
  readonly shown: Shown
  readonly runs: readonly KeptRun[]
  readonly last: KeptRun | undefined
  readonly end: Partial<RunEnd>
}

/** Everything in which a case went otherwise; nothing where all is as expected. */
export function differences(expected: Expectation, flow: string, shown: Shown): readonly Difference[] {
  const runs = shown.store.runsOf(flow)
  const last = runs.at(-1)
  const end = last?.outcome === undefined ? {} : (JSON.parse(last.outcome) as Partial<RunEnd>)
  const seen: Seen = { expected, shown, runs, last, end }
  const trouble = shown.trouble === undefined ? [] : [{ what: 'the case', expected: 'comes to its end', was: shown.trouble }]
  return [...trouble, ...ofRun(seen), ...ofSteps(seen), ...ofEffects(seen)]
}

function ofRun({ expected, runs, last, end, shown }: Seen): readonly Difference[] {
  const state = last === undefined ? 'none' : stateOf(last, shown)
  const tookMs = last === undefined ? undefined : (last.endedMs ?? last.begunMs + shown.lastedMs) - last.begunMs
  const asks = [...(shown.life.flows?.runs.all ?? [])].flatMap(({ run }) => run.questions.map(({ key }) => key))
  const found: (Difference | undefined)[] = [
    compared('runs', expected.runs, runs.length),
    compared('state', expected.state, state),
    compared('left', expected.left, end.left ?? []),
    compared('asks', expected.asks, asks),
    compared('output', expected.output, end.output ?? null),
    compared('refused', expected.refused ?? [], shown.chronicle.refused),
    faultDifference(expected.fault, end),
  ]
  const was = last?.endedMs === undefined ? 'not ended' : `${tookMs} ms`
  if (expected.withinMs !== undefined && (last?.endedMs === undefined || (tookMs ?? 0) > expected.withinMs)) {
    found.push({ what: 'within', expected: `${expected.withinMs} ms`, was })
  }
  if (expected.atLeastMs !== undefined && (tookMs ?? 0) < expected.atLeastMs) {
    found.push({ what: 'at least', expected: `${expected.atLeastMs} ms`, was })
  }
  return present(found)
}

function stateOf(run: KeptRun, { life }: Shown): string {
  const live = life.flows?.runs.find(run.run)
  return live === undefined ? (run.state ?? 'queued') : infoOf(live).state
}

function faultDifference(expected: Expectation['fault'], { step, fault }: Partial<RunEnd>): Difference | undefined {
  if (expected === undefined) return undefined
  const was = { step: step ?? null, code: fault?.code ?? null, message: fault?.message ?? null }
  const isStep = expected.step === undefined || [step, idOf(step ?? '')].includes(expected.step)
  const isCode = expected.code === undefined || expected.code === fault?.code
  const isRight = isStep && isCode && (expected.message === undefined || fault?.message.includes(expected.message) === true)
  return isRight ? undefined : { what: 'fault', expected, was }
}

function ofSteps({ expected, shown, last }: Seen): readonly Difference[] {
  const found: (Difference | undefined)[] = []
  const states = last === undefined ? new Map<string, string>() : stepStates(last, shown)
  for (const [step, state] of Object.entries(expected.steps ?? {})) {
    found.push(compared(`step ${step}`, state, states.get(step) ?? 'none'))
  }
  const ways = last === undefined ? {} : waysOf(last)
  for (const [step, way] of Object.entries(expected.ways ?? {})) found.push(compared(`way of ${step}`, way, ways[step] ?? null))
  return present(found)
}

/** By the ids of the steps: the same one in several rounds stands as it did in the last of them. */
function stepStates({ run, records }: KeptRun, { chronicle }: Shown): ReadonlyMap<string, string> {
  const states = new Map<string, string>()
  for (const record of records) {
    if (record.kind === 'intent') states.set(idOf(record.step), 'begun')
    if (record.kind === 'outcome') states.set(idOf(record.step), record.status === 'retrying' ? 'begun' : record.status)
  }
  for (const { type, data } of chronicle.events) {
    if (data['run'] !== run || !type.startsWith('step.')) continue
    const id = idOf(String(data['step'] ?? ''))
    // Ways keep no outcome: what is told of them is what is known.
    if (type === 'step.started') states.set(id, states.get(id) ?? 'begun')
    if (type === 'step.completed' && states.get(id) === 'begun') states.set(id, 'done')
    if (type === 'step.failed' && states.get(id) === 'begun') states.set(id, String(data['status'] ?? 'failed'))
    if (type === 'step.undone') states.set(id, 'undone')
    if (type === 'step.undo-failed') states.set(id, 'undo-failed')
  }
  return states
}

/** `ask~ask-undo@2/0` is a part of the step ask-undo. */
function idOf(key: string): string {
  return /^[^@/]+/.exec(key.split('~').at(-1) ?? '')?.[0] ?? key
}

function waysOf({ records }: KeptRun): Readonly<Record<string, unknown>> {
  const ways: Record<string, unknown> = {}
  for (const record of records) {
    if (record.kind !== 'decision') continue
    const decision = revive(record.data) as Decision
    if (decision.order === 'way') ways[idOf(record.step)] = decision.way
  }
  return ways
}

function ofEffects({ expected, shown }: Seen): readonly Difference[] {
  const { chronicle, plant } = shown
  const writes = expected.writes?.flatMap((write) => Object.entries(write).map(([tag, value]) => ({ [tag]: value })))
  const found = [
    compared('writes', writes, chronicle.writes),
    compared('publishes', expected.publishes, chronicle.publishes),
    compared('requests', expected.requests, chronicle.requests),
    compared('calls', expected.calls, chronicle.calls),
    eventsDifference(expected.events, chronicle.events),
  ]
  for (const [tag, value] of Object.entries(expected.tags ?? {})) found.push(compared(tag, value, jsonValue(plant.value(tag) ?? null)))
  const alarms = new Map(
    chronicle.events.flatMap(({ type, subject }) =>
      /^alarm\.(raised|cleared)$/.test(type) ? [[subject, type.slice('alarm.'.length)]] : [],
    ),
  )
  for (const [alarm, state] of Object.entries(expected.alarms ?? {}))
    found.push(compared(`alarm ${alarm}`, state, alarms.get(alarm) ?? 'none'))
  return present(found)
}

/** They must be there in this order; others may be between them. */
function eventsDifference(expected: Expectation['events'], events: Shown['chronicle']['events']): Difference | undefined {
  let place = 0
  for (const wanted of expected ?? []) {
    const at = events.findIndex((event, index) => index >= place && matches(wanted, event))
    if (at < 0) return { what: 'events', expected: wanted, was: events.map(({ type, subject }) => `${type} ${subject}`) }
    place = at + 1
  }
  return undefined
}

function compared(what: string, expected: unknown, was: unknown): Difference | undefined {
  return expected === undefined || matches(expected, was) ? undefined : { what, expected, was }
}

/** A map holds at least what was expected; a list as many items, each of them right. */
function matches(expected: unknown, was: unknown): boolean {
  if (Array.isArray(expected)) {
    return Array.isArray(was) && was.length === expected.length && expected.every((item, place) => matches(item, was[place]))
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof was !== 'object' || was === null || Array.isArray(was)) return false
    return Object.entries(expected).every(([key, value]) => matches(value, (was as Readonly<Record<string, unknown>>)[key]))
  }
  if (typeof expected === 'number' && typeof was === 'number') return Math.abs(expected - was) <= Math.abs(expected) * 1e-9
  return expected === was
}

function present(found: readonly (Difference | undefined)[]): readonly Difference[] {
  return found.filter((difference) => difference !== undefined)
}
