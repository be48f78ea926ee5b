import type { z } from 'zod'
import { suggestion } from './did-you-mean.ts'
import { describedAt, type JsonSchema, knownKeys, schemasAt } from './json-schema.ts'
import type { ProblemList } from './problems.ts'
import type { Path, SourceFile } from './source.ts'

export interface SchemaContext {
  readonly source: SourceFile
  /** Of the whole file; made only when there is something to report. */
  readonly schema: () => JsonSchema
  readonly problems: ProblemList
  /** Where in the file the parsed value stands. */
  readonly at?: Path
}

type Issue = z.core.$ZodIssue

/** What zod found, in the words of somebody who writes site files. */
export function reportIssues(error: { readonly issues: readonly Issue[] }, context: SchemaContext): void {
  for (const issue of error.issues) reportIssue(issue, context)
}

function reportIssue(issue: Issue, context: SchemaContext): void {
  const path = [...(context.at ?? []), ...(issue.path as Path)]
  switch (issue.code) {
    case 'unrecognized_keys':
      for (const key of issue.keys) reportUnknownKey(key, path, context)
      return
    case 'invalid_union':
      for (const inner of closestBranch(issue.errors)) reportIssue({ ...inner, path: [...issue.path, ...inner.path] }, context)
      if (issue.errors.length === 0) report(path, issue, context)
      return
    case 'invalid_key':
      report(path, { ...(issue.issues[0] ?? issue), isKey: true }, context)
      return
    default:
      report(path, issue, context)
  }
}

function reportUnknownKey(key: string, path: Path, { source, schema, problems }: SchemaContext): void {
  const known = knownKeys(schema(), path)
  const where = path.length === 0 ? 'here' : `in \`${shownPath(path)}\``
  problems.add(
    source,
    { path: [...path, key], part: 'key' },
    { code: 'site.unknown-key', message: `There is no key \`${key.slice(0, 100)}\` ${where}.`, remedy: suggestion(key, known) },
  )
}

function report(path: Path, issue: Issue & { readonly isKey?: boolean }, context: SchemaContext): void {
  const { source, schema, problems } = context
  const value = valueAt(source.value, path)
  const description = issue.isKey ? undefined : describedAt(schema(), path)
  const name = path.length === 0 ? 'The file' : `\`${shownPath(path)}\``
  if (value === undefined && issue.code === 'invalid_type') {
    const remedy = `Add \`${path.at(-1)}:\`.${description === undefined ? '' : ` ${description}`}`
    problems.add(source, { path, part: 'key' }, { code: 'site.missing', message: `${name} is missing.`, remedy })
    return
  }
  const { message, remedy } = wording(issue, value, unitOf(schema(), path))
  problems.add(
    source,
    { path, part: issue.isKey ? 'key' : 'value' },
    {
      code: issue.isKey ? 'site.key' : (codes[issue.code] ?? 'site.value'),
      message: `${name}: ${message}.`,
      remedy:
        description === undefined && remedy === undefined
          ? 'Write it as the message says; `lineside schema` shows what may stand here.'
          : [remedy ?? 'Write it as the message says.', description].filter((text) => text !== undefined).join(' '),
    },
  )
}

const codes: Readonly<Record<string, string>> = { invalid_type: 'site.type', invalid_value: 'site.choice' }

interface Wording {
  readonly message: string
  readonly remedy?: string
}

function wording(issue: Issue, value: unknown, unit: Unit | undefined): Wording {
  switch (issue.code) {
    case 'invalid_type':
      if (typeof value === 'number' && unit !== undefined)
        return { message: `${value} of what? ${unit.message}`, remedy: `Write ${value}${unit.example}.` }
      return {
        message: `must be ${kinds[issue.expected] ?? issue.expected}, and is ${shown(value)}`,
        remedy: `Write ${kinds[issue.expected] ?? issue.expected}.`,
      }
    case 'invalid_value': {
      const choices = issue.values.map(String)
      const known = choices.length === 1 ? `must be ${choices[0]}` : `must be one of ${choices.join(', ')}`
      return { message: `${known}, and is ${shown(value)}`, remedy: suggestion(typeof value === 'string' ? value : '', choices) }
    }
    case 'too_small':
      return bound(issue.inclusive === false ? 'above' : 'at least', issue.minimum, issue.origin)
    case 'too_big':
      return bound(issue.inclusive === false ? 'below' : 'at most', issue.maximum, issue.origin)
    default:
      return { message: issue.message.replace(/\.$/, '') }
  }
}

function bound(word: string, limit: number | bigint, origin: string): Wording {
  const counted = countedThings[origin]
  const message = counted === undefined ? `must be ${word} ${limit}` : `must have ${word} ${limit} ${counted}`
  return { message, remedy: 'Change it to fit.' }
}

interface Unit {
  readonly message: string
  readonly example: string
}

/** A duration or a size is a text with its unit; a bare number is the commonest mistake. */
function unitOf(root: JsonSchema, path: Path): Unit | undefined {
  const patterns = schemasAt(root, path).map((schema) => schema.pattern ?? '')
  if (patterns.some((pattern) => pattern.endsWith('(ms|s|m|h|d)$')))
    return { message: 'A duration has its unit with it', example: 'ms, or with s, m, h or d' }
  if (patterns.some((pattern) => pattern.endsWith('(B|KiB|MiB|GiB|TiB)$')))
    return { message: 'A size has its unit with it', example: 'B, or with KiB, MiB or GiB' }
  return undefined
}

const countedThings: Readonly<Record<string, string>> = {
  string: 'characters',
  array: 'entries',
  tuple: 'entries',
  map: 'entries',
  object: 'keys',
  record: 'keys',
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a map of keys and values',
  record: 'a map of keys and values',
}

/** Of the forms a value could have, the one that its writer most likely meant: the fewest keys that are wrong, then the fewest problems. */
export function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const kindsAtRoot = branches.flatMap((issues) => issues.filter((issue) => issue.path.length === 0 && issue.code === 'invalid_type'))
  if (kindsAtRoot.length === branches.length && branches.length > 1) return [anyOfKinds(kindsAtRoot)]
  const scored = branches.map((issues) => ({ issues, score: issues.reduce((sum, issue) => sum + weight(issue), 0) }))
  return scored.toSorted((a, b) => a.score - b.score)[0]?.issues ?? []
}

function weight(issue: Issue): number {
  if (issue.code === 'unrecognized_keys') return issue.path.length === 0 ? 10 * issue.keys.length : 1
  return issue.code === 'invalid_type' && issue.path.length <= 1 ? 10 : 1
}

function anyOfKinds(issues: readonly Issue[]): Issue {
  const expected = [...new Set(issues.map((issue) => (issue.code === 'invalid_type' ? (kinds[issue.expected] ?? issue.expected) : '')))]
  return { code: 'invalid_type', path: [], message: '', expected: expected.join(' or ') as 'string', input: undefined }
}

/** Of the data itself, never of what all objects inherit. */
export function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, step) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    return (value as Readonly<Record<string | number, unknown>>)[step]
  }, root)
}

function shownPath(path: Path): string {
  return path.map((step) => String(step).slice(0, 100)).join(' › ')
}

function shown(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  return typeof value === 'string' ? `the text "${value.slice(0, 60)}"` : String(value)
}
