import { celEnvironments, type ExpressionPlace, type NamedPlace, namesOf, variablesAt } from './expression-environments.ts'
import { celProblem, type ExpressionProblem } from './expression-problem.ts'
import { type Rewritten, variable, withVariables } from './expression-rewrite.ts'
import { forbiddenUse, tagUses } from './expression-rules.ts'
import { type ExpressionTypes, type Typed, typeOf } from './expression-types.ts'
import type { Quality } from './quality.ts'
import type { Sample } from './sample.ts'
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
  /** The same, where maps, null and lists of lists are values as well. */
  evaluateAny(scope: ExpressionScope): unknown
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
  /** Of the run. */
  readonly input?: Readonly<Record<string, unknown>>
  /** What the run's `set` steps have set. */
  readonly vars?: Readonly<Record<string, unknown>>
  /** By the ids of the steps that have ended: `result`, `status`, `failed`. */
  readonly steps?: Readonly<Record<string, unknown>>
  /** The run itself: `id`, `flow`, `version`. */
  readonly run?: Readonly<Record<string, unknown>>
  /** What stands for the names of the place, such as `item` and `index`. */
  readonly names?: Readonly<Record<string, unknown>>
}

const textLengthMax = 4_000

/** Thrown (never seen outside) where an operand is unknown. One object for all: taking a stack trace a million times an hour is what would cost. */
const unknownOperand = new Error('An operand is unknown.')

/**
 * `type` is CEL's, `dyn` where it is not known beforehand. `tags` stand in the text, also in one that is wrong for another reason, as far as it
 * could be read.
 */
export type Compiled = { readonly tags: readonly string[] } & (
  | { readonly expression: Expression; readonly type: string }
  | { readonly problem: ExpressionProblem }
)

/** Compiles what must be a condition: true, false or unknown. */
export function compileCondition(text: string, place: ExpressionPlace | NamedPlace, types?: ExpressionTypes): Compiled {
  const compiled = compileExpression(text, place, types)
  if ('problem' in compiled) return compiled
  const { type, tags } = compiled
  if (type === 'bool' || type === 'dyn') return compiled
  const remedy = 'Compare it with something, so that it is true or false.'
  return { problem: { message: `This is ${kinds[type] ?? `of the type ${type}`}, and no condition.`, remedy, offset: 0 }, tags }
}

const kinds: Readonly<Record<string, string>> = { double: 'a number', int: 'a number', string: 'a text' }

export function compileExpression(text: string, place: ExpressionPlace | NamedPlace, types?: ExpressionTypes): Compiled {
  let tags: readonly string[] = []
  if (text.length > textLengthMax) return { problem: tooLong(text), tags }
  const environments = celEnvironments() // outside: that the library is missing says nothing of the text
  try {
    const parsed = environments.of(place).parse(text)
    const rewritten = withVariables(text, tagUses(parsed.ast))
    tags = rewritten.names
    const forbidden = forbiddenUse(parsed.ast)
    if (forbidden) return { problem: forbidden, tags }
    const checked = parsed.check()
    if (!checked.valid) return { problem: celProblem(checked.error, variablesAt(place), text), tags }
    const typed: Typed = types === undefined ? {} : typeOf(text, { ast: parsed.ast, names: namesOf(place), types })
    if (typed.problem) return { problem: typed.problem, tags }
    return { expression: runnable(text, rewritten, namesOf(place)), type: typed.type ?? checked.type ?? 'dyn', tags }
  } catch (error) {
    return { problem: celProblem(error, variablesAt(place), text), tags }
  }
}

/** For what `check` has accepted: a text that does not compile is then our own bug. */
export function checkedExpression(text: string, place: ExpressionPlace | NamedPlace): Expression {
  const compiled = compileExpression(text, place)
  if ('expression' in compiled) return compiled.expression
  throw new Error(`An expression that passed the check does not compile: ${compiled.problem.message}`)
}

/** Parsed again at the first evaluation: `check` never comes to it. */
function runnable(text: string, { names, variableText }: Rewritten, placeNames: readonly string[]): Expression {
  const context = new ExpressionContext(names, placeNames)
  let run: ((context: object) => unknown) | undefined
  const evaluated = <Value>(scope: ExpressionScope, plain: (result: unknown) => Value): Value | undefined => {
    context.scope = scope
    try {
      run ??= celEnvironments().run.parse(variableText)
      return plain(run(context))
    } catch {
      return undefined
    }
  }
  const evaluate = (scope: ExpressionScope): TagValue | undefined => evaluated(scope, plainValue)
  return {
    text,
    tags: names,
    evaluate,
    evaluateAny: (scope) => evaluated(scope, anyValue),
    isTrue: (scope) => evaluate(scope) === true,
  }
}

const noScope: ExpressionScope = { tag: () => undefined }

class ExpressionContext {
  scope: ExpressionScope = noScope

  constructor(tags: readonly string[], placeNames: readonly string[]) {
    for (const [place, name] of tags.entries()) {
      Object.defineProperty(this, variable(place), { get: () => operandOf(this.scope.tag(name)) })
    }
    for (const name of placeNames) Object.defineProperty(this, name, { get: () => known(this.scope.names?.[name]) })
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

  get input(): Readonly<Record<string, unknown>> {
    return known(this.scope.input)
  }

  get vars(): Readonly<Record<string, unknown>> {
    return known(this.scope.vars)
  }

  get steps(): Readonly<Record<string, unknown>> {
    return known(this.scope.steps)
  }

  get run(): Readonly<Record<string, unknown>> {
    return known(this.scope.run)
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

/** Deeper than any message; what an expression builds cannot be deeper than what it was given. */
const depthMax = 40

/** null stays null, and a map a map: for messages, variables and inputs. */
function anyValue(result: unknown, depth = 0): unknown {
  if (result === null || typeof result !== 'object' || result instanceof Uint8Array) return result === null ? null : plainValue(result)
  if (depth > depthMax) return undefined
  const entries = Array.isArray(result)
    ? [...result.entries()]
    : Object.entries(result instanceof Map ? Object.fromEntries(result) : result)
  const values = entries.map(([, item]: readonly [unknown, unknown]) => anyValue(item, depth + 1))
  if (values.includes(undefined)) return undefined
  return Array.isArray(result) ? values : Object.fromEntries(entries.map(([key], place) => [key, values[place]]))
}

function tooLong(text: string): ExpressionProblem {
  return {
    message: `The expression has ${text.length} characters; ${textLengthMax} are allowed.`,
    remedy: 'Split it, or compute part of it in the PLC.',
    offset: 0,
  }
}
