import { readdirSync, readFileSync } from 'node:fs'

/** As Linux says it: the capability to change priorities, or a limit that allows 10 steps. */
export const mayRaise = (() => {
  const capabilities = /^CapEff:\s*(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  const limit = /^Max nice priority\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? '0'
  return ((BigInt(`0x${capabilities}`) >> 23n) & 1n) === 1n || Number(limit) >= 30
})()

/** How nice each thread of this process is: field 19 of proc_pid_stat(5), by the name of the thread. */
export function niceByName(): ReadonlyMap<string, number> {
  const stats = readdirSync('/proc/self/task').map(statOf)
  return new Map(stats.map((stat) => [/\((.*)\)/.exec(stat)?.[1] ?? '', Number(stat.replace(/^.*\) /s, '').split(' ')[16])]))
}

/** Empty of a thread that has ended meanwhile. */
function statOf(thread: string): string {
  try {
    return readFileSync(`/proc/self/task/${thread}/stat`, 'utf8')
  } catch {
    return ''
  }
}
