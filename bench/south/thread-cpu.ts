import { readdirSync, readFileSync } from 'node:fs'

/** CPU time of the threads of a process that bear this name, s. The rooms of the daemon name their threads. */
export function threadCpuSeconds(pid: number, name: string): number {
  const folder = `/proc/${pid}/task`
  const named = readdirSync(folder).filter((thread) => readFileSync(`${folder}/${thread}/comm`, 'utf8').trim() === name)
  if (named.length === 0) throw new Error(`process ${pid} has no thread "${name}"`)
  // schedstat: ns on a processor, ns waiting for one, time slices
  return named.reduce((sum, thread) => sum + Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e9, 0)
}
