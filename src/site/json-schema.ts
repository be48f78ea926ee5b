import { z } from 'zod'
import type { Path } from './source.ts'

/** The part of JSON Schema 2020-12 that is looked into here. */
export interface JsonSchema {
  readonly type?: string
  readonly description?: string
  readonly pattern?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema | boolean
  readonly prefixItems?: readonly JsonSchema[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  /** Schemas that contain themselves, such as steps within steps. */
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, JsonSchema>>
}

/** As editors want it: what people may write, before defaults and conversions. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
}

/** All schemas that a value at `path` could follow. */
export function schemasAt(root: JsonSchema, path: Path): readonly JsonSchema[] {
  return path.reduce<readonly JsonSchema[]>(
    (schemas, step) => schemas.flatMap((schema) => below(schema, step, root)),
    alternatives(root, root),
  )
}

/** The keys that may stand in a map at `path`. */
export function knownKeys(root: JsonSchema, path: Path): readonly string[] {
  return [...new Set(schemasAt(root, path).flatMap((schema) => Object.keys(schema.properties ?? {})))]
}

/** What the schemas say about a path, for people. */
export function describedAt(root: JsonSchema, path: Path): string | undefined {
  return schemasAt(root, path).find((schema) => schema.description !== undefined)?.description
}

function below(schema: JsonSchema, step: string | number, root: JsonSchema): readonly JsonSchema[] {
  const found = typeof step === 'number' ? (schema.prefixItems?.[step] ?? schema.items) : property(schema, step)
  return typeof found === 'object' ? alternatives(found, root) : []
}

function property(schema: JsonSchema, key: string): JsonSchema | boolean | undefined {
  const { properties = {}, additionalProperties } = schema
  return Object.hasOwn(properties, key) ? properties[key] : additionalProperties
}

function alternatives(schema: JsonSchema, root: JsonSchema): readonly JsonSchema[] {
  const target = schema.$ref === undefined ? undefined : root.$defs?.[schema.$ref.replace('#/$defs/', '')]
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? []), ...(target === undefined ? [] : [target])]
  return [schema, ...inner.flatMap((one) => alternatives(one, root))]
}

/** Made when it is first asked for: a site without problems needs no JSON Schema at all. */
export function lazily(make: () => JsonSchema): () => JsonSchema {
  let made: JsonSchema | undefined
  return () => {
    made ??= make()
    return made
  }
}
