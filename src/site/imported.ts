import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { shellWord } from '../base/shell-word.ts'
import { suggestion } from './did-you-mean.ts'
import { findDriver } from './drivers.ts'
import { readTextFile } from './files.ts'
import type { ProblemList } from './problems.ts'
import { valueAt } from './schema-problems.ts'
import type { Finding, Path, SourceFile } from './source.ts'

/** Beside `devices/press-07.yaml`: what `lineside import` found on the server. */
export function importFileOf(file: string): string {
  return file.replace(/\.yaml$/, '.import.csv')
}

/**
 * A device file with the tags of its `import:` among its own. They come from the table beside it and not from the server: a gateway starts with the
 * tags it had whether the PLC is there or not, and git shows what changed. What the file itself says of a tag is added to what the table says.
 */
export async function withImported(root: string, source: SourceFile, problems: ProblemList): Promise<SourceFile> {
  const driver = findDriver(valueAt(source.value, ['driver']))
  if (driver === undefined || driver.name !== 'opcua' || valueAt(source.value, ['import']) === undefined) return source
  const file = importFileOf(source.file)
  if (!(await isThere(join(root, file)))) {
    problems.add(source, { path: ['import'], part: 'key' }, notImported(source, root))
    return withTags(source, ownTags(source)) // what only adds to a tag of a branch has nothing to add to yet
  }
  const text = await readTextFile(root, file, problems)
  if (text === undefined) return source
  const { readTagTable } = await import('./tag-table.ts') // only those who import pay for it
  const table = readTagTable(text, { file, driver, addressing: 'zero', problems })
  if (table === undefined) return source
  for (const path of additions(source).filter((other) => !table.tags.has(other))) {
    problems.add(source, { path: ['tags', path], part: 'key' }, notAmong(path, { file, known: table.tags.keys() }))
  }
  const all = mapOf(valueAt(source.value, ['tags']))
  const added = additions(source).map((path): [string, unknown] => [path, { ...table.tags.get(path), ...mapOf(all[path]) }])
  const tags = {
    ...Object.fromEntries(table.tags),
    ...Object.fromEntries(added.filter(([path]) => table.tags.has(path))),
    ...ownTags(source),
  }
  const isImported = (path: Path): boolean => path[0] === 'tags' && path.length > 1 && valueAt(all, path.slice(1)) === undefined
  return {
    ...withTags(source, tags),
    place: (spot) => (isImported(spot.path) && table.tags.has(String(spot.path[1])) ? table.source.place(spot) : source.place(spot)),
  }
}

/** The file by itself, without what only adds to tags of a branch: they have no place of their own. */
export function withoutAdditions(source: SourceFile): SourceFile {
  const isImporting = valueAt(source.value, ['import']) !== undefined && valueAt(source.value, ['driver']) === 'opcua'
  return isImporting ? withTags(source, ownTags(source)) : source
}

/** Tags that the file has by itself: they say where they are. */
function ownTags(source: SourceFile): Readonly<Record<string, unknown>> {
  const adding = new Set(additions(source))
  return Object.fromEntries(Object.entries(mapOf(valueAt(source.value, ['tags']))).filter(([path]) => !adding.has(path)))
}

/** Tags of which the file does not say where they are: it adds to those of a branch. */
function additions(source: SourceFile): readonly string[] {
  const isMap = (fields: unknown): boolean => typeof fields === 'object' && fields !== null
  const tags = Object.entries(mapOf(valueAt(source.value, ['tags'])))
  return tags.filter(([, fields]) => isMap(fields) && !('node' in mapOf(fields)) && !('path' in mapOf(fields))).map(([path]) => path)
}

function withTags(source: SourceFile, tags: Readonly<Record<string, unknown>>): SourceFile {
  return { file: source.file, value: { ...mapOf(source.value), tags }, place: (spot) => source.place(spot) }
}

function notAmong(path: string, { file, known }: { readonly file: string; readonly known: Iterable<string> }): Finding {
  return {
    code: 'import.tag-unknown',
    message: `${path.slice(0, 100)} is not among the tags of ${file}, and does not say by \`node\` or \`path\` where it is.`,
    remedy: `${suggestion(path, known)} If it is new on the server, run \`lineside import\` again.`,
  }
}

function notImported(source: SourceFile, root: string): Finding {
  const device = valueAt(source.value, ['device'])
  return {
    code: 'import.not-done',
    message: `The branches under \`import\` have not been asked for yet: ${importFileOf(source.file)} is not there, so they have no tags.`,
    remedy: `Run \`lineside import ${typeof device === 'string' ? device.slice(0, 64) : 'DEVICE'} --site ${shellWord(root)}\` where the server can be reached.`,
    severity: 'warning',
  }
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT', // what cannot be read is told of by who reads it
  )
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : {}
}
