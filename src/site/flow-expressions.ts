import type { FlowInput, FlowStep, FlowTrigger } from '../control/flows/config.ts'
import { type Compiled, compileCondition, compileExpression } from '../model/expression.ts'
import type { ExpressionPlace, NamedPlace } from '../model/expression-environments.ts'
import type { ExpressionProblem } from '../model/expression-problem.ts'
import type { ExpressionTypes, Reference } from '../model/expression-types.ts'
import type { ValueType } from '../model/tag.ts'
import { compileTemplate, type Template } from '../model/template.ts'
import { scalarType } from './check-values.ts'
import { suggestion } from './did-you-mean.ts'
import { type FlowContext, knownTag, report } from './flow-context.ts'
import { resultOf } from './flow-results.ts'
import { comesAfter, type StepAt } from './flow-steps.ts'
import type { Path } from './source.ts'

/** CEL of a trigger or of a start; what is wrong is reported. */
export function checkCondition(
  text: string,
  { path, place, value }: { readonly path: Path; readonly place: ExpressionPlace; readonly value?: ValueType | undefined },
  context: FlowContext,
): void {
  const compile = place === 'start' ? compileExpression : compileCondition
  took(compile(text, place, typesAt(undefined, context, value)), { path, text }, context)
}

/** A condition in a step. */
export function checkStepCondition(text: string, path: Path, at: StepAt, context: FlowContext): void {
  took(compileCondition(text, placeOf(at), typesAt(at, context)), { path, text }, context)
}

/** Any JSON of a step, with `${…}` in its texts; undefined where something is wrong with it, and that has been reported. */
export function checkedTemplate(source: unknown, path: Path, at: StepAt, context: FlowContext): Template | undefined {
  const compiled = compileTemplate(source, placeOf(at), typesAt(at, context))
  checkTags(compiled.tags, { path, text: typeof source === 'string' ? source : '' }, context)
  if ('template' in compiled) return compiled.template
  for (const problem of compiled.problems) reportExpression(problem, [...path, ...problem.path], context)
  return undefined
}

function placeOf(at: StepAt): NamedPlace {
  return { place: 'step', names: at.names }
}

function took(compiled: Compiled, at: { readonly path: Path; readonly text: string }, context: FlowContext): void {
  if ('problem' in compiled) reportExpression(compiled.problem, at.path, context)
  checkTags(compiled.tags, at, context)
}

function checkTags(names: readonly string[], { path, text }: { readonly path: Path; readonly text: string }, context: FlowContext): void {
  for (const name of names) knownTag(name, { path, offset: Math.max(0, text.indexOf(name)) }, context)
}

function reportExpression({ offset, message, remedy }: ExpressionProblem, path: Path, context: FlowContext): void {
  report({ path, offset }, { code: 'expression.invalid', message, remedy }, context)
}

function typesAt(at: StepAt | undefined, context: FlowContext, value = triggerValue(context)): ExpressionTypes {
  return {
    tag: (name) => scalarType(context.parts.tags.get(name)),
    ...(value === undefined ? {} : { value }),
    reference: (root, keys) => referenceOf(root, keys, at, context),
  }
}

function referenceOf(root: string, keys: readonly string[], at: StepAt | undefined, context: FlowContext): Reference | undefined {
  if (root === 'index') return { type: 'u32', keys: 0 }
  const [first] = keys
  if (first === undefined) return undefined
  switch (root) {
    case 'input':
      return context.flow.input === undefined ? undefined : oneOf(first, inputTypes(context.flow.input), 'The flow has no input')
    case 'vars':
      return oneOf(first, variableTypes(context), 'No step sets the variable')
    case 'run':
      return oneOf(first, runTypes, 'A run has no')
    case 'trigger':
      return oneOf(first, triggerTypes(context), 'What starts this flow has no')
    case 'steps':
      return at === undefined ? undefined : stepReference(keys, at, context)
    default:
      return undefined
  }
}

type Types = Readonly<Record<string, ValueType | undefined>>

/** Types that are not known beforehand are undefined, and what is not in the map is not there. */
function oneOf(key: string, types: Types, missing: string): Reference {
  if (Object.hasOwn(types, key)) return { type: types[key], keys: 1 }
  return { problem: { message: `${missing} \`${key.slice(0, 100)}\`.`, remedy: suggestion(key, Object.keys(types)) } }
}

const inputValueTypes: Readonly<Record<FlowInput['type'], ValueType | undefined>> = {
  number: 'f64',
  text: 'string',
  boolean: 'bool',
  any: undefined,
}

function inputTypes(inputs: Readonly<Record<string, FlowInput>>): Types {
  return Object.fromEntries(Object.entries(inputs).map(([name, { type }]) => [name, inputValueTypes[type]]))
}

