import { basename, dirname } from 'node:path'
import { readDevice, replaceFile } from '../site/one-device.ts'
import { valueAt } from '../site/schema-problems.ts'
import { type TagFields, tagTableText } from '../site/tag-table.ts'
import { refuseExisting } from './device-out.ts'
import type { Terminal } from './terminal.ts'

export interface ExportCommand {
  readonly site: string
  readonly out?: string
  readonly force?: boolean
  readonly delimiter: string
  readonly bom?: boolean
}

/** `lineside export`: the tags of a device file as a table that `lineside import --csv` reads again. */
export async function exportCommand(
  name: string,
  { site, out, force = false, delimiter, bom = false }: ExportCommand,
  terminal: Terminal,
): Promise<number> {
  // A table is made to be worked on; and the name of the device file itself is soon typed instead of the table's.
  if (out !== undefined && !force) await refuseExisting(out, 'table.exists')
  const { value, driver } = await readDevice(site, name)
  const tags = valueAt(value, ['tags'])
  const rows = Object.entries((tags ?? {}) as Readonly<Record<string, TagFields>>).map(([path, fields]) => ({ path, fields }))
  const text = tagTableText(rows, { driver, delimiter, hasBom: bom })
  if (out === undefined) terminal.out(text)
  else await replaceFile(dirname(out), basename(out), text)
  return 0
}
