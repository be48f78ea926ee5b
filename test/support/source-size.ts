import { readFileSync } from 'node:fs'
import { parseSync } from '@swc/core'

export interface SourceProblem {
  /** `src/base/door.ts:12` */
  readonly place: string
  readonly problem: string
}

export interface SizeLimits {
  readonly functionLinesMax: number
  readonly fileLinesMax: number
}

interface Node {
  readonly type?: unknown
  readonly span?: { readonly start: number; readonly end: number }
}

const functionTypes = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
  'PrivateMethod',
  'Constructor',
  'MethodProperty',
  'GetterProperty',
  'SetterProperty',
])

/** Functions and files that are longer than allowed, with their place. */
export function oversized(file: string, limits: SizeLimits, text = readFileSync(file, 'utf8')): readonly SourceProblem[] {
  const problems: SourceProblem[] = []
  const lines = text.trimEnd().split('\n').length
  if (lines > limits.fileLinesMax) problems.push({ place: `${file}:1`, problem: `${lines} lines, ${limits.fileLinesMax} allowed` })
  for (const { line, lineCount } of functionsOf(text)) {
    if (lineCount <= limits.functionLinesMax) continue
    problems.push({ place: `${file}:${line}`, problem: `a function of ${lineCount} lines, ${limits.functionLinesMax} allowed` })
  }
  return problems
}

export function functionsOf(text: string): readonly { readonly line: number; readonly lineCount: number }[] {
  // swc counts bytes, goes on counting from one file to the next, and starts a module at its first token: a leading `;` gives the origin.
  const bytes = Buffer.from(`;${text.replace(/^#!/, '//')}`)
  const module = parseSync(bytes.toString(), { syntax: 'typescript', target: 'es2022' })
  const origin = module.span.start
  const lineOf = (position: number): number =>
    bytes
      .subarray(0, position - origin)
      .toString()
      .split('\n').length
  const found: { line: number; lineCount: number }[] = []
  walk(module, (node) => {
    if (node.span === undefined || !functionTypes.has(String(node.type))) return
    const line = lineOf(node.span.start)
    found.push({ line, lineCount: lineOf(node.span.end) - line + 1 })
  })
  return found
}

function walk(node: unknown, visit: (node: Node) => void): void {
  if (typeof node !== 'object' || node === null) return
  if (!Array.isArray(node)) visit(node)
  for (const child of Object.values(node)) walk(child, visit)
}
