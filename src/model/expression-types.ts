import type { ASTNode } from '@marcbachmann/cel-js'
import { celEnvironments } from './expression-environments.ts'
import { type Kind, type KindOf, kindOfNode, kindProblem } from './expression-kinds.ts'
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

const roots = ['input', 'vars', 'steps', 'trigger', 'run'] as const

/**
 * A text that is compared with a number, a number where a condition is wanted: CEL would find out at each evaluation, and it would always be
 * unknown. It looks at it first with numbers of no known type, for as doubles they would not mix with ints as they do when it runs; what a number
 * cannot go with is found by its kind.
 */
export function typeOf(
  text: string,
  { ast, names, types }: { readonly ast: ASTNode; readonly names: readonly string[]; readonly types: ExpressionTypes },
): Typed {
  const known = new Map<string, ValueType | undefined>()
  const uses: TagUse[] = tagUses(ast).map((use) => ({ ...use, name: `tags ${use.name}` }))
  for (const { name } of uses) known.set(name, types.tag(name.slice(5)))
  for (const { root, keys, start, ends, isAskedFor } of referenceUses(ast, new Set([...roots, ...names]))) {
    const reference = types.reference?.(root, keys)
    if (reference === undefined) continue
    if ('problem' in reference) return { problem: { ...reference.problem, offset: start } }
    if (isAskedFor === true) continue
    const name = `${root} ${JSON.stringify(keys.slice(0, reference.keys))}`
    known.set(name, reference.type)
    uses.push({ name, start, end: ends[reference.keys] ?? start })
  }
  uses.sort((a, b) => a.start - b.start)
  const rewritten = withVariables(text, uses)
  const variables = new Map([['value', types.value], ...rewritten.names.map((name, place) => [variable(place), known.get(name)] as const)])
  return typeOfText(rewritten, { names, variables })
}

function typeOfText(
  { variableText, originalOffset }: Rewritten,
  { names, variables }: { readonly names: readonly string[]; readonly variables: ReadonlyMap<string, ValueType | undefined> },
): Typed {
  const typed = celEnvironments().typed(names)
  for (const [name, type] of variables) typed.registerVariable(name, (type === undefined ? undefined : celTypes[type]) ?? 'dyn')
  const { ast, check } = typed.parse(variableText)
  const checked = check()
  const kindOf: KindOf = (name) => kindOfType(variables.get(name))
  const problem = checked.valid ? kindProblem(ast, kindOf) : celProblem(checked.error)
  if (problem !== undefined) return { problem: { ...problem, offset: originalOffset(problem.offset) } }
  const type = checked.type ?? 'dyn'
  return { type: type === 'dyn' && kindOfNode(ast, kindOf) === 'number' ? 'double' : type }
}

function kindOfType(type: ValueType | undefined): Kind | undefined {
  const celType = type === undefined ? undefined : celTypes[type]
  if (celType === undefined) return type === undefined ? undefined : 'number'
  return celType === 'string' ? 'text' : celType
}

/** Of what is no number. */
const celTypes: Readonly<Partial<Record<ValueType, 'bool' | 'string' | 'bytes'>>> = {
  bool: 'bool',
  string: 'string',
  time: 'string',
  bytes: 'bytes',
}
