import type { ASTNode } from '@marcbachmann/cel-js'
import { type ExpressionProblem, nothingBelow, typesRemedy } from './expression-problem.ts'
import { boundName, children } from './expression-rules.ts'

/** What a value is, whatever its size: whole numbers and fractions mix, and no two of these ever do but moments and durations. */
export type Kind = 'number' | 'text' | 'bool' | 'bytes' | 'moment' | 'duration'

/** Of the variables; undefined where it is not known beforehand. */
export type KindOf = (variable: string) => Kind | undefined

/**
 * The first place where a number meets what is none. Whatever the values, CEL finds it unknown, or never equal: nobody can mean that. The CEL
 * library itself cannot tell, for to it a whole number and a fraction are as far apart as a number and a text.
 */
export function kindProblem(ast: ASTNode, kindOf: KindOf): ExpressionProblem | undefined {
  const bound = boundName(ast)
  const inside: KindOf = bound === undefined ? kindOf : (name) => (name === bound ? undefined : kindOf(name))
  for (const child of children(ast.args)) {
    const problem = kindProblem(child, inside)
    if (problem !== undefined) return problem
  }
  const mistake = mistakeOf(ast, (node) => kindOfNode(node, kindOf))
  return mistake === undefined ? undefined : { ...mistake, offset: ast.range.start }
}

type Mistake = Omit<ExpressionProblem, 'offset'>

function mistakeOf(node: ASTNode, kind: (node: ASTNode) => Kind | undefined): Mistake | undefined {
  switch (node.op) {
    case '==':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
    case '+':
    case '-':
    case '*':
    case '/':
    case '%': {
      const [left, right] = node.args
      return apart(kind(left), node.op, kind(right))
    }
    case 'in': {
      const [left, right] = node.args
      return right.op === 'list' ? inNone(kind(left), right.args.map(kind)) : undefined
    }
    case '&&':
    case '||':
      return node.args.map(kind).includes('number') ? noCondition : undefined
    case '!_':
      return kind(node.args) === 'number' ? noCondition : undefined
    case '?:':
      return kind(node.args[0]) === 'number' ? noCondition : undefined
    case '.':
      return below(kind(node.args[0]), `.${node.args[1]}`)
    case '[]':
      return below(kind(node.args[0]), '[…]')
    default:
      return undefined
  }
}

function below(kind: Kind | undefined, part: string): Mistake | undefined {
  return kind === undefined ? undefined : nothingBelow(kind, part)
}

const noCondition: Mistake = {
  message: 'A number stands where a condition is due.',
  remedy: 'Compare it with something, so that it is true or false.',
}

function apart(left: Kind | undefined, sign: string, right: Kind | undefined): Mistake | undefined {
  if (left === undefined || right === undefined || left === right || (left !== 'number' && right !== 'number')) return undefined
  return { message: `Types that do not go together: ${left} ${sign} ${right}.`, remedy: typesRemedy }
}

function inNone(kind: Kind | undefined, items: readonly (Kind | undefined)[]): Mistake | undefined {
  const mistakes = items.map((item) => apart(kind, 'in', item))
  return mistakes.includes(undefined) ? undefined : mistakes[0]
}

export function kindOfNode(node: ASTNode, kindOf: KindOf): Kind | undefined {
  const kind = (child: ASTNode): Kind | undefined => kindOfNode(child, kindOf)
  switch (node.op) {
    case 'value':
      return literalKind(node.args)
    case 'id':
      return kindOf(node.args)
    case '-_':
      return kind(node.args) === 'number' ? 'number' : undefined
    case '+':
    case '-':
    case '*':
    case '/':
    case '%': {
      // A number goes with numbers alone: there is no other result. Two texts are one text.
      const kinds = node.args.map(kind)
      return kinds.includes('number') ? 'number' : kinds.includes('text') ? 'text' : undefined
    }
    case '?:': {
      const [, first, second] = node.args.map(kind)
      return first === second ? first : undefined
    }
    case 'call':
      return callKinds[node.args[0]]
    default:
      return conditions.has(node.op) ? 'bool' : undefined
  }
}

function literalKind(value: unknown): Kind | undefined {
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return 'number'
    case 'string':
      return 'text'
    case 'boolean':
      return 'bool'
    default:
      return value instanceof Uint8Array ? 'bytes' : undefined
  }
}

const conditions: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', 'in', '&&', '||', '!_'])

const callKinds: Readonly<Partial<Record<string, Kind>>> = {
  size: 'number',
  int: 'number',
  uint: 'number',
  double: 'number',
  string: 'text',
  bool: 'bool',
  bytes: 'bytes',
  timestamp: 'moment',
  duration: 'duration',
  has: 'bool',
}
