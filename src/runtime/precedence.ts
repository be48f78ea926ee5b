import { readdirSync, readFileSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'
import { errorFields, type Log } from '../base/log.ts'

/** What talks to the plant, what keeps its promises on the disk, and V8's helper, which both wait for while they collect: by the names of their threads. */
const urgent = new Set(['control', 'store', 'V8Worker'])
/** In steps of `nice` before the rest of the daemon: some nine times the weight where there is not enough for all. */
const stepsBefore = 10

/**
 * Lets control and store go before all else where processors are short: a burst of messages, a page that is looked at or a neighbour on the same box then
 * holds up no poll and no write. Asks for it anew each time, for threads that are new; what has it is left alone. Tells of the first that was refused.
 */
export class Precedence {
  readonly #log: Log
  #isRefused = false

  constructor(log: Log) {
    this.#log = log
  }

  give(): void {
    if (process.platform !== 'linux') return
    const wanted = Math.max(constants.priority.PRIORITY_HIGHEST, getPriority(process.pid) - stepsBefore)
    for (const thread of threads()) if (urgent.has(nameOf(thread))) this.#raise(thread, wanted)
  }

  #raise(thread: number, nice: number): void {
    try {
      // Linux has a priority of each thread, and takes the number of a thread where others know only processes.
      if (getPriority(thread) > nice) setPriority(thread, nice)
    } catch (error) {
      if (this.#isRefused || isGone(thread)) return
      this.#isRefused = true
      this.#log.info(
        'Control and store get no precedence: the system does not allow it. LimitNICE=-10 in the unit would.',
        errorFields(error),
      )
    }
  }
}

function threads(): readonly number[] {
  return readdirSync('/proc/self/task').map(Number)
}

/** Nothing of a thread that has ended meanwhile. */
function nameOf(thread: number): string {
  try {
    return readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}

function isGone(thread: number): boolean {
  return nameOf(thread) === ''
}
