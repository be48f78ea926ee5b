import { basename, dirname } from 'node:path'
import { readDevice, replaceFile } from '../site/one-device.ts'
import { valueAt } from '../site/schema-problems.ts'
import { type TagFields, tagTableText } from '../site/tag-table.ts'
import type { Terminal } from './terminal.ts'

export interface ExportCommand {
  readonly site: string
  readonly out?: string
  readonly delimiter: string
  readonly bom?: boolean
}

/** `lineside export`: the tags of a device file as a table that `lineside import --csv` reads again. */
export async function exportCommand(
  name: string,
  { site, out, delimiter, bom = false }: ExportCommand,
  terminal: Terminal,
): Promise<number> {
  const { value, driver } = await readDevice(site, name)
  const tags = valueAt(value, ['tags'])
  const rows = Object.entries((tags ?? {}) as Readonly<Record<string, TagFields>>).map(([path, fields]) => ({ path, fields }))
  const text = tagTableText(rows, { driver, delimiter, hasBom: bom })
  if (out === undefined) terminal.out(text)
  else await replaceFile(dirname(out), basename(out), text)
  return 0
}
