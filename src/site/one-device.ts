import { randomUUID } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Fault } from '../base/fault.ts'
import type { DeviceConfig } from '../south/config.ts'
import { parseDevice } from './device-file.ts'
import { suggestion } from './did-you-mean.ts'
import { findDriver, type SiteDriver } from './drivers.ts'
import { listYamlFiles, readTextFile } from './files.ts'
import { importFileOf, withoutAdditions } from './imported.ts'
import { ProblemList } from './problems.ts'
import { valueAt } from './schema-problems.ts'
import type { SiteProblem } from './site.ts'
import type { Path, SourceFile } from './source.ts'
import type { TagTable } from './tag-table.ts'
import { parseYamlFile } from './yaml-file.ts'

/** One device of a site by itself, whatever else is wrong with the site. */
export interface OneDevice {
  readonly folder: string
  /** Relative to the folder. */
  readonly file: string
  readonly importFile: string
  readonly text: string
  /** As the file says it, without defaults. */
  readonly value: unknown
  readonly driver: SiteDriver
  readonly addressing: 'zero' | 'one'
  /** undefined where the file has errors. */
  readonly config: DeviceConfig | undefined
  readonly problems: readonly SiteProblem[]
}

/** Throws the Fault `device.unknown` where the site has no such device. */
export async function readDevice(folder: string, name: string): Promise<OneDevice> {
  const root = resolve(folder)
  const problems = new ProblemList()
  const names: string[] = []
  for (const file of await listYamlFiles(root, 'devices', problems)) {
    const text = await readTextFile(root, file, problems)
    const source = text === undefined ? undefined : parseYamlFile(file, text, new ProblemList())
    const found = valueAt(source?.value, ['device'])
    if (typeof found === 'string') names.push(found)
    const driver = findDriver(valueAt(source?.value, ['driver']))
    if (source === undefined || text === undefined || driver === undefined || found !== name) continue
    const own = new ProblemList()
    const device = parseDevice(withTags(withoutAdditions(source)), own)
    const addressing = valueAt(source.value, ['addressing']) === 'one' ? 'one' : 'zero'
    return {
      folder: root,
      file,
      importFile: importFileOf(file),
      text,
      value: source.value,
      driver,
      addressing,
      config: device?.isWhole === true ? device.config : undefined,
      problems: own.all(),
    }
  }
  throw new Fault('device.unknown', `There is no device ${name.slice(0, 64)} in ${root}/devices.`, { remedy: suggestion(name, names) })
}

/** Who imports branches need not have tags of his own. */
function withTags(source: SourceFile): SourceFile {
  if (valueAt(source.value, ['import']) === undefined || valueAt(source.value, ['tags']) !== undefined) return source
  return { file: source.file, value: { ...(source.value as object), tags: {} }, place: (spot) => source.place(spot) }
}

/** What is wrong with a device file of this text, before it is written. Tags that come from a table are named by its rows. */
export function checkDeviceText(file: string, text: string, table?: TagTable): readonly SiteProblem[] {
  const problems = new ProblemList()
  const source = parseYamlFile(file, text, problems)
  const isFromTable = ([key, tag]: Path): boolean => key === 'tags' && table?.tags.has(String(tag)) === true
  const place: SourceFile['place'] = (spot) =>
    isFromTable(spot.path) ? (table?.source.place(spot) ?? { line: 1, column: 1 }) : (source?.place(spot) ?? { line: 1, column: 1 })
  if (source !== undefined) parseDevice(withTags(withoutAdditions({ ...source, place })), problems)
  return problems.all()
}

/** Whole or not at all. */
export async function replaceFile(folder: string, file: string, text: string): Promise<void> {
  const path = join(folder, file)
  const fresh = `${path}.${randomUUID()}.new`
  try {
    await writeFile(fresh, text)
    await rename(fresh, path)
  } catch (error) {
    await rm(fresh, { force: true })
    throw error
  }
}
