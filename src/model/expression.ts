import type { TypeCheckResult } from '@marcbachmann/cel-js'
import { celEnvironments, type ExpressionPlace } from './expression-environments.ts'
import { celProblem, type ExpressionProblem } from './expression-problem.ts'
import { type Rewritten, variable, withVariables } from './expression-rewrite.ts'
import { forbiddenUse, tagUses } from './expression-rules.ts'
import type { Quality } from './quality.ts'
import type { Sample } from './sample.ts'
import type { TagValue, ValueType } from './tag.ts'

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

/** What is known of the types beforehand; undefined where only the device knows. */
export interface ExpressionTypes {
  tag(name: string): ValueType | undefined
  /** Of the tag that triggers. */
  readonly value?: ValueType
}

const textLengthMax = 4_000

/** Thrown (never seen outside) where an operand is unknown. One object for all: taking a stack trace a million times an hour is what would cost. */
const unknownOperand = new Error('An operand is unknown.')

type Compiled = { readonly expression: Expression } | { readonly problem: ExpressionProblem }

export function compileExpression(text: string, place: ExpressionPlace, types?: ExpressionTypes): Compiled {
  const compiled = compile(text, place, types)
  return 'problem' in compiled ? compiled : { expression: compiled.expression }
}

/** Compiles what must be a condition: true, false or unknown. */
export function compileCondition(text: string, place: ExpressionPlace, types?: ExpressionTypes): Compiled {
  const compiled = compile(text, place, types)
  if ('problem' in compiled) return compiled
  const { type, expression } = compiled
  if (type === 'bool' || type === 'dyn') return { expression }
  const remedy = 'Compare it with something, so that it is true or false.'
  return { problem: { message: `This is ${kinds[type] ?? `of the type ${type}`}, and no condition.`, remedy, offset: 0 } }
}

const kinds: Readonly<Record<string, string>> = { double: 'a number', int: 'a number', string: 'a text' }

function compile(
  text: string,
  place: ExpressionPlace,
  types: ExpressionTypes | undefined,
): { readonly expression: Expression; readonly type: string } | { readonly problem: ExpressionProblem } {
  if (text.length > textLengthMax) return { problem: tooLong(text) }
  try {
    const parsed = celEnvironments().of[place].parse(text)
    const forbidden = forbiddenUse(parsed.ast)
    if (forbidden) return { problem: forbidden }
    const checked = parsed.check()
    if (!checked.valid) return { problem: celProblem(checked.error) }
    const rewritten = withVariables(text, tagUses(parsed.ast))
    const typed = types === undefined ? {} : typeOf(rewritten, types)
    if (typed.problem) return { problem: typed.problem }
    return { expression: runnable(text, rewritten), type: typed.type ?? checked.type ?? 'dyn' }
  } catch (error) {
    return { problem: celProblem(error) }
  }
}

/** For what `check` has accepted: a text that does not compile is then our own bug. */
export function checkedExpression(text: string, place: ExpressionPlace): Expression {
  const compiled = compileExpression(text, place)
  if ('expression' in compiled) return compiled.expression
  throw new Error(`An expression that passed the check does not compile: ${compiled.problem.message}`)
}

/** Parsed again at the first evaluation: `check` never comes to it. */
function runnable(text: string, { names, variableText }: Rewritten): Expression {
  const context = new ExpressionContext(names)
  let run: ((context: object) => unknown) | undefined
  const evaluate = (scope: ExpressionScope): TagValue | undefined => {
    context.scope = scope
    try {
      run ??= celEnvironments().run.parse(variableText)
      return plainValue(run(context))
    } catch {
      return undefined
    }
  }
  return { text, tags: names, evaluate, isTrue: (scope) => evaluate(scope) === true }
}

interface Typed {
  readonly type?: string
  readonly problem?: ExpressionProblem
}

/**
 * A text that is compared with a number, a number where a condition is wanted: CEL would find out at each evaluation, and it would always be
 * unknown. Numbers are looked at twice, for as doubles they would not mix with ints as they do when it runs: then only what they break for
 * certain counts.
 */
function typeOf(rewritten: Rewritten, types: ExpressionTypes): Typed {
  const loose = checkTyped(rewritten, types, 'dyn')
  if (!loose.valid) return { problem: placed(loose.error, rewritten) }
  const strict = checkTyped(rewritten, types, 'double')
  if (strict.valid) return { type: strict.type ?? 'dyn' }
  return isCertain(strict.error) ? { problem: placed(strict.error, rewritten) } : {}
}

function checkTyped({ names, variableText }: Rewritten, types: ExpressionTypes, number: 'dyn' | 'double'): TypeCheckResult {
  const typed = celEnvironments().typed.clone()
  const celType = (type: ValueType | undefined): string => (type === undefined ? 'dyn' : (celTypes[type] ?? number))
  typed.registerVariable('value', celType(types.value))
  for (const [place, name] of names.entries()) typed.registerVariable(variable(place), celType(types.tag(name)))
  return typed.check(variableText)
}

function isCertain(error: TypeCheckResult['error']): boolean {
  return error?.code === 'invalid_logical_operand' || (error?.code === 'no_such_overload' && error.summary.endsWith('!double'))
}

function placed(error: unknown, { originalOffset }: Rewritten): ExpressionProblem {
  const problem = celProblem(error)
  return { ...problem, offset: originalOffset(problem.offset) }
}

const celTypes: Readonly<Partial<Record<ValueType, string>>> = { bool: 'bool', string: 'string', time: 'string', bytes: 'bytes' }

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

function tooLong(text: string): ExpressionProblem {
  return {
    message: `The expression has ${text.length} characters; ${textLengthMax} are allowed.`,
    remedy: 'Split it, or compute part of it in the PLC.',
    offset: 0,
  }
}
