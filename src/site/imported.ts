import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { findDriver } from './drivers.ts'
import { readTextFile } from './files.ts'
import type { ProblemList } from './problems.ts'
import { valueAt } from './schema-problems.ts'
import type { Path, SourceFile } from './source.ts'

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
    problems.add(source, { path: ['import'], part: 'key' }, notImported(source))
    return source
  }
  const text = await readTextFile(root, file, problems)
  if (text === undefined) return source
  const { readTagTable } = await import('./tag-table.ts') // only those who import pay for it
  const table = readTagTable(text, { file, driver, addressing: 'zero', problems })
  if (table === undefined) return source
  const own = mapOf(valueAt(source.value, ['tags']))
  const tags: Record<string, unknown> = Object.fromEntries(table.tags)
  for (const [path, fields] of Object.entries(own)) tags[path] = { ...mapOf(tags[path]), ...mapOf(fields) }
  const isImported = (path: Path): boolean => path[0] === 'tags' && path.length > 1 && valueAt(own, path.slice(1)) === undefined
  return {
    file: source.file,
    value: { ...mapOf(source.value), tags },
    place: (spot) => (isImported(spot.path) && table.tags.has(String(spot.path[1])) ? table.source.place(spot) : source.place(spot)),
  }
}

function notImported(source: SourceFile): { code: string; message: string; remedy: string; severity: 'warning' } {
  const device = valueAt(source.value, ['device'])
  return {
    code: 'import.not-done',
    message: `The branches under \`import\` have not been asked for yet: ${importFileOf(source.file)} is not there, so they have no tags.`,
    remedy: `Run \`lineside import ${typeof device === 'string' ? device.slice(0, 64) : 'DEVICE'}\` where the server can be reached.`,
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
