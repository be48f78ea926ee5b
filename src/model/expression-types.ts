import type { ASTNode, TypeCheckResult } from '@marcbachmann/cel-js'
import { celEnvironments } from './expression-environments.ts'
import { celProblem, type ExpressionProblem } from './expression-problem.ts'
import { type Rewritten, variable, withVariables } from './expression-rewrite.ts'
import { referenceUses, type TagUse, tagUses } from './expression-rules.ts'
import type { ValueType } from './tag.ts'

/** What is known of the types beforehand; undefined where only the device knows. */
export interface ExpressionTypes {
  tag(name: string): ValueType | undefined
  /** Of the tag that triggers. */
  readonly value?: ValueType
  /** What stands below `input`, `vars`, `steps`, `trigger`, `run` and the names of the place, where it is known. */
  reference?(root: string, keys: readonly string[]): Reference | undefined
}

/** The type of the value after so many keys of a chain, or why there is nothing. */
export type Reference =
  | { readonly type: ValueType | undefined; readonly keys: number }
  | { readonly problem: Omit<ExpressionProblem, 'offset'> }

export interface Typed {
  readonly type?: string
  readonly problem?: ExpressionProblem
}

interface TypedText {
  readonly rewritten: Rewritten
  readonly names: readonly string[]
  readonly value: ValueType | undefined
  readonly types: ReadonlyMap<string, ValueType | undefined>
}

const roots = ['input', 'vars', 'steps', 'trigger', 'run'] as const

/**
 * A text that is compared with a number, a number where a condition is wanted: CEL would find out at each evaluation, and it would always be
 * unknown. Numbers are looked at twice, for as doubles they would not mix with ints as they do when it runs: then only what they break for
 * certain counts.
 */
export function typeOf(
  text: string,
  { ast, names, types }: { readonly ast: ASTNode; readonly names: readonly string[]; readonly types: ExpressionTypes },
): Typed {
  const known = new Map<string, ValueType | undefined>()
  const uses: TagUse[] = tagUses(ast).map((use) => ({ ...use, name: `tags ${use.name}` }))
  for (const { name } of uses) known.set(name, types.tag(name.slice(5)))
  for (const { root, keys, start, ends } of referenceUses(ast, new Set([...roots, ...names]))) {
    const reference = types.reference?.(root, keys)
    if (reference === undefined) continue
    if ('problem' in reference) return { problem: { ...reference.problem, offset: start } }
    const name = `${root} ${JSON.stringify(keys.slice(0, reference.keys))}`
    known.set(name, reference.type)
    uses.push({ name, start, end: ends[reference.keys] ?? start })
  }
  uses.sort((a, b) => a.start - b.start)
  return typeOfText({ rewritten: withVariables(text, uses), names, value: types.value, types: known })
}

function typeOfText(text: TypedText): Typed {
  const loose = checkTyped(text, 'dyn')
  if (!loose.valid) return { problem: placed(loose.error, text.rewritten) }
  const strict = checkTyped(text, 'double')
  if (strict.valid) return { type: strict.type ?? 'dyn' }
  return isCertain(strict.error) ? { problem: placed(strict.error, text.rewritten) } : {}
}

function checkTyped({ rewritten, names, value, types }: TypedText, number: 'dyn' | 'double'): TypeCheckResult {
  const typed = celEnvironments().typed(names)
  const celType = (type: ValueType | undefined): string => (type === undefined ? 'dyn' : (celTypes[type] ?? number))
  typed.registerVariable('value', celType(value))
  for (const [place, name] of rewritten.names.entries()) typed.registerVariable(variable(place), celType(types.get(name)))
  return typed.check(rewritten.variableText)
}

function isCertain(error: TypeCheckResult['error']): boolean {
  return error?.code === 'invalid_logical_operand' || (error?.code === 'no_such_overload' && error.summary.endsWith('!double'))
}

function placed(error: unknown, { originalOffset }: Rewritten): ExpressionProblem {
  const problem = celProblem(error)
  return { ...problem, offset: originalOffset(problem.offset) }
}

const celTypes: Readonly<Partial<Record<ValueType, string>>> = { bool: 'bool', string: 'string', time: 'string', bytes: 'bytes' }
