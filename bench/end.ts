import { getActiveResourcesInfo } from 'node:process'
import { lastResort } from '../src/base/clock.ts'

const lingerMsMax = 15_000

/** All is done: what still keeps the process alive after a while is named, and left behind. */
export function endSoon(): void {
  lastResort(lingerMsMax, () => {
    process.stderr.write(`Ends though these are still open: ${[...new Set(getActiveResourcesInfo())].join(', ')}\n`)
    process.exit()
  })
}
