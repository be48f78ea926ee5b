import { join } from 'node:path'
import { loadSite } from '../site/load.ts'
import type { Site, SiteProblem } from '../site/site.ts'
import { problemText } from './problem-text.ts'
import type { Terminal } from './terminal.ts'

export interface CheckOptions {
  readonly json?: boolean
}

/** `lineside check`: 0 when the site can run (warnings allowed), 1 when it cannot. */
export async function check(folder: string, options: CheckOptions, terminal: Terminal): Promise<number> {
  const { site, problems } = await loadSite(folder, { environment: terminal.environment })
  if (options.json) terminal.out(`${JSON.stringify({ isValid: site !== undefined, problems }, null, 2)}\n`)
  else
    terminal.out(
      [...problems.map((problem) => problemText(problem, folder)), summary(site, problems), ...whoMayComeIn(site)]
        .map((text) => `${text}\n`)
        .join(''),
    )
  return site === undefined ? 1 : 0
}

function summary(site: Site | undefined, problems: readonly SiteProblem[]): string {
  const count = (severity: SiteProblem['severity']): number => problems.filter((problem) => problem.severity === severity).length
  const found = `${counted(count('error'), 'error')}, ${counted(count('warning'), 'warning')}`
  if (site === undefined) return `The site cannot run: ${found}.`
  const { devices, tags, flows } = site
  return `${site.site} can run: ${counted(devices.length, 'device')}, ${counted(tags.length, 'tag')}, ${counted(flows.length, 'flow')}; ${found}.`
}

/** Where the first password will be, or was: whether there are users already is state, which a check does not touch. */
function whoMayComeIn(site: Site | undefined): readonly string[] {
  if (site === undefined || site.mqtt.anonymous !== undefined) return []
  const { path } = site.storage
  return [
    `Only users may come in. The first start makes one, admin, and keeps the password in ${join(path, 'first-password')} until the first login.`,
  ]
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
