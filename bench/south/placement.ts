import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The processors that this process may use, as /proc says it: `0-1`, `0,2-3`. */
export function allowedCpus(status = readFileSync('/proc/self/status', 'utf8')): readonly number[] {
  const [, list = '0'] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status) ?? []
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, place) => first + place)
  })
}

/** Of a process its main thread, and what it starts from then on; threads that it has already stay where they may be. */
export function placeOn(pid: number, cpus: readonly number[]): void {
  execFileSync('taskset', ['--pid', '--cpu-list', cpus.join(','), String(pid)], { stdio: 'pipe' })
}
