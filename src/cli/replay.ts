import { epochMs, isoTime } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { Comparison, Replayed, ReplayedRun } from '../runtime/replay.ts'
import { loadSite } from '../site/load.ts'
import type { Site } from '../site/site.ts'
import { checkFlow } from './known-flow.ts'
import { problemText } from './problem-text.ts'
import type { Terminal } from './terminal.ts'

export interface ReplayOptions {
  readonly site: string
  readonly flow: string
  /** The folder of the site as it was. */
  readonly was?: string
  /** Another flow than the one that is compared with it. */
  readonly wasFlow?: string
  readonly json?: boolean
}

/** Lines of each kind of difference that are shown; all of them are in the JSON. */
const shownMax = 20

/** `lineside replay`: what a flow would have done with what was recorded; with `--was`, beside what it would have done before. 1 where they differ. */
export async function replayRecording(files: readonly string[], options: ReplayOptions, terminal: Terminal): Promise<number> {
  const { compared, replay } = await import('../runtime/replay.ts')
  const site = await siteOf(options.site, options.flow, terminal)
  const now = await replay(site, options.flow, files)
  const { was, wasFlow = options.flow } = options
  if (was === undefined && options.wasFlow === undefined) {
    terminal.out(options.json === true ? `${JSON.stringify(now, null, 2)}\n` : runsText(now, nameOf(site, options.flow)))
    return 0
  }
  const oldSite = was === undefined ? site : await siteOf(was, wasFlow, terminal)
  if (was === undefined) checkFlow(site, wasFlow)
  const before = await replay(oldSite, wasFlow, files)
  const comparison = compared(before.runs, now.runs)
  const names = { before: nameOf(oldSite, wasFlow), now: nameOf(site, options.flow) }
  if (options.json === true) terminal.out(`${JSON.stringify({ ...comparison, names }, null, 2)}\n`)
  else terminal.out(comparisonText(comparison, { names, counts: { before: before.runs.length, now: now.runs.length }, taken: now.taken }))
  const { onlyBefore, onlyNow, otherwise } = comparison
  return onlyBefore.length + onlyNow.length + otherwise.length === 0 ? 0 : 1
}

async function siteOf(folder: string, flow: string, terminal: Terminal): Promise<Site> {
  const { site, problems } = await loadSite(folder, { environment: terminal.environment })
  if (site === undefined) {
    const [first] = problems.filter(({ severity }) => severity === 'error')
    terminal.error(first === undefined ? '' : `${problemText(first, folder)}\n`)
    throw new Fault('replay.site', `The site in ${folder} cannot run.`, { remedy: `Look at \`lineside check ${folder}\`.` })
  }
  checkFlow(site, flow)
  return site
}

function nameOf(site: Site, flow: string): string {
  return `${flow} version ${site.flows.find((one) => one.flow === flow)?.version ?? 1}`
}

function runsText({ runs, taken, strange }: Replayed, name: string): string {
  const missing = strange === 0 ? '' : ` ${strange} were of tags that the site does not have.`
  return `${name} would have started ${times(runs.length)}; ${taken} changes were played.${missing}\n${runLines(runs)}`
}

function comparisonText(
  { onlyBefore, onlyNow, otherwise, alike }: Comparison,
  of: {
    readonly names: { readonly before: string; readonly now: string }
    readonly counts: { readonly before: number; readonly now: number }
    readonly taken: number
  },
): string {
  const { names, counts, taken } = of
  const same = names.before === names.now ? { before: `${names.before} (before)`, now: `${names.now} (now)` } : names
  const parts = [
    `${taken} changes were played. ${same.before} would have started ${times(counts.before)}, ${same.now} ${times(counts.now)}; ${alike} ${alike === 1 ? 'run' : 'runs'} alike.\n`,
    onlyNow.length === 0
      ? ''
      : `\n${same.now} would have started ${times(onlyNow.length)} where ${same.before} did not:\n${runLines(onlyNow)}`,
    onlyBefore.length === 0
      ? ''
      : `\n${same.before} would have started ${times(onlyBefore.length)} where ${same.now} does not:\n${runLines(onlyBefore)}`,
    otherwise.length === 0
      ? ''
      : `\n${otherwise.length} ${otherwise.length === 1 ? 'run goes' : 'runs go'} otherwise:\n${otherwise.slice(0, shownMax).map(pairLines).join('')}`,
  ]
  return parts.join('')
}

function runLines(runs: readonly ReplayedRun[]): string {
  const more = runs.length > shownMax ? `  … ${runs.length - shownMax} more\n` : ''
  return `${runs
    .slice(0, shownMax)
    .map((run) => `  ${runLine(run)}\n`)
    .join('')}${more}`
}

function pairLines({ before, now }: Comparison['otherwise'][number]): string {
  return `  before ${runLine(before)}\n  now    ${runLine(now)}\n`
}

function runLine({ beganMs, trigger, state, step, code, did }: ReplayedRun): string {
  const why = trigger['kind'] === 'tag' ? `${String(trigger['tag'])} = ${JSON.stringify(trigger['value'])}` : String(trigger['kind'])
  const failed = step === undefined ? '' : ` at ${step} (${code ?? 'unknown'})`
  return plain(`${isoTime(epochMs(beganMs))}  ${why}  ${state}${failed}  ${did.join(', ')}`)
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

/** Nothing of a recording may steer the terminal. */
function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '�')
}
