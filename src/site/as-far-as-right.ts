import type { z } from 'zod'
import { closestBranch } from './schema-problems.ts'

/** Mistakes in one part of a file; who makes more mends those first. */
const roundsMax = 10

interface Leaving {
  /** Values that are wrong are left out, too, from this level on: what stands there without them is the default. */
  readonly valuesFrom?: number
}

/** What a schema says of a value, and what it would say next once that is mended: a rule over several keys is silent while one of them is wrong. */
export function allIssues(schema: z.ZodType, value: unknown): readonly z.core.$ZodIssue[] {
  const rest: unknown = structuredClone(value)
  const found: z.core.$ZodIssue[] = []
  const removed: Path[] = []
  for (let round = 0; round < roundsMax; round += 1) {
    const parsed = schema.safeParse(rest)
    if (parsed.success) return found
    const isNew = ({ path }: z.core.$ZodIssue): boolean => !removed.some((gone) => gone.every((step, place) => step === path[place]))
    found.push(...parsed.error.issues.filter(isNew))
    const wrong = parsed.error.issues.flatMap((issue) => wrongPlaces(issue, 1)).filter((path) => remove(rest, path))
    if (wrong.length === 0) return found
    removed.push(...wrong)
  }
  return found
}

/**
 * What a part of a file means without its mistyped keys, so that the checks which come later can look at the rest; undefined where it means nothing
 * without what is wrong. Nothing of this is ever run: the mistakes are told of elsewhere, as errors.
 */
export function asFarAsRight<Value>(
  schema: z.ZodType<Value>,
  value: unknown,
  { valuesFrom = Number.POSITIVE_INFINITY }: Leaving = {},
): Value | undefined {
  const rest: unknown = structuredClone(value)
  for (let round = 0; round < roundsMax; round += 1) {
    const parsed = schema.safeParse(rest)
    if (parsed.success) return parsed.data
    const wrong = parsed.error.issues.flatMap((issue) => wrongPlaces(issue, valuesFrom))
    if (!wrong.map((path) => remove(rest, path)).includes(true)) return undefined
  }
  return undefined
}

type Path = readonly PropertyKey[]

function wrongPlaces(issue: z.core.$ZodIssue, valuesFrom: number): readonly Path[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => [...issue.path, key])
  if (issue.code === 'invalid_union') {
    const inner = closestBranch(issue.errors).map((one) => ({ ...one, path: [...issue.path, ...one.path] }))
    return inner.flatMap((one) => wrongPlaces(one, valuesFrom))
  }
  return issue.path.length >= valuesFrom ? [issue.path] : []
}

function remove(root: unknown, path: Path): boolean {
  const holder = path.slice(0, -1).reduce<unknown>((value, step) => {
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<PropertyKey, unknown>>)[step] : undefined
  }, root)
  const key = path.at(-1)
  if (typeof holder !== 'object' || holder === null || Array.isArray(holder) || key === undefined || !Object.hasOwn(holder, key))
    return false
  return Reflect.deleteProperty(holder, key)
}