function variableTypes({ steps }: FlowContext): Types {
  const names = steps.flatMap(({ step }) => (step.kind === 'set' ? Object.keys(step.variables) : []))
  return Object.fromEntries(names.map((name) => [name, undefined]))
}

const runTypes: Types = { id: 'string', flow: 'string', version: 'u32', startedAt: 'string' }

const alwaysThere: Types = { kind: 'string', time: 'string' }
/** A flow without any trigger is started by another flow. */
const byFlow: Types = { flow: 'string', run: 'string' }

const brought: Readonly<Record<FlowTrigger['kind'], Types>> = {
  tag: { tag: 'string', device: 'string', value: undefined, quality: 'string' },
  topic: { topic: 'string', payload: undefined },
  event: { type: 'string', subject: 'string', data: undefined },
  alarm: { alarm: 'string', state: 'string' },
  cron: {},
  interval: {},
  start: { by: 'string', role: 'string' },
}

function triggerTypes(context: FlowContext): Types {
  const kinds = context.flow.on.flatMap((trigger) => (trigger === undefined ? [] : [trigger.kind]))
  const known = Object.assign({}, alwaysThere, byFlow, ...kinds.map((kind) => brought[kind])) as Types
  const isIncomplete = context.flow.on.includes(undefined)
  if (isIncomplete) return Object.assign({}, ...Object.values(brought), known) as Types
  return 'value' in known ? { ...known, value: triggerValue(context) } : known
}

/** Of the tag that triggers, where all of them are of one type. A run keeps its value as JSON, where bytes are a text. */
function triggerValue({ flow, parts }: FlowContext): ValueType | undefined {
  const types = new Set(flow.on.map((trigger) => (trigger?.kind === 'tag' ? scalarType(parts.tags.get(trigger.tag)) : undefined)))
  const [only] = types
  return types.size > 1 ? undefined : only === 'bytes' ? 'string' : only
}

function stepReference(keys: readonly string[], at: StepAt, { steps, flow, parts }: FlowContext): Reference | undefined {
  const [id = '', part, ...rest] = keys
  const found = steps.find(({ step }) => step.id === id)
  if (found === undefined) {
    if (flow.steps.includes(undefined)) return undefined
    return oneOf(id, Object.fromEntries(steps.map(({ step }) => [step.id, undefined])), 'The flow has no step')
  }
  const hasFailed = insteadOf(at).includes(found)
  const isOwn = !hasFailed && (found === at || at.around.includes(found))
  const isLater = [at, ...at.around].some((one) => {
    const after = comesAfter(one)
    return [found, ...found.around].some((other) => other.siblings === one.siblings && after.has(other.step.id))
  })
  if (!at.isUndo && (isOwn || isLater)) {
    const message = isOwn
      ? `\`${id}\` is this step itself, and has no result yet.`
      : `\`${id}\` comes after this step, and has no result yet.`
    return { problem: { message, remedy: 'Look at the result of a step that this one needs.' } }
  }
  if (part === undefined) return undefined
  if (part === 'failure') return failureOf(found.step, rest)
  if (part !== 'result') return oneOfPart(part)
  return hasFailed ? noResult(id) : resultOf(found.step, rest, (tag) => scalarType(parts.tags.get(tag)))
}

const failureTypes: Types = { step: 'string', status: 'string', code: 'string', message: 'string', remedy: 'string', attempts: 'u32' }

/** Why a step failed is known to what is done in its place, and to what comes after it where the flow goes on all the same. */
function failureOf({ id, onFailure }: FlowStep, [key]: readonly string[]): Reference | undefined {
  if (onFailure === undefined) {
    const message = `Nothing comes to look at the failure of \`${id}\`: where it fails, so does the run.`
    return { problem: { message, remedy: 'Give that step `on-failure: continue`, or steps that are done in its place.' } }
  }
  if (key === undefined) return undefined
  const reference = oneOf(key, failureTypes, 'The failure of a step has no')
  return 'problem' in reference ? reference : { ...reference, keys: 3 }
}

function noResult(id: string): Reference {
  const remedy = `Look at its \`failure\`: ${Object.keys(failureTypes).join(', ')}.`
  return { problem: { message: `\`${id}\` has failed here, and has no result.`, remedy } }
}

/** The steps in whose place this one is done, innermost first. */
function insteadOf({ insteadOf: one }: StepAt): readonly StepAt[] {
  return one === undefined ? [] : [one, ...insteadOf(one)]
}

function oneOfPart(part: string): Reference {
  const reference = oneOf(part, { result: undefined, status: 'string', failed: 'bool', failure: undefined }, 'A step has no')
  return 'problem' in reference ? reference : { ...reference, keys: 2 }
}
