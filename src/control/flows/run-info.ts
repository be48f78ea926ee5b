import { jsonSafe } from '../../model/template.ts'
import type { KeptRun, RunRow } from '../../store/contract.ts'
import type { RunDetail, RunInfo } from '../contract.ts'
import { revive } from './frozen.ts'
import { type RunStart, startOf } from './kept.ts'
import type { LiveRun } from './live-runs.ts'
import type { RunEnd } from './run-end.ts'

export function infoOf({ run, state }: LiveRun): RunInfo {
  const { past, questions, left } = run
  const cause = past.cause
  return {
    run: run.id,
    flow: run.flow.name,
    state: stateOf({ state, isPaused: past.time.isPaused, isAsking: questions.length > 0, isUndone: cause?.isUndone }),
    begunMs: run.begunMs,
    ...(run.flow.definition.mode === 'shadow' ? { mode: 'shadow' as const } : {}),
    ...(cause?.step === undefined ? {} : { step: cause.step }),
    ...(cause?.fault === undefined ? {} : { fault: cause.fault }),
    ...(left.length === 0 ? {} : { left }),
    ...(questions.length === 0 ? {} : { questions: questions.map(({ key, kind, text, role }) => ({ step: key, kind, text, role })) }),
  }
}

function stateOf(at: {
  readonly state: LiveRun['state']
  readonly isPaused: boolean
  readonly isAsking: boolean
  /** undefined while it goes forward. */
  readonly isUndone: boolean | undefined
}): RunInfo['state'] {
  if (at.isPaused) return 'paused'
  if (at.isUndone !== undefined) return at.isUndone ? 'unwinding' : 'ending'
  return at.isAsking ? 'asking' : at.state
}

export function keptInfo({ run, flow, begunMs, endedMs, state, outcome, input }: RunRow): RunInfo {
  const { mode } = startOf({ input })
  const { state: _, ...end } = JSON.parse(outcome ?? '{}') as Partial<RunEnd>
  return {
    run,
    flow,
    state: state ?? 'queued',
    begunMs,
    ...(mode === undefined ? {} : { mode }),
    ...(endedMs === undefined ? {} : { endedMs }),
    ...end,
  }
}

const recordsMax = 1_000

export function detailOf(info: RunInfo, kept: KeptRun): RunDetail {
  const { trigger, input } = jsonSafe(startOf(kept)) as RunStart // a 64-bit number of a message, or one that a step has read
  return {
    ...info,
    trigger,
    input,
    records: kept.records.slice(-recordsMax).map((record) => ({
      step: record.step,
      what: record.kind === 'outcome' ? record.status : record.kind,
      timeMs: record.timeMs,
      data: jsonSafe(revive(record.data)),
    })),
  }
}
