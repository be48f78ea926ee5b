import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { lastResort } from './clock.ts'

/** By then what loads has loaded, and each device that is there has been read. */
const collectAfterMs = 2_500

/** Starting leaves twice as much garbage as a thread then needs, and V8 would keep the room for it for good. Holds the thread up once, for 30 to 60 ms. */
export function collectAfterStart(): void {
  lastResort(collectAfterMs, collectNow)
}

/** The flag stays set: it is the whole process's, and taking it back would take it from another thread that is just here too. */
function collectNow(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
