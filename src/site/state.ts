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
  const isThere = await stat(join(folder, 'lineside.yaml')).catch(() => undefined)
  if (isThere === undefined) return defaultStatePath(environment)
  const problems = new ProblemList()
  const text = await readTextFile(folder, 'lineside.yaml', problems)
  const source = text === undefined ? undefined : parseYamlFile('lineside.yaml', text, problems)
  if (source === undefined) throw unreadable(folder)
  const path = pathIn(source.value)
  return resolve(folder, path ?? defaultStatePath(environment))
}

function pathIn(value: unknown): string | undefined {
  const storage = typeof value === 'object' && value !== null && 'storage' in value ? value.storage : undefined
  const path = typeof storage === 'object' && storage !== null && 'path' in storage ? storage.path : undefined
  return typeof path === 'string' && path !== '' ? path : undefined
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
