import type { SiteDriver } from './drivers.ts'
import { type JsonSchema, jsonSchemaOf } from './json-schema.ts'
import { tagJsonSchema } from './json-schemas.ts'
import type { Path } from './source.ts'

/** One column of a table of tags: a key of a tag, or a key within one, like `write.max`. */
export interface TagColumn {
  readonly name: string
  /** Within the tag. */
  readonly path: Path
  /** `presence`: yes makes an empty map, like `write: {}`. `either`: a number where it is one, else text. */
  readonly kind: 'text' | 'number' | 'boolean' | 'presence' | 'either' | 'json'
}

/** The first column: the path of the tag. */
export const tagColumn = 'tag'
/** Columns for people, which say nothing about the tag. */
export const silentColumns: readonly string[] = ['access', 'value', 'note']

/** Every key that a tag of this driver can have, the address first. Made from the schema, so that a new key has its column at once. */
export function tagColumns(driver: SiteDriver): readonly TagColumn[] {
  const columns = known.get(driver) ?? columnsOfDriver(driver)
  known.set(driver, columns)
  return columns
}

/** There are as many as there are drivers; a table is written in pieces, and each asks. */
const known = new Map<SiteDriver, readonly TagColumn[]>()

function columnsOfDriver(driver: SiteDriver): readonly TagColumn[] {
  const own = Object.keys(propertiesOf(jsonSchemaOf(driver.address)))
  const properties = propertiesOf(tagJsonSchema(driver))
  const keys = [...own, ...Object.keys(properties).filter((key) => !own.includes(key))]
  return keys.flatMap((key) => columnsOf(properties[key] ?? {}, [key]))
}

function propertiesOf(schema: JsonSchema): Readonly<Record<string, JsonSchema>> {
  return Object.assign({}, ...formsOf(schema).map((form) => form.properties ?? {}))
}

function columnsOf(schema: JsonSchema, path: Path): readonly TagColumn[] {
  const properties = propertiesOf(schema)
  const inner = Object.entries(properties).flatMap(([key, below]) => columnsOf(below, [...path, key]))
  if (inner.length > 0) {
    const needsNothing = formsOf(schema).every((form) => (form.required ?? []).length === 0)
    return needsNothing ? [{ name: nameOf(path), path, kind: 'presence' }, ...inner] : inner
  }
  if (schema.prefixItems?.length === 2) {
    return (['min', 'max'] as const).map((end, place) => ({ name: `${nameOf(path)}.${end}`, path: [...path, place], kind: 'number' }))
  }
  return [{ name: nameOf(path), path, kind: kindOf(schema) }]
}

function nameOf(path: Path): string {
  return path.join('.')
}

const kinds: Readonly<Record<string, TagColumn['kind']>> = {
  string: 'text',
  number: 'number',
  integer: 'number',
  boolean: 'boolean',
  array: 'json',
  object: 'json',
}

function kindOf(schema: JsonSchema): TagColumn['kind'] {
  const types = [...new Set(formsOf(schema).flatMap(({ type }) => (type === undefined ? [] : [type])))]
  const [only] = types
  if (only !== undefined && types.length === 1) return kinds[only] ?? 'either'
  return 'either'
}

function formsOf(schema: JsonSchema): readonly JsonSchema[] {
  return [schema, ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])].flatMap(formsOf)]
}
