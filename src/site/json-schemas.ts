import { z } from 'zod'
import { flowTestSchema } from '../control/flow-tests/config.ts'
import { commonTagShape } from '../south/tag-config.ts'
import { commonDeviceShape } from './device-schema.ts'
import { type SiteDriver, siteDrivers } from './drivers.ts'
import { flowFileSchema } from './flow-template-schema.ts'
import { type JsonSchema, jsonSchemaOf, lazily } from './json-schema.ts'
import { siteFileSchema } from './site-file.ts'

export const schemaNames = ['site', 'device', 'flow', 'flow-test'] as const
export type SchemaName = (typeof schemaNames)[number]

/** The JSON Schema of one kind of site file, for editors. */
export function siteJsonSchema(name: SchemaName): JsonSchema {
  switch (name) {
    case 'site':
      return titled('Lineside: lineside.yaml', siteSchema())
    case 'device':
      return titled('Lineside: devices/*.yaml', deviceJsonSchema())
    case 'flow':
      return titled('Lineside: flows/*.yaml', flowJsonSchema())
    case 'flow-test':
      return titled('Lineside: flows/*.test.yaml', flowTestJsonSchema())
    default:
      return name satisfies never
  }
}

export function siteSchema(): JsonSchema {
  return jsonSchemaOf(siteFileSchema)
}

/** Made once: steps within steps make it the largest. */
export const flowJsonSchema = lazily(() => jsonSchemaOf(flowFileSchema))

export const flowTestJsonSchema = lazily(() => jsonSchemaOf(flowTestSchema))

export function deviceJsonSchema(): JsonSchema {
  return { anyOf: siteDrivers.map(driverJsonSchema) }
}

/** A device file is the common keys and the driver's own in one map; so is each of its tags. */
export function driverJsonSchema(driver: SiteDriver): JsonSchema {
  const tag = tagJsonSchema(driver)
  const common = jsonSchemaOf(z.strictObject({ ...commonDeviceShape, driver: z.literal(driver.name).describe('What the device speaks.') }))
  const whole = merged(common, jsonSchemaOf(driver.config))
  return { ...whole, properties: { ...whole.properties, tags: { ...common.properties?.['tags'], additionalProperties: tag } } }
}

/** What may stand under one tag. */
export function tagJsonSchema(driver: SiteDriver): JsonSchema {
  return merged(jsonSchemaOf(z.strictObject(commonTagShape)), jsonSchemaOf(driver.address))
}

/** Both sets of keys in one object. A side that offers several forms keeps its loose edges: what it forbids is told by the loader. */
function merged(common: JsonSchema, own: JsonSchema): JsonSchema {
  const forms = [own, ...(own.anyOf ?? []), ...(own.oneOf ?? []), ...(own.allOf ?? [])]
  const isOneForm = forms.length === 1
  return {
    type: 'object',
    properties: Object.assign({}, common.properties, ...forms.map((form) => form.properties ?? {})),
    required: [...(common.required ?? []), ...(isOneForm ? (own.required ?? []) : [])],
    additionalProperties: false,
  }
}

function titled(title: string, schema: JsonSchema): JsonSchema {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title, ...withoutDialect(schema) } as JsonSchema
}

function withoutDialect(schema: JsonSchema): JsonSchema {
  if (Array.isArray(schema)) return schema.map(withoutDialect) as unknown as JsonSchema
  if (typeof schema !== 'object' || schema === null) return schema
  const entries = Object.entries(schema).filter(([key, value]) => key !== '$schema' || typeof value !== 'string')
  return Object.fromEntries(entries.map(([key, value]) => [key, withoutDialect(value as JsonSchema)])) as JsonSchema
}
