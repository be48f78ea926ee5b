import { readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Fault } from '../base/fault.ts'
import { shellWord } from '../base/shell-word.ts'
import { initialFiles } from './initial-site.ts'
import { makeFolder } from './make-folder.ts'
import type { Terminal } from './terminal.ts'

/** `lineside init DIR`: a small site to begin with. Only into a folder that is new or empty. */
export async function init(folder: string, terminal: Terminal): Promise<number> {
  const root = resolve(folder)
  await refuseUsed(root)
  for (const [file, text] of Object.entries(initialFiles(basename(root)))) {
    const path = join(root, file)
    await makeFolder(dirname(path)).catch((error: unknown) => refuse(root, error))
    await writeFile(path, text, { flag: 'wx' }) // somebody may have been faster: never write over a file
    terminal.out(`${join(folder, file)}\n`)
  }
  terminal.out(`\nNext: put the address of your PLC into ${join(folder, 'devices/press-07.yaml')}, then\n`)
  for (const command of ['check', 'run']) terminal.out(`  ${called(terminal)} ${command} ${shellWord(folder)}\n`)
  return 0
}

/** As it can be typed again: in a checkout there is no `lineside` in the PATH. */
function called({ environment }: Terminal): string {
  return environment['npm_lifecycle_event'] === 'lineside' ? 'npm run lineside --' : 'lineside'
}

async function refuseUsed(root: string): Promise<void> {
  const entries = await readdir(root).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    return refuse(root, error)
  })
  if (entries.length === 0) return
  throw new Fault('init.not-empty', `${root} is not empty.`, { remedy: 'Name a folder that is new or empty.' })
}

function refuse(root: string, error: unknown): never {
  const why = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
  const remedy = 'Name a folder that is new or empty, and that you may write to.'
  throw new Fault('init.unusable', `${root} cannot be used${why}.`, { remedy, cause: error })
}
