import { z } from 'zod'
import { epochMs, isoTime, parseIsoTime } from '../../base/clock.ts'
import { Fault, faultOf } from '../../base/fault.ts'
import { issueText } from '../../base/issue-text.ts'
import type { FlowCalls, PastEvent, PipelineInfo, RunDetail, RunInfo, SteerAct } from '../../control/contract.ts'
import type { Asker } from '../../model/command.ts'
import { runStates } from '../../model/run-state.ts'

/** Loaded with the first question about flows: a gateway that nobody asks does not need it. */

/** The calls as they are put to control. */
export type FlowPort = { readonly [Name in keyof FlowCalls]: (ask: Parameters<FlowCalls[Name]>[0]) => Promise<ReturnType<FlowCalls[Name]>> }

const rowsMax = 1_000
const rowsPreset = 100

const acts: readonly SteerAct[] = ['pause', 'resume', 'cancel', 'skip', 'retry', 'answer', 'settle']

const eventSchema = z
  .object({
    id: z.string().min(1).max(200),
    type: z.string().min(1).max(200),
    subject: z.string().min(1).max(4_000),
    time: z.iso.datetime({ offset: true }),
    data: z.record(z.string(), z.json()).default({}),
  })
  .transform(({ id, time, ...told }): PastEvent => ({ ...told, uid: id, timeMs: parseIsoTime(time) ?? epochMs(0) }))
const startSchema = z
  .strictObject({ input: z.record(z.string(), z.json()).optional(), event: eventSchema.optional() })
  .refine(({ input, event }) => input === undefined || event === undefined, 'a start has an input, or an event of the past')
const steerSchema = z.strictObject({
  step: z.string().min(1).max(200).optional().describe('Of skip, retry and answer.'),
  why: z.string().min(1).max(1_000).optional().describe('Kept in the journal.'),
  verdict: z.enum(['done', 'failed', 'repeat', 'approved', 'rejected']).optional().describe('Of answer.'),
  undo: z.boolean().default(true).describe('Of cancel; false leaves the plant as it stands.'),
})

export async function flowRows(flows: FlowPort): Promise<unknown> {
  return { items: await flows.flows(null) }
}

export async function startFlow(
  flows: FlowPort,
  ask: { readonly flow: string; readonly body: unknown; readonly by: Asker },
): Promise<unknown> {
  const { input = {}, event } = parsed(startSchema, ask.body ?? {})
  const { late, ...started } = await flows.startFlow({ flow: ask.flow, by: ask.by, ...(event === undefined ? { input } : { event }) })
  if (late !== undefined) throw faultOf(late)
  return started
}

export async function runRows(
  flows: FlowPort,
  query: { readonly flow?: string; readonly state?: string; readonly limit?: string },
): Promise<unknown> {
  const { flow, limit = String(rowsPreset) } = query
  const state = runStates.find((one) => one === query.state)
  if (query.state !== undefined && state === undefined)
    throw badQuery(`There is no state "${query.state.slice(0, 40)}".`, `Use one of: ${runStates.join(', ')}.`)
  const count = /^\d{1,6}$/.test(limit) ? Number(limit) : 0
  if (count < 1 || count > rowsMax) throw badQuery(`"${limit.slice(0, 40)}" is no number of rows.`, `Give 1 to ${rowsMax}.`)
  const rows = await flows.runs({ rowsMax: count, ...(flow === undefined ? {} : { flow }), ...(state === undefined ? {} : { state }) })
  return { items: rows.map(runRow) }
}

export async function runDetail(flows: FlowPort, run: string): Promise<unknown> {
  const detail: RunDetail | null = await flows.run({ run })
  if (detail === null)
    throw new Fault('flow.run-unknown', `The journal knows no run "${run.slice(0, 100)}".`, {
      remedy: '`lineside runs` lists those it knows, by their whole ids; /api/v1/runs does, too.',
    })
  const { records, trigger, input } = detail
  return { ...runRow(detail), trigger, input, records: records.map(({ timeMs, ...record }) => ({ ...record, time: isoTime(timeMs) })) }
}

export async function pipelineRow(flows: FlowPort): Promise<unknown> {
  const { state, last, flows: own } = await pipelineOf(flows)
  return { state, ...(last === undefined ? {} : { last: runRow(last) }), flows: own }
}

/** Starts it, or holds up, lets go on or ends the run that goes on, with the run that it waits for. */
export async function actOnPipeline(
  flows: FlowPort,
  ask: { readonly act: string; readonly body: unknown; readonly by: Asker },
): Promise<unknown> {
  const { act, body, by } = ask
  const { state, last } = await pipelineOf(flows)
  if (act === 'start') return await startFlow(flows, { flow: 'pipeline', body, by })
  if (act !== 'pause' && act !== 'resume' && act !== 'cancel')
    throw badQuery(`Nothing is known of "${act.slice(0, 40)}".`, 'Use one of: start, pause, resume, cancel.')
  if (state === 'idle' || last === undefined) {
    throw new Fault('flow.not-now', `${act} cannot be done: the pipeline does not run.`, { remedy: 'Start it: `lineside pipeline start`.' })
  }
  return await steerRun(flows, { run: last.run, act, body, by })
}

async function pipelineOf(flows: FlowPort): Promise<PipelineInfo> {
  const info = await flows.pipeline(null)
  if (info !== null) return info
  throw new Fault('flow.no-pipeline', 'This site has no pipeline.', { remedy: 'Name its flows under `pipeline:` in lineside.yaml.' })
}

export async function steerRun(
  flows: FlowPort,
  ask: { readonly run: string; readonly act: string; readonly body: unknown; readonly by: Asker },
): Promise<unknown> {
  const act = acts.find((one) => one === ask.act)
  if (act === undefined) throw badQuery(`Nothing is known of "${ask.act.slice(0, 40)}".`, `Use one of: ${acts.join(', ')}.`)
  const { step, why, verdict, undo } = parsed(steerSchema, ask.body ?? {})
  const named = {
    ...(step === undefined ? {} : { step }),
    ...(why === undefined ? {} : { why }),
    ...(verdict === undefined ? {} : { verdict }),
  }
  return runRow(await flows.steerRun({ run: ask.run, act, by: ask.by, isLeftAsItStands: !undo, ...named }))
}

function runRow({
  run,
  flow,
  mode,
  state,
  begunMs,
  endedMs,
  step,
  fault,
  left,
  output,
  questions,
}: RunInfo): Readonly<Record<string, unknown>> {
  const ended = endedMs === undefined ? {} : { ended: isoTime(endedMs) }
  return { run, flow, mode, state, begun: isoTime(begunMs), ...ended, step, fault, left, output, questions }
}

function parsed<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  throw new Fault('api.bad-body', `The request cannot be read: ${issueText(result.error, 'the body').slice(0, 500)}.`, {
    remedy: 'Send JSON as the documentation of the API says.',
  })
}

function badQuery(message: string, remedy: string): Fault {
  return new Fault('api.bad-query', message, { remedy })
}
