import { getActiveResourcesInfo } from 'node:process'
import { lastResort } from '../src/base/clock.ts'

const lingerMsMax = 15_000

/** All is done: what still keeps the process alive after a while is named, and left behind. */
export function endSoon(): void {
  // Ended by us, also where nothing is open any more: Node's own cleaning up after the last line of JavaScript once turned for ever, at a whole core.
  process.once('exit', () => process.exit())
  lastResort(lingerMsMax, () => {
    process.stderr.write(`Ends though these are still open: ${[...new Set(getActiveResourcesInfo())].join(', ')}\n`)
    process.exit()
  })
}
