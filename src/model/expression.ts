import { type ASTNode, Environment } from '@marcbachmann/cel-js'
import { type Operators, registerMixedNumbers } from './expression-numbers.ts'
import type { ExpressionProblem } from './expression-problem.ts'
import { forbiddenUse, tagUses } from './expression-rules.ts'
import type { Quality, Sample } from './sample.ts'
import type { TagValue } from './tag.ts'

/**
 * The one language of conditions and computed values: CEL. A compiled expression is evaluated thousands of times a second, never throws,
 * and has three outcomes: a value, or `undefined` for unknown. Unknown is never true.
 */
export interface Expression {
  readonly text: string
  /** What stands in `tags['…']`, each once. */
  readonly tags: readonly string[]
  /** undefined is unknown: an operand is missing, null, bad or of a type the operator does not know. */
  evaluate(scope: ExpressionScope): TagValue | undefined
  /** Whether the expression is known and true: what a trigger, an alarm and an interlock ask. */
  isTrue(scope: ExpressionScope): boolean
}

/** What an expression may look at. Whole numbers and fractions mix freely, 64-bit integers included. */
export interface ExpressionScope {
  /** The current sample of a tag. None, no value, and a quality that is bad or stale make whatever needs it unknown. */
  tag(name: string): Pick<Sample, 'value' | 'quality'> | undefined
  /** Flows: the value of the tag that triggered. */
  readonly value?: TagValue | null
  /** Flows: the quality of the tag that triggered. While it is bad or stale, `value` is unknown. */
  readonly quality?: Quality
  /** Flows: what started the run, `trigger.tag`, `trigger.value`, `trigger.time`, … */
  readonly trigger?: Readonly<Record<string, unknown>>
}

/** `device`: `tags['…']` only. `flow`: also `value`, `quality` and `trigger`. */
export type ExpressionPlace = 'device' | 'flow'

/** Far above what a person writes; a text past them is an accident or an attack. */
const limits = { maxAstNodes: 500, maxDepth: 40, maxListElements: 100, maxMapEntries: 50, maxCallArguments: 8 } as const
const textLengthMax = 4_000

/** Thrown (never seen outside) where an operand is unknown. One object for all: taking a stack trace a million times an hour is what would cost. */
const unknownOperand = new Error('An operand is unknown.')

const environments: Readonly<Record<ExpressionPlace, Environment>> = {
  device: checkedEnvironment([]),
  flow: checkedEnvironment(['value', 'quality', 'trigger']),
}
const runEnvironment = withMixedNumbers(new Environment({ limits, unlistedVariablesAreDyn: true, homogeneousAggregateLiterals: false }))

export function compileExpression(
  text: string,
  place: ExpressionPlace,
): { readonly expression: Expression } | { readonly problem: ExpressionProblem } {
  if (text.length > textLengthMax) return { problem: tooLong(text) }
  try {
    const parsed = environments[place].parse(text)
    const forbidden = forbiddenUse(parsed.ast)
    if (forbidden) return { problem: forbidden }
    const checked = parsed.check()
    if (!checked.valid) return { problem: celProblem(checked.error) }
    return { expression: runnable(text, parsed.ast) }
  } catch (error) {
    return { problem: celProblem(error) }
  }
}

/** Compiles what must be a condition: true, false or unknown. */
export function compileCondition(text: string, place: ExpressionPlace): ReturnType<typeof compileExpression> {
  const compiled = compileExpression(text, place)
  if ('problem' in compiled) return compiled
  const type = environments[place].check(text).type ?? 'dyn'
  if (type === 'bool' || type === 'dyn') return compiled
  return {
    problem: {
      message: `This is a ${type}, not a condition.`,
      remedy: 'Compare it with something, so that it is true or false.',
      offset: 0,
    },
  }
}

/** For what `check` has accepted: a text that does not compile is then our own bug. */
export function checkedExpression(text: string, place: ExpressionPlace): Expression {
  const compiled = compileExpression(text, place)
  if ('expression' in compiled) return compiled.expression
  throw new Error(`An expression that passed the check does not compile: ${compiled.problem.message}`)
}

