import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface MemoryWatch {
  /** After a collection. */
  heapMb(): number
  /** What grew although it should not. */
  losses(): readonly string[]
}

const lookEveryMs = 15_000
/** Fewer looks say nothing: code is still being compiled, caches fill. */
const looksMin = 12
const growthMbMax = 12

/** The heap after a collection, looked at now and then: its low marks must not rise. */
export function startMemoryWatch(): MemoryWatch {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const looks: number[] = []
  const heapMb = (): number => {
    collect()
    return process.memoryUsage().heapUsed / 1e6
  }
  const timer = setInterval(() => looks.push(heapMb()), lookEveryMs).unref()
  return {
    heapMb,
    losses: () => {
      clearInterval(timer)
      if (looks.length < looksMin) return []
      const third = Math.floor(looks.length / 3)
      const grownMb = Math.min(...looks.slice(-third)) - Math.min(...looks.slice(third, 2 * third))
      return grownMb > growthMbMax ? [`memory grew by ${grownMb.toFixed(1)} MB from the second third of the run to the last`] : []
    },
  }
}
