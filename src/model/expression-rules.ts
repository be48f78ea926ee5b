import type { ASTNode } from '@marcbachmann/cel-js'
import type { ExpressionProblem } from './expression-problem.ts'

export interface TagUse {
  readonly name: string
  readonly start: number
  readonly end: number
}

/** All `tags['…']` of an expression, in the order of the text. */
export function tagUses(ast: ASTNode): readonly TagUse[] {
  const uses: TagUse[] = []
  visit(ast, (node) => {
    const name = tagName(node)
    if (name === undefined) return true
    uses.push({ name, start: node.range.start, end: node.range.end })
    return false
  })
  return uses.sort((a, b) => a.start - b.start)
}

/** A chain of constant keys below a variable: `steps['open'].result` is `steps` and `open`, `result`. */
export interface ReferenceUse {
  readonly root: string
  readonly keys: readonly string[]
  readonly start: number
  /** Where the chain ends after each of its keys; the first is the end of the root itself. */
  readonly ends: readonly number[]
  /** Whether `has(…)` asks for it: that wants the chain as it is. */
  readonly isAskedFor?: boolean
}

/** All chains that begin with one of these variables, the longest each. */
export function referenceUses(ast: ASTNode, roots: ReadonlySet<string>): readonly ReferenceUse[] {
  const uses: ReferenceUse[] = []
  visit(ast, (node) => {
    const [asked] = node.op === 'call' && node.args[0] === 'has' ? node.args[1] : []
    const use = chain(asked ?? node)
    if (use === undefined) return true
    if (roots.has(use.root)) uses.push({ ...use, isAskedFor: asked !== undefined })
    return false
  })
  return uses.sort((a, b) => a.start - b.start)
}

function chain(node: ASTNode): ReferenceUse | undefined {
  if (node.op === 'id') return { root: node.args, keys: [], start: node.range.start, ends: [node.range.end] }
  if (node.op !== '.' && node.op !== '[]') return undefined
  const [object, key] = node.args
  const name = typeof key === 'string' ? key : key.op === 'value' && typeof key.args === 'string' ? key.args : undefined
  const inner = name === undefined ? undefined : chain(object)
  if (inner === undefined || name === undefined) return undefined
  return { ...inner, keys: [...inner.keys, name], ends: [...inner.ends, node.range.end] }
}

/** What CEL allows and Lineside does not: it could hang the control thread, or hide from `check` which tags are meant. */
export function forbiddenUse(ast: ASTNode): ExpressionProblem | undefined {
  let found: ExpressionProblem | undefined
  visit(ast, (node) => {
    if (tagName(node) !== undefined) return false
    found ??= forbidden(node)
    return found === undefined
  })
  return found
}

function forbidden(node: ASTNode): ExpressionProblem | undefined {
  const offset = node.range.start
  if (node.op === 'id' && node.args === 'tags') {
    return { message: '`tags` stands without a tag name in quotes.', remedy: "Name the tag: tags['motor/running'].", offset }
  }
  if (node.op !== 'rcall') return undefined
  const [method, , args] = node.args
  if (method === 'matches') {
    // A backtracking regular expression can hang the thread that talks to the PLCs.
    return { message: 'matches() is not available.', remedy: 'Use contains(), startsWith() or endsWith().', offset }
  }
  if (loops.has(method) && args.some(hasLoop)) {
    return {
      message: `A loop inside ${method}() is not allowed.`,
      remedy: 'Use one loop in an expression, not one inside another.',
      offset,
    }
  }
  return undefined
}

const loops = new Set(['all', 'exists', 'exists_one', 'map', 'filter'])

/** The name that a loop or `cel.bind` gives to something of its own, whatever stands for it outside. */
export function boundName(node: ASTNode): string | undefined {
  if (node.op !== 'rcall') return undefined
  const [method, , [first]] = node.args
  return first?.op === 'id' && (loops.has(method) || method === 'bind') ? first.args : undefined
}

function hasLoop(ast: ASTNode): boolean {
  let found = false
  visit(ast, (node) => {
    found ||= node.op === 'rcall' && loops.has(node.args[0])
    return !found
  })
  return found
}

function tagName(node: ASTNode): string | undefined {
  if (node.op !== '[]') return undefined
  const [object, key] = node.args
  if (object.op !== 'id' || object.args !== 'tags' || key.op !== 'value') return undefined
  return typeof key.args === 'string' ? key.args : undefined
}

/** Depth first; the visitor says whether to go below a node. The parser has bounded the depth. */
function visit(node: ASTNode, visitor: (node: ASTNode) => boolean): void {
  if (!visitor(node)) return
  for (const child of children(node.args)) visit(child, visitor)
}

/** The nodes below; entries of a map are pairs. */
export function children(args: unknown): readonly ASTNode[] {
  if (isNode(args)) return [args]
  return Array.isArray(args) ? args.flatMap(children) : []
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'range' in value
}
