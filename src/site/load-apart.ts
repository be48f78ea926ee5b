import { fork } from 'node:child_process'
import { Fault, faultOf, type PlainFault } from '../base/fault.ts'
import type { LoadedSite } from './load.ts'

/** What the process says. */
export type LoadMessage = { readonly loaded: LoadedSite } | { readonly fault: PlainFault }

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
  child.once('message', (message) => {
    const said = message as unknown as LoadMessage
    if ('loaded' in said) loaded.resolve(said.loaded)
    else loaded.reject(faultOf(said.fault))
  })
  child.once('error', loaded.reject)
  child.once('exit', (code) => loaded.reject(ended(folder, code)))
  return await loaded.promise
}

function ended(folder: string, code: number | null): Fault {
  return new Fault('site.loader-ended', `The process that loads ${folder} ended with ${code} and said nothing.`, {
    remedy: 'Run `lineside check` on the folder to see what is wrong with it.',
  })
}
