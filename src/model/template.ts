import { compileExpression, type Expression, type ExpressionScope } from './expression.ts'
import type { ExpressionPlace, NamedPlace } from './expression-environments.ts'
import type { ExpressionProblem } from './expression-problem.ts'
import type { ExpressionTypes } from './expression-types.ts'
import { jsonValue } from './payload.ts'
import type { TagValue } from './tag.ts'

/** Any JSON value of a site file; each `${…}` in its strings is an expression. `$${` writes a plain `${`. */
export interface Template {
  /** What stands in `tags['…']` of all its expressions, each once. */
  readonly tags: readonly string[]
  /** Whether it is the same each time. */
  readonly isConstant: boolean
  /** CEL's, of a text with expressions in it; `dyn` where it is not known beforehand. */
  readonly type?: string
  /** undefined where any of its expressions is unknown. A string that is nothing but one `${…}` gives that expression's value, not text. */
  evaluate(scope: ExpressionScope): unknown
}

/** For what `check` has accepted: a template that does not compile is then our own bug. */
export function checkedTemplate(source: unknown, place: ExpressionPlace | NamedPlace): Template {
  const compiled = compileTemplate(source, place)
  if ('template' in compiled) return compiled.template
  throw new Error(`A template that passed the check does not compile: ${compiled.problems[0]?.message}`)
}

export interface TemplateProblem extends ExpressionProblem {
  /** Keys from the template's root to the string it is in. */
  readonly path: readonly (string | number)[]
}

export function compileTemplate(
  source: unknown,
  place: ExpressionPlace | NamedPlace,
  types?: ExpressionTypes,
): { readonly tags: readonly string[] } & ({ readonly template: Template } | { readonly problems: readonly TemplateProblem[] }) {
  const problems: TemplateProblem[] = []
  const tags = new Set<string>()
  const template = compileAny(source, { place, types, problems, tags, path: [] })
  return { tags: [...tags], ...(problems.length === 0 ? { template } : { problems }) }
}

/** The result of a template as a message's payload: text as it is, everything else as JSON. */
export function payloadText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(jsonSafe(value))
}

interface Compiling {
  readonly place: ExpressionPlace | NamedPlace
  readonly types: ExpressionTypes | undefined
  readonly problems: TemplateProblem[]
  /** Of all expressions, those that are wrong included. */
  readonly tags: Set<string>
  readonly path: readonly (string | number)[]
}

function compileAny(source: unknown, at: Compiling): Template {
  if (typeof source === 'string') return compileText(source, at)
  if (Array.isArray(source)) {
    return composed(
      source.map((item, place) => compileAny(item, { ...at, path: [...at.path, place] })),
      (values) => values,
    )
  }
  if (typeof source !== 'object' || source === null) return constant(source)
  const keys = Object.keys(source)
  const parts = Object.entries(source).map(([key, item]) => compileAny(item, { ...at, path: [...at.path, key] }))
  return composed(parts, (values) => Object.fromEntries(keys.map((key, place) => [key, values[place]])))
}

function compileText(text: string, at: Compiling): Template {
  const pieces = split(text)
  const parts: (string | Expression)[] = []
  let type = 'dyn'
  for (const piece of pieces) {
    if (!piece.isExpression) {
      parts.push(piece.text)
      continue
    }
    const compiled = compileExpression(piece.text, at.place, at.types)
    for (const tag of compiled.tags) at.tags.add(tag)
    if ('expression' in compiled) {
      parts.push(compiled.expression)
      type = compiled.type
    } else at.problems.push({ ...compiled.problem, offset: compiled.problem.offset + piece.offset, path: at.path })
  }
  const [only] = parts
  if (parts.length === 1 && typeof only === 'object')
    return { tags: only.tags, isConstant: false, type, evaluate: (scope) => only.evaluateAny(scope) }
  return parts.every((part) => typeof part === 'string') ? constant(parts.join('')) : joined(parts)
}

function constant(value: unknown): Template {
  return { tags: [], isConstant: true, evaluate: () => value }
}

function joined(parts: readonly (string | Expression)[]): Template {
  const evaluate = (scope: ExpressionScope): string | undefined => {
    let text = ''
    for (const part of parts) {
      const value = typeof part === 'string' ? part : part.evaluate(scope)
      if (value === undefined) return undefined
      text += typeof value === 'bigint' ? String(value) : payloadText(value)
    }
    return text
  }
  return { tags: tagsOf(parts.filter((part) => typeof part === 'object')), isConstant: false, type: 'string', evaluate }
}

function composed(parts: readonly Template[], compose: (values: readonly unknown[]) => unknown): Template {
  const evaluate = (scope: ExpressionScope): unknown => {
    const values = parts.map((part) => part.evaluate(scope))
    return values.includes(undefined) ? undefined : compose(values)
  }
  return { tags: tagsOf(parts), isConstant: parts.every((part) => part.isConstant), evaluate }
}

function tagsOf(parts: readonly { readonly tags: readonly string[] }[]): readonly string[] {
  return [...new Set(parts.flatMap((part) => part.tags))]
}

/** The same with values as JSON carries them, however deep. */
export function jsonSafe(value: unknown): unknown {
  if (typeof value === 'bigint' || typeof value === 'number' || value instanceof Uint8Array) return jsonValue(value as TagValue)
  if (Array.isArray(value)) return value.map(jsonSafe)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonSafe(item)]))
}

interface Piece {
  readonly text: string
  readonly isExpression: boolean
  readonly offset: number
}

function split(text: string): readonly Piece[] {
  const pieces: Piece[] = []
  let plain = ''
  let at = 0
  while (at < text.length) {
    if (text.startsWith('$${', at)) {
      plain += '${'
      at += 3
    } else if (text.startsWith('${', at)) {
      if (plain !== '') pieces.push({ text: plain, isExpression: false, offset: 0 })
      plain = ''
      const end = closingBrace(text, at + 2)
      pieces.push({ text: text.slice(at + 2, end), isExpression: true, offset: at + 2 })
      at = end + 1
    } else {
      plain += text[at]
      at += 1
    }
  }
  if (plain !== '' || pieces.length === 0) pieces.push({ text: plain, isExpression: false, offset: 0 })
  return pieces
}

/** The `}` that ends an expression: not one in quotes, and not one that closes a map. The end of the text where there is none. */
function closingBrace(text: string, from: number): number {
  let depth = 0
  let quote = ''
  for (let at = from; at < text.length; at += 1) {
    const character = text[at] ?? ''
    if (quote !== '') {
      if (character === '\\') at += 1
      else if (character === quote) quote = ''
    } else if (character === '"' || character === "'") quote = character
    else if (character === '{') depth += 1
    else if (character === '}') {
      if (depth === 0) return at
      depth -= 1
    }
  }
  return text.length
}