/** Each `tags['…']` becomes a variable of its own, read through a getter: no map is built for an evaluation. */
function runnable(text: string, ast: ASTNode): Expression {
  const uses = tagUses(ast)
  const names = [...new Set(uses.map((use) => use.name))]
  const run = runEnvironment.parse(withVariables(text, uses, names))
  const context = new ExpressionContext(names)
  const evaluate = (scope: ExpressionScope): TagValue | undefined => {
    context.scope = scope
    try {
      return plainValue(run(context))
    } catch {
      return undefined
    }
  }
  return { text, tags: names, evaluate, isTrue: (scope) => evaluate(scope) === true }
}

function withVariables(text: string, uses: ReturnType<typeof tagUses>, names: readonly string[]): string {
  let rewritten = ''
  let from = 0
  for (const use of uses) {
    rewritten += `${text.slice(from, use.start)}${variable(names.indexOf(use.name))}`
    from = use.end
  }
  return rewritten + text.slice(from)
}

function variable(place: number): string {
  return `lineside_tag_${place}`
}

const noScope: ExpressionScope = { tag: () => undefined }

class ExpressionContext {
  scope: ExpressionScope = noScope

  constructor(names: readonly string[]) {
    for (const [place, name] of names.entries()) {
      Object.defineProperty(this, variable(place), { get: () => operandOf(this.scope.tag(name)) })
    }
  }

  get value(): TagValue {
    const { quality = 'good', value = null } = this.scope
    return operandOf({ value, quality })
  }

  get quality(): Quality {
    return known(this.scope.quality)
  }

  get trigger(): Readonly<Record<string, unknown>> {
    return known(this.scope.trigger)
  }
}

function operandOf(sample: Pick<Sample, 'value' | 'quality'> | undefined): TagValue {
  if (sample === undefined || sample.quality === 'bad' || sample.quality === 'stale') throw unknownOperand
  return operand(sample.value)
}

/** Not-a-number is no measurement: compared with anything it would be false, and an interlock with `!` in it true. */
function operand(value: TagValue | null): TagValue {
  const present = known(value)
  if (typeof present === 'number' && Number.isNaN(present)) throw unknownOperand
  return present instanceof Uint8Array && present.constructor !== Uint8Array ? new Uint8Array(present) : present
}

function known<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw unknownOperand
  return value
}

/** CEL's whole numbers are bigint; ours are only where a number cannot hold them. */
function plainValue(result: unknown): TagValue | undefined {
  switch (typeof result) {
    case 'boolean':
    case 'string':
      return result
    case 'number':
      return Number.isFinite(result) ? result : undefined
    case 'bigint':
      return Number.isSafeInteger(Number(result)) ? Number(result) : result
    default:
      return plainObject(result)
  }
}

function plainObject(result: unknown): TagValue | undefined {
  if (result instanceof Uint8Array) return result
  if (!Array.isArray(result)) return undefined
  const items = result.map(plainValue)
  return items.some((item) => item === undefined || Array.isArray(item)) ? undefined : (items as TagValue)
}

function checkedEnvironment(variables: readonly string[]): Environment {
  const environment = withMixedNumbers(new Environment({ limits, homogeneousAggregateLiterals: false }))
  environment.registerVariable('tags', 'map')
  for (const name of variables) environment.registerVariable(name, 'dyn')
  return environment
}

function withMixedNumbers(environment: Environment): Environment {
  registerMixedNumbers(environment as unknown as Operators)
  return environment
}

function tooLong(text: string): ExpressionProblem {
  return {
    message: `The expression has ${text.length} characters; ${textLengthMax} are allowed.`,
    remedy: 'Split it, or compute part of it in the PLC.',
    offset: 0,
  }
}

/** The library's errors carry `summary` and `range`; anything else is a text it choked on. */
function celProblem(error: unknown): ExpressionProblem {
  const { summary, range } = error as { readonly summary?: unknown; readonly range?: { readonly start: number } }
  return {
    message: typeof summary === 'string' ? `${summary}.` : 'This is no CEL expression.',
    remedy: "Write it like tags['filler/level'] > 80 && !tags['filler/running'].",
    offset: range?.start ?? 0,
  }
}
