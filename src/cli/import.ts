import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { Fault } from '../base/fault.ts'
import type { ConflictMode } from '../site/conflict-mode.ts'
import { differenceText, type MergeReport, mergeTables, mergeTags } from '../site/device-document.ts'
import { readTextFile } from '../site/files.ts'
import { checkDeviceText, type OneDevice, readDevice, replaceFile } from '../site/one-device.ts'
import { ProblemList } from '../site/problems.ts'
import type { SiteProblem } from '../site/site.ts'
import { readTagTable, type TagFields, type TagTable, tagTableText } from '../site/tag-table.ts'
import { browseStateOf } from './browse-state.ts'
import { problemText } from './problem-text.ts'
import { stopSignal } from './stop-signal.ts'
import { TagNames } from './tag-names.ts'
import type { Terminal } from './terminal.ts'

export interface ImportCommand {
  readonly site: string
  readonly csv?: string
  readonly conflicts?: ConflictMode
  readonly trust?: 'first-seen' | 'any'
  readonly dryRun?: boolean
  readonly json?: boolean
}

const shownMax = 20

/** `lineside import`: from a table into the device file, or from the server into the table beside it. 1 where nothing was changed. */
export async function importCommand(name: string, command: ImportCommand, terminal: Terminal): Promise<number> {
  const device = await readDevice(command.site, name)
  if (command.csv !== undefined) return await importTable(device, command.csv, { command, terminal })
  return await importBranches(device, { command, terminal })
}

interface Importing {
  readonly command: ImportCommand
  readonly terminal: Terminal
}

async function importTable(device: OneDevice, csv: string, { command, terminal }: Importing): Promise<number> {
  const problems = new ProblemList()
  const folder = dirname(resolve(csv))
  const text = await readTextFile(folder, basename(csv), problems)
  const { driver, addressing } = device
  const table = text === undefined ? undefined : readTagTable(text, { file: basename(csv), driver, addressing, problems })
  if (table === undefined) return refused(problems.all(), { device, csv, command, terminal })
  // As it would be with the whole table, so that the rows are told all that is wrong with them, also where they conflict.
  const meant = mergeTags(device.text, table, 'replace')
  const wrong = [...problems.all(), ...tableProblems(device, { table, text: meant.text ?? device.text })]
  if (wrong.some(({ severity }) => severity === 'error')) return refused(wrong, { device, csv, command, terminal })
  const merged = mergeTags(device.text, table, command.conflicts ?? 'fail')
  tell(merged.report, { command, terminal, mode: command.conflicts ?? 'fail' })
  if (merged.text === undefined) return nothingDone(terminal)
  const left = checkDeviceText(device.file, merged.text).filter(({ severity }) => severity === 'error')
  if (left.length > 0) return refused(left, { device, csv, command, terminal })
  if (command.dryRun !== true && merged.text !== device.text) await replaceFile(device.folder, device.file, merged.text)
  return 0
}

/** Mistakes of the device file itself are told where they are; a table may mend them. */
function tableProblems(device: OneDevice, { table, text }: { readonly table: TagTable; readonly text: string }): readonly SiteProblem[] {
  return checkDeviceText(device.file, text, table).filter(({ severity }) => severity === 'error')
}

interface Refusing extends Importing {
  readonly device: OneDevice
  readonly csv: string
}

function refused(problems: readonly SiteProblem[], { device, csv, command, terminal }: Refusing): number {
  for (const problem of problems.toSorted((one, other) => one.line - other.line || one.column - other.column)) {
    terminal.error(`${problemText(problem, problem.file === device.file ? command.site : dirname(csv))}\n`)
  }
  return nothingDone(terminal)
}

function nothingDone(terminal: Terminal): number {
  terminal.error('Nothing was changed.\n')
  return 1
}

/** What `import:` of the device file asks for, as the server has it now. */
async function importBranches(device: OneDevice, { command, terminal }: Importing): Promise<number> {
  const { config } = device
  for (const problem of device.problems.filter(({ severity }) => severity === 'error'))
    terminal.error(`${problemText(problem, command.site)}\n`)
  if (config === undefined) return nothingDone(terminal)
  const { branchTags } = await import('../runtime/import.ts')
  const { progress } = await import('./browse.ts')
  const file = join(tmpdir(), `lineside-import-${randomUUID()}`)
  const stop = terminal.stop ?? stopSignal()
  try {
    const names = new TagNames()
    const found = await branchTags(config, {
      file,
      nameFor: (path) => names.nameFor(path),
      stateFolderFor: (url) => browseStateOf(url, terminal.environment),
      ...(command.trust === undefined ? {} : { trust: command.trust }),
      signal: stop,
      onProgress: progress(terminal),
    })
    return await keepBranches(device, found, { command, terminal })
  } catch (error) {
    if (stop.aborted) return nothingDone(terminal)
    if (!(error instanceof Fault) || !error.code.startsWith('opcua.')) throw error
    terminal.error(`${error.message}  (${error.code})\n    ${error.remedy}\n`)
    return error.code === 'opcua.no-such-node' ? 1 : 3
  } finally {
    await rm(file, { force: true })
  }
}

async function keepBranches(device: OneDevice, found: ReadonlyMap<string, TagFields>, { command, terminal }: Importing): Promise<number> {
  const mode = command.conflicts ?? 'replace'
  const before = await lastImport(device)
  const merged = mergeTables(before?.tags ?? new Map(), found, mode)
  tell(merged.report, { command, terminal, mode })
  if (merged.tags === undefined) return nothingDone(terminal)
  const rows = [...merged.tags].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([path, fields]) => ({ path, fields }))
  const text = tagTableText(rows, { driver: device.driver, isSparse: true })
  if (command.dryRun !== true) await replaceFile(device.folder, device.importFile, text)
  return 0
}

/** A damaged one counts as none: it is made anew. */
async function lastImport(device: OneDevice): Promise<TagTable | undefined> {
  const problems = new ProblemList()
  const text = await readTextFile(device.folder, device.importFile, problems)
  if (text === undefined) return undefined
  return readTagTable(text, { file: device.importFile, driver: device.driver, addressing: 'zero', problems })
}

function tell(report: MergeReport, { command, terminal, mode }: Importing & { readonly mode: ConflictMode }): void {
  if (command.json === true) {
    terminal.out(`${JSON.stringify({ mode, isDryRun: command.dryRun === true, ...report }, null, 2)}\n`)
    return
  }
  const { added, conflicts, removed, same } = report
  const taken = mode === 'replace' ? 'changed' : mode === 'keep' ? 'kept as they were' : 'in conflict'
  const lines = [
    ...shown(added, (tag) => `+ ${tag}`),
    ...shown(conflicts, (difference) => `~ ${differenceText(difference)}`),
    ...shown(removed, (tag) => `- ${tag}`),
    `${added.length} added, ${new Set(conflicts.map(({ tag }) => tag)).size} ${taken}, ${removed.length} gone${removed.length > 0 && mode === 'keep' ? ' and kept' : ''}, ${same} the same.`,
  ]
  terminal.out(lines.map((line) => `${line.replaceAll(/\p{Cc}/gu, '�')}\n`).join(''))
}

function shown<Item>(items: readonly Item[], text: (item: Item) => string): readonly string[] {
  const lines = items.slice(0, shownMax).map(text)
  return items.length > shownMax ? [...lines, `  … and ${items.length - shownMax} more`] : lines
}
