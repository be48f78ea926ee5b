import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Fault } from '../base/fault.ts'
import { defaultStatePath } from '../store/config.ts'
import { readTextFile } from './files.ts'
import { ProblemList } from './problems.ts'
import { parseYamlFile } from './yaml-file.ts'

/**
 * Where the gateway of a site keeps its state, whatever else its files say: a running gateway must be reachable while they are being edited.
 * Without a site in `folder` it is where a gateway of this machine keeps it. Throws `site.unreadable` where lineside.yaml cannot be read.
 */
export async function stateFolderOf(folder: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const value = await siteValue(folder)
  const path = textAt(value, ['storage', 'path'])
  return value === undefined ? defaultStatePath(environment) : resolve(folder, path ?? defaultStatePath(environment))
}

/** The path of the site, `acme/line-1`, as far as its file tells it. */
export async function sitePathOf(folder: string): Promise<string | undefined> {
  return textAt(await siteValue(folder), ['site'])
}

/** What stands in lineside.yaml; undefined where there is none. */
async function siteValue(folder: string): Promise<unknown> {
  const isThere = await stat(join(folder, 'lineside.yaml')).catch((error: NodeJS.ErrnoException) => error.code)
  if (isThere === 'ENOENT' || isThere === 'ENOTDIR') return undefined
  const problems = new ProblemList()
  const text = await readTextFile(folder, 'lineside.yaml', problems)
  const source = text === undefined ? undefined : parseYamlFile('lineside.yaml', text, problems)
  if (source === undefined) throw unreadable(folder)
  return source.value ?? null
}

function textAt(value: unknown, [key, ...rest]: readonly string[]): string | undefined {
  if (key === undefined) return typeof value === 'string' && value !== '' ? value : undefined
  return typeof value === 'object' && value !== null ? textAt(Object.entries(value).find(([name]) => name === key)?.[1], rest) : undefined
}

function unreadable(folder: string): Fault {
  return new Fault(
    'site.unreadable',
    `${join(folder, 'lineside.yaml')} cannot be read, so nobody knows where the gateway keeps its state.`,
    {
      remedy: `Run \`lineside check ${folder}\`, or name the gateway with --url.`,
    },
  )
}
