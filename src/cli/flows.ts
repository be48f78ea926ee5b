import { systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { inputOf } from './flow-input.ts'
import { type Gateway, type GatewayChoice, reachGateway } from './gateway.ts'
import { shownAge, shownValue, tableText } from './tag-row.ts'
import type { Terminal } from './terminal.ts'

export interface FlowsOptions extends GatewayChoice {
  readonly json?: boolean
}

export interface StartOptions extends FlowsOptions {
  readonly input?: readonly string[]
}

export interface RunsOptions extends FlowsOptions {
  readonly flow?: string
  readonly state?: string
  readonly why?: string
  /** `--no-undo`. */
  readonly undo?: boolean
}

interface FlowRow {
  readonly flow: string
  readonly version: number
  readonly title?: string
  readonly mode: string
  readonly running: number
  readonly waiting: number
  readonly ended: Readonly<Record<string, number>>
}

interface RunRow {
  readonly run: string
  readonly flow: string
  readonly mode?: 'shadow'
  readonly state: string
  readonly begun: string
  readonly ended?: string
  readonly step?: string
  readonly fault?: { readonly code: string; readonly message: string; readonly remedy: string }
  readonly output?: unknown
  readonly left?: readonly string[]
  readonly questions?: readonly { readonly step: string; readonly text: string }[]
  readonly records?: readonly { readonly time: string; readonly step: string; readonly what: string; readonly data: unknown }[]
}

/** `lineside flows`: the flows of a gateway and how their runs have gone since it was started. */
export async function flows(options: FlowsOptions, terminal: Terminal): Promise<number> {
  const gateway = await reachGateway(options, terminal)
  const rows = itemsIn<FlowRow>(await gateway.get('/api/v1/workflows'))
  if (options.json === true) terminal.out(`${JSON.stringify(rows, null, 2)}\n`)
  else terminal.out(rows.length === 0 ? 'This site has no flows.\n' : tableText(rows.map(flowCells)))
  return 0
}

function flowCells({ flow, version, title = '', mode, running, waiting, ended }: FlowRow): readonly string[] {
  const counts = Object.entries(ended).flatMap(([state, count]) => (count === 0 ? [] : [`${count} ${state}`]))
  return [flow, `v${version}${mode === 'shadow' ? ' (shadow)' : ''}`, `${running} running`, `${waiting} waiting`, counts.join(', '), title]
}

/** `lineside start`: begins a run; 1 where it may not begin. */
export async function start(flow: string, options: StartOptions, terminal: Terminal): Promise<number> {
  const gateway = await reachGateway(options, terminal)
  const input = await inputOf(gateway, flow, options.input ?? [])
  const answer = (await gateway.post(`/api/v1/workflows/${encodeURIComponent(flow)}/runs`, { input })) as { readonly run: string }
  terminal.out(options.json === true ? `${JSON.stringify(answer)}\n` : `${flow} was started: ${answer.run}\n`)
  return 0
}

/** `lineside cancel`, `pause`, `resume`, and `lineside runs settle|retry|skip|answer`. */
export async function steer(
  act: string,
  ask: { readonly run: string; readonly step?: string; readonly verdict?: string },
  at: { readonly options: RunsOptions; readonly terminal: Terminal },
): Promise<number> {
  const { options, terminal } = at
  const gateway = await reachGateway(options, terminal)
  const { run, ...named } = ask
  const why = options.why === undefined ? {} : { why: options.why }
  const undo = act === 'cancel' && options.undo === false ? { undo: false } : {}
  const row = (await gateway.post(`/api/v1/runs/${encodeURIComponent(run)}/${act}`, { ...named, ...why, ...undo })) as RunRow
  terminal.out(
    options.json === true ? `${JSON.stringify(row)}\n` : `${row.run} of ${row.flow} is ${row.state} now${standing[row.state] ?? ''}.\n`,
  )
  return 0
}

/** What a state means for the plant, where it is not plain. */
const standing: Readonly<Record<string, string>> = { unwinding: ': what it did is being undone', ending: ': nothing is undone' }

const steering: Readonly<Record<string, readonly ('run' | 'step' | 'verdict')[]>> = {
  settle: ['run'],
  retry: ['run', 'step'],
  skip: ['run', 'step'],
  answer: ['run', 'step', 'verdict'],
}

const verdicts = ['approved', 'rejected', 'done', 'failed', 'repeat'] as const

/** Which options mean something to `lineside runs` with these words. */
export function runsOptions([first]: readonly string[]): readonly string[] {
  if (first === undefined) return ['flow', 'state']
  return Object.hasOwn(steering, first) ? ['why'] : []
}

/** `lineside runs`: those that go on and the last that have ended, one with all its records, or an order to one. */
export async function runs(words: readonly string[], options: RunsOptions, terminal: Terminal): Promise<number> {
  const [first, ...rest] = words
  const wanted = first === undefined ? undefined : steering[first]
  if (first === undefined) return await listRuns(options, terminal)
  if (wanted === undefined && rest.length === 0) return await showRun(first, options, terminal)
  const isVerdict = first !== 'answer' || verdicts.some((one) => one === rest[2])
  if (wanted === undefined || rest.length !== wanted.length || !isVerdict) {
    throw new Fault('usage.runs', `"runs ${words.join(' ')}" is not understood.`, {
      remedy: `Say nothing, RUN, settle RUN, retry RUN STEP, skip RUN STEP, or answer RUN STEP ${verdicts.join('|')}.`,
    })
  }
  const named = Object.fromEntries(wanted.map((name, place) => [name, rest[place]]))
  return await steer(first, { run: rest[0] ?? '', ...named }, { options, terminal })
}

async function listRuns(options: RunsOptions, terminal: Terminal): Promise<number> {
  const gateway = await reachGateway(options, terminal)
  const query = new URLSearchParams()
  if (options.flow !== undefined) query.set('flow', options.flow)
  if (options.state !== undefined) query.set('state', options.state)
  const rows = itemsIn<RunRow>(await gateway.get(`/api/v1/runs?${query}`))
  if (options.json === true) terminal.out(`${JSON.stringify(rows, null, 2)}\n`)
  else if (rows.length === 0) {
    const { flow, state } = options
    terminal.out(`No run${flow === undefined ? '' : ` of ${flow}`}${state === undefined ? '' : ` that is ${state}`} is known.\n`)
  } else terminal.out(tableText(rows.map(runCells)))
  return 0
}

function runCells({ run, flow, mode, state, begun, step = '', fault, questions = [] }: RunRow): readonly string[] {
  const [question] = questions
  const why = question === undefined ? (fault === undefined ? step : failedText(step, fault)) : `${question.step}: ${question.text}`
  return [run, mode === undefined ? flow : `${flow} (${mode})`, state, `${shownAge(begun, systemClock.now())} ago`, why]
}

/** What took too long or was told to end as a whole has no step that failed. */
function failedText(step: string | undefined, { message }: Pick<NonNullable<RunRow['fault']>, 'message'>): string {
  return step === undefined || step === '' ? message : `${step}: ${message}`
}

async function showRun(run: string, options: RunsOptions, terminal: Terminal): Promise<number> {
  const gateway: Gateway = await reachGateway(options, terminal)
  const row = (await gateway.get(`/api/v1/runs/${encodeURIComponent(run)}`)) as RunRow
  if (options.json === true) {
    terminal.out(`${JSON.stringify(row, null, 2)}\n`)
    return 0
  }
  const { fault, left = [], questions = [], records = [] } = row
  terminal.out(
    `${row.run} of ${row.flow}${row.mode === undefined ? '' : ` (${row.mode})`} is ${row.state}, begun ${row.begun}${row.ended === undefined ? '' : `, ended ${row.ended}`}\n`,
  )
  if (fault !== undefined) terminal.out(`${failedText(row.step, fault)}  (${fault.code})\n    ${fault.remedy}\n`)
  if (row.output !== undefined) terminal.out(`Gives back: ${shownValue(JSON.stringify(row.output))}\n`)
  for (const step of left) terminal.out(`To be settled by hand: ${step}\n`)
  for (const { step, text } of questions) terminal.out(`Asks at ${step}: ${text}\n`)
  terminal.out(tableText(records.map(({ time, step, what, data }) => [time, step, what, shownValue(JSON.stringify(data))])))
  return 0
}

function itemsIn<Row>(answer: unknown): readonly Row[] {
  const items = typeof answer === 'object' && answer !== null && 'items' in answer ? answer.items : []
  return Array.isArray(items) ? (items as readonly Row[]) : []
}
