import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Fault } from '../base/fault.ts'
import { suggestion } from '../site/did-you-mean.ts'
import { type SchemaName, schemaNames, siteJsonSchema } from '../site/json-schemas.ts'
import { makeFolder } from './make-folder.ts'
import type { Terminal } from './terminal.ts'

export interface SchemaOptions {
  /** Folder for all of them. */
  readonly out?: string
}

/** `lineside schema`: prints one JSON Schema or the list of names; with `--out` writes all of them. */
export async function schema(name: string | undefined, options: SchemaOptions, terminal: Terminal): Promise<number> {
  if (options.out !== undefined && name !== undefined) {
    throw new Fault('usage.schema', `--out writes all schemas, and \`${name}\` is one of them.`, { remedy: 'Leave one of the two out.' })
  }
  if (options.out !== undefined) return await writeSchemas(options.out, terminal)
  if (name === undefined) terminal.out(`${schemaNames.join('\n')}\n`)
  else terminal.out(schemaText(known(name)))
  return 0
}

export function schemaText(name: SchemaName): string {
  return `${JSON.stringify(siteJsonSchema(name), null, 2)}\n`
}

async function writeSchemas(folder: string, terminal: Terminal): Promise<number> {
  await makeFolder(resolve(folder))
  for (const name of schemaNames) {
    const file = join(folder, `${name}.schema.json`)
    await writeFile(file, schemaText(name))
    terminal.out(`${file}\n`)
  }
  return 0
}

function known(name: string): SchemaName {
  const found = schemaNames.find((other) => other === name)
  if (found !== undefined) return found
  throw new Fault('usage.schema', `There is no schema "${name}".`, { remedy: suggestion(name, schemaNames) })
}
