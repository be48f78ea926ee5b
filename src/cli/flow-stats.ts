import { Fault } from '../base/fault.ts'
import type { FlowStats } from '../runtime/flow-stats.ts'
import { stateFolderOf } from '../site/state.ts'
import { moment } from './moment.ts'
import { tableText } from './tag-row.ts'
import type { Terminal } from './terminal.ts'

export interface StatsOptions {
  readonly site?: string
  readonly url?: string
  readonly flow?: string
  /** `7d`, or a moment. */
  readonly since: string
  readonly until?: string
  readonly json?: boolean
}

/** Lines of each kind below a flow; all of them are in the JSON. */
const linesMax = 5

/** `lineside flows stats`: how the flows went over a time, from the journal on this machine. 1 where there was no run. */
export async function stats(options: StatsOptions, terminal: Terminal): Promise<number> {
  if (options.url !== undefined) throw onlyHere()
  const { flowStats } = await import('../runtime/flow-stats.ts') // brings SQLite along
  const folder = await stateFolderOf(options.site ?? '.', terminal.environment)
  const untilMs = options.until === undefined ? Number.MAX_SAFE_INTEGER : moment(options.until)
  const flow = options.flow === undefined ? {} : { flow: options.flow }
  const rows = flowStats(folder, { fromMs: moment(options.since), untilMs, ...flow })
  if (options.json === true) terminal.out(`${JSON.stringify(rows, null, 2)}\n`)
  else if (rows.length === 0) terminal.out(`No run${options.flow === undefined ? '' : ` of ${options.flow}`} began in this time.\n`)
  else terminal.out(`${tableText([head, ...rows.map(cells)])}${rows.map(below).join('')}`)
  return rows.length === 0 ? 1 : 0
}

function onlyHere(): Fault {
  return new Fault('usage.url', 'The statistics are counted from the journal, on the machine that has it.', {
    remedy: 'Leave --url out, and call this on the gateway itself.',
  })
}

const head = ['FLOW', 'RUNS', 'COMPLETED', 'FAILED', 'CANCELLED', 'UNSETTLED', 'OPEN', 'P50', 'P90', 'P99', 'LONGEST']

function cells({ flow, mode, runs, states, tookMs }: FlowStats): readonly string[] {
  const of = (...names: readonly string[]): string => String(names.reduce((sum, name) => sum + (states[name] ?? 0), 0))
  const counts = [of('completed'), of('failed'), of('cancelled'), of('unsettled', 'settled'), of('open')]
  const name = mode === undefined ? flow : `${flow} (${mode})`
  return [name, String(runs), ...counts, ...[tookMs.p50, tookMs.p90, tookMs.p99, tookMs.max].map(span)]
}

function below({ flow, mode, waits, failures, retries, undone, ways }: FlowStats): string {
  const lines = [
    ...waits
      .filter(({ share }) => share >= 0.01)
      .slice(0, linesMax)
      .map(({ step, share, times, p50, p99 }) => [
        'waits at',
        step,
        `${Math.round(share * 100)} %`,
        `${times === 1 ? 'once' : `${times} times`}, p50 ${span(p50)}, p99 ${span(p99)}`,
      ]),
    ...failures.slice(0, linesMax).map(({ step, times, codes }) => ['failed', step, String(times), counted(codes)]),
    ...retries.slice(0, linesMax).map(({ step, times }) => ['tried again', step, String(times), '']),
    ...undone
      .slice(0, linesMax)
      .map(({ step, times, failed }) => ['undone', step, String(times), failed === 0 ? '' : `${failed} could not be undone`]),
    ...ways.slice(0, linesMax).map(({ step, ways: own }) => ['went', step, '', counted(own)]),
  ]
  if (lines.length === 0) return ''
  return `\n${flow}${mode === undefined ? '' : ` (${mode})`}\n${tableText(lines.map((line) => ['', ...line.map(plain)]))}`
}

function counted(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).toSorted(([, one], [, other]) => other - one)
  return sorted
    .slice(0, 10)
    .map(([name, times]) => `${name} ${times}`)
    .join(', ')
}

function span(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  return ms < 7_200_000 ? `${(ms / 60_000).toFixed(1)} min` : `${(ms / 3_600_000).toFixed(1)} h`
}

/** Names of steps and ways come from files: nothing of them may steer the terminal. */
function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '�')
}
