import { fork } from 'node:child_process'
import { Fault } from '../base/fault.ts'
import type { LoadedSite } from './load.ts'

/**
 * Loads a site in a process of its own, which is gone when it is done: the schemas, the YAML parser and the expression checker take some 30 MB that
 * a daemon running for years would never use again.
 */
export async function loadSiteApart(folder: string): Promise<LoadedSite> {
  const program = new URL('./load-process.ts', import.meta.url)
  const child = fork(program, [folder], {
    execArgv: [...process.execArgv, '--max-semi-space-size=32'],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const loaded = Promise.withResolvers<LoadedSite>()
  child.once('message', (message) => loaded.resolve(message as unknown as LoadedSite))
  child.once('error', loaded.reject)
  child.once('exit', (code) => loaded.reject(ended(folder, code)))
  return await loaded.promise
}

function ended(folder: string, code: number | null): Fault {
  return new Fault('site.loader-ended', `The process that loads ${folder} ended with ${code} and said nothing.`, {
    remedy: 'Run `lineside check` on the folder to see what is wrong with it.',
  })
}
