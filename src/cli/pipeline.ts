import { systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { inputOf } from './flow-input.ts'
import { type Gateway, type GatewayChoice, reachGateway } from './gateway.ts'
import { shownAge, shownValue, tableText } from './tag-row.ts'
import type { Terminal } from './terminal.ts'

export interface PipelineOptions extends GatewayChoice {
  readonly input?: readonly string[]
  readonly why?: string
  readonly undo?: boolean
  readonly json?: boolean
}

interface PipelineRow {
  readonly state: string
  readonly last?: { readonly run: string; readonly state: string; readonly begun: string; readonly fault?: { readonly message: string } }
  readonly flows: readonly {
    readonly flow: string
    readonly title?: string
    readonly state: string
    readonly run?: string
    readonly questions?: readonly { readonly step: string; readonly text: string }[]
  }[]
}

/** With the options that mean something to each. */
const acts: Readonly<Record<string, readonly string[]>> = { start: ['input'], pause: ['why'], resume: ['why'], cancel: ['why', 'undo'] }

/** Of `lineside pipeline ACT`; what is none is told by `pipeline`. */
export function pipelineOptions(act: string | undefined): readonly string[] {
  return act === undefined ? [] : (knownAct(act) ?? Object.values(acts).flat())
}

function knownAct(act: string): readonly string[] | undefined {
  return Object.hasOwn(acts, act) ? acts[act] : undefined
}

/** `lineside pipeline`: where the main sequence of the site stands; or starts, pauses, resumes or cancels it. */
export async function pipeline(act: string | undefined, options: PipelineOptions, terminal: Terminal): Promise<number> {
  if (act !== undefined && knownAct(act) === undefined) {
    throw new Fault('usage.pipeline', `"pipeline ${act.slice(0, 40)}" is not understood.`, {
      remedy: `Say nothing, or one of ${Object.keys(acts).join(', ')}.`,
    })
  }
  const gateway = await reachGateway(options, terminal)
  if (act !== undefined) await gateway.post(`/api/v1/pipeline/${act}`, await bodyOf(act, options, gateway))
  const row = (await gateway.get('/api/v1/pipeline')) as PipelineRow
  terminal.out(options.json === true ? `${JSON.stringify(row, null, 2)}\n` : glance(row))
  return 0
}

async function bodyOf(act: string, { input = [], why, undo }: PipelineOptions, gateway: Gateway): Promise<object> {
  if (act === 'start') return { input: await inputOf(gateway, 'pipeline', input) }
  return { ...(why === undefined ? {} : { why }), ...(act === 'cancel' && undo === false ? { undo: false } : {}) }
}

function glance({ state, last, flows }: PipelineRow): string {
  const since = last === undefined ? 'it has never run' : `begun ${shownAge(last.begun, systemClock.now())} ago`
  const how = state === 'idle' && last !== undefined ? `; its last run was ${last.state}` : ''
  const why = last?.fault === undefined ? '' : `${shownValue(last.fault.message)}\n`
  const rows = flows.map(({ flow, title = '', state: own, questions: [question] = [] }) => [
    '',
    own,
    flow,
    question === undefined ? title : `asks at ${question.step}: ${shownValue(question.text)}`,
  ])
  return `The pipeline is ${state}, ${since}${how}.\n${why}${tableText(rows)}`
}
