import { readdirSync, readFileSync } from 'node:fs'

/** Processes whose command line names `program` and whose parent is `parent`. */
export function childrenOf(parent: string, program: string): readonly string[] {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && isChildOf(entry, parent, program))
}

export function isChildOf(process: string, parent: string, program: string): boolean {
  try {
    const isMeant = readFileSync(`/proc/${process}/cmdline`, 'utf8').includes(program)
    return isMeant && readFileSync(`/proc/${process}/status`, 'utf8').includes(`PPid:\t${parent}\n`)
  } catch {
    return false // it ended while we looked
  }
}
