import { loadSite } from './load.ts'

/** The program of `loadSiteApart`: loads the site it is given, sends it to its parent, and ends. */
const [folder = '.'] = process.argv.slice(2)
process.send?.(await loadSite(folder), () => process.disconnect())
