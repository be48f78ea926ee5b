import { z } from 'zod'
import { commonTagShape } from '../south/tag-config.ts'
import { commonDeviceShape } from './device-schema.ts'
import { type SiteDriver, siteDrivers } from './drivers.ts'
import { type JsonSchema, jsonSchemaOf } from './json-schema.ts'

/** One key of a device file. */
export interface ReferenceRow {
  /** From the root of the device file or of a tag: `modbus.quirks.pause`. */
  readonly key: string
  readonly value: string
  readonly isRequired: boolean
  readonly preset?: string
  readonly description: string
}

export interface Section {
  readonly title: string
  readonly rows: readonly ReferenceRow[]
}

/** Every key that a device file may have, section by section, made from the schemas that check it. */
export function deviceReference(): readonly Section[] {
  const common = jsonSchemaOf(z.strictObject({ ...commonDeviceShape, tags: commonDeviceShape.tags }))
  return [
    { title: 'Every device', rows: rowsOf(common, '').filter(({ key }) => !key.startsWith('tags.')) },
    { title: 'Every tag', rows: rowsOf(jsonSchemaOf(z.strictObject(commonTagShape)), '') },
    ...siteDrivers.flatMap((driver) => driverSections(driver)),
  ]
}

function driverSections(driver: SiteDriver): readonly Section[] {
  return [
    { title: `driver: ${driver.name}`, rows: rowsOf(jsonSchemaOf(driver.config), '') },
    { title: `A tag of ${driver.name}`, rows: rowsOf(jsonSchemaOf(driver.address), '') },
  ]
}

/** As Markdown, below a heading of the second level. */
export function referenceMarkdown(sections: readonly Section[] = deviceReference()): string {
  return sections
    .map(({ title, rows }) => `### ${title}\n\n| key | value | what it does |\n|---|---|---|\n${rows.map(rowText).join('')}`)
    .join('\n')
}

function rowText({ key, value, isRequired, preset, description }: ReferenceRow): string {
  const without = isRequired ? ' Required.' : preset === undefined ? '' : ` Default: ${preset}.`
  return `| \`${key}\` | ${cell(value)} | ${cell(`${description}${without}`)} |\n`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').trim()
}

export function rowsOf(schema: JsonSchema, prefix: string): readonly ReferenceRow[] {
  const forms = formsOf(schema)
  return forms.flatMap((form) =>
    Object.entries(form.properties ?? {}).flatMap(([name, property]) => {
      const key = `${prefix}${name}`
      const isRequired = forms.length === 1 && (form.required ?? []).includes(name)
      return [rowOf(key, property, isRequired), ...belowOf(property, key)]
    }),
  )
}

function belowOf(property: JsonSchema, key: string): readonly ReferenceRow[] {
  const items = formsOf(property).flatMap(({ items: each }) => (typeof each === 'object' ? rowsOf(each, `${key}[].`) : []))
  return [...rowsOf(property, `${key}.`), ...items]
}

function rowOf(key: string, property: JsonSchema & { readonly default?: unknown }, isRequired: boolean): ReferenceRow {
  const preset = property.default
  const isShown = preset !== undefined && !(typeof preset === 'object' && Object.keys(preset ?? {}).length === 0)
  return {
    key,
    value: valueText(property),
    isRequired,
    ...(isShown ? { preset: `\`${typeof preset === 'string' ? preset : JSON.stringify(preset)}\`` } : {}),
    description: property.description ?? '',
  }
}

type Described = JsonSchema & {
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
}

function valueText(schema: Described): string {
  if (schema.const !== undefined) return `\`${String(schema.const)}\``
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ')
  const choices = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]
  if (choices.length > 0) return [...new Set(choices.map(valueText))].join(' or ')
  if (schema.prefixItems !== undefined) return `list of ${schema.prefixItems.length}`
  if (schema.pattern?.endsWith('(ms|s|m|h|d)$')) return 'duration'
  if (schema.pattern?.endsWith('(B|KiB|MiB|GiB|TiB)$')) return 'size'
  if (schema.pattern?.startsWith('^\\$\\{secret:')) return 'secret'
  return `${typeNames[schema.type ?? ''] ?? 'value'}${spanText(schema)}`
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'number',
  integer: 'whole number',
  boolean: '`true`, `false`',
  array: 'list',
  object: 'map',
}

/** zod writes the limits of safe numbers where nobody gave one. */
function spanText({ minimum, maximum, exclusiveMinimum }: Described): string {
  const least = minimum ?? exclusiveMinimum
  const hasLeast = least !== undefined && Math.abs(least) < Number.MAX_SAFE_INTEGER
  const hasMost = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER
  if (hasLeast && hasMost) return minimum === undefined ? ` above ${least} to ${maximum}` : ` ${least} to ${maximum}`
  if (hasLeast) return exclusiveMinimum === undefined ? ` from ${least}` : ` above ${least}`
  return hasMost ? ` to ${maximum}` : ''
}

function formsOf(schema: JsonSchema): readonly JsonSchema[] {
  return [schema, ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])].flatMap(formsOf)]
}
