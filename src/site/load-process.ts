import { plainFault } from '../base/fault.ts'
import { loadSite } from './load.ts'
import type { LoadMessage } from './load-apart.ts'

/** The program of `loadSiteApart`: loads the site it is given, sends it to its parent, or why it could not, and ends. */
const [folder = '.'] = process.argv.slice(2)
const message: LoadMessage = await loadSite(folder).then(
  (loaded) => ({ loaded }),
  (error: unknown) => ({ fault: plainFault(error) }),
)
process.send?.(message, () => process.disconnect())
