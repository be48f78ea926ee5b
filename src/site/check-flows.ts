import type { FlowTrigger, PublishStep, WriteStep } from '../control/flows/config.ts'
import { compileCondition } from '../model/expression.ts'
import type { ExpressionProblem } from '../model/expression-problem.ts'
import type { ValueType } from '../model/tag.ts'
import { compileTemplate } from '../model/template.ts'
import { scalarType, valueProblem } from './check-values.ts'
import { suggestion } from './did-you-mean.ts'
import type { FlowPart, LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'
import type { Path, SourceFile, Spot } from './source.ts'

/** Flows name tags that exist, write what can be written, and publish where nobody else does. */
export function checkFlows(parts: LoadedParts, problems: ProblemList): void {
  for (const { source, part } of parts.flows) checkFlow(part, { source, parts, problems })
}

interface FlowContext {
  readonly source: SourceFile
  readonly parts: LoadedParts
  readonly problems: ProblemList
}

function checkFlow(flow: FlowPart, context: FlowContext): void {
  for (const [place, trigger] of flow.on.entries()) if (trigger !== undefined) checkTrigger(trigger, ['on', place], context)
  for (const [place, step] of flow.steps.entries()) {
    if (step === undefined) continue
    if (step.kind === 'write') checkWrite(step, ['steps', place], context)
    else checkPublish(step, ['steps', place], context)
  }
}

function checkTrigger(trigger: FlowTrigger, path: Path, context: FlowContext): void {
  checkTagExists(trigger.tag, { path: [...path, 'tag'] }, context)
  const spot = { path: [...path, 'when'] }
  const value = scalarType(context.parts.tags.get(trigger.tag))
  const compiled = compileCondition(trigger.when, 'flow', { tag: typeOfTag(context), ...(value === undefined ? {} : { value }) })
  if ('problem' in compiled) reportExpression(compiled.problem, spot, context)
  else checkExpressionTags(compiled.expression.tags, { ...spot, text: trigger.when }, context)
}

function checkWrite(step: WriteStep, path: Path, context: FlowContext): void {
  for (const { tag: id, value } of step.writes) {
    const at = [...path, 'write', id]
    if (!checkTagExists(id, { path: at, part: 'key' }, context)) continue
    const tag = context.parts.tags.get(id)
    if (tag === undefined) continue
    if (tag.write === undefined) {
      const finding = {
        code: 'flow.tag-read-only',
        message: `${id} is read-only.`,
        remedy: 'Add `write: {}` to the tag in its device file, or write to another.',
      }
      context.problems.add(context.source, { path: at, part: 'key' }, finding)
    }
    const constant = checkTemplate(value, at, context)
    const finding = constant === undefined ? undefined : valueProblem(tag, constant.value as boolean | number | string)
    if (finding !== undefined) context.problems.add(context.source, { path: at }, finding)
  }
}

function checkPublish(step: PublishStep, path: Path, context: FlowContext): void {
  checkTemplate(step.payload, [...path, 'publish', 'payload'], context)
  const owner = step.topic.replace(/\/set(\/result)?$/, '')
  if (!context.parts.tags.has(owner)) return
  const finding = {
    code: 'flow.topic-of-tag',
    message: `${step.topic} is the topic of the tag ${owner}.`,
    remedy: 'Publish to a topic of your own, or write to the tag with a write step.',
  }
  context.problems.add(context.source, { path: [...path, 'publish', 'topic'] }, finding)
}

/** The value of a template that is always the same. */
function checkTemplate(source: unknown, at: Path, context: FlowContext): { readonly value: unknown } | undefined {
  const compiled = compileTemplate(source, 'flow', { tag: typeOfTag(context) })
  if ('problems' in compiled) {
    for (const problem of compiled.problems) reportExpression(problem, { path: [...at, ...problem.path] }, context)
    return undefined
  }
  const { template } = compiled
  checkExpressionTags(template.tags, { path: at, text: typeof source === 'string' ? source : '' }, context)
  return template.isConstant ? { value: template.evaluate({ tag: () => undefined }) } : undefined
}

function typeOfTag({ parts }: FlowContext): (name: string) => ValueType | undefined {
  return (name) => scalarType(parts.tags.get(name))
}

function checkExpressionTags(names: readonly string[], at: { readonly path: Path; readonly text: string }, context: FlowContext): void {
  for (const name of names) checkTagExists(name, { path: at.path, offset: Math.max(0, at.text.indexOf(name)) }, context)
}

/** While a device file is broken its tags are not known, and are not asked for: the one mistake would be told a hundred times. */
function checkTagExists(id: string, spot: Spot, { source, parts, problems }: FlowContext): boolean {
  if (parts.tags.has(id)) return true
  if (parts.isIncomplete || parts.named.has(id)) return false // told of there
  problems.add(source, spot, {
    code: 'flow.tag-unknown',
    message: `There is no tag \`${id.slice(0, 200)}\` in this site.`,
    remedy: suggestion(id, parts.tags.keys()),
  })
  return false
}

function reportExpression({ offset, message, remedy }: ExpressionProblem, spot: Spot, { source, problems }: FlowContext): void {
  problems.add(source, { ...spot, offset }, { code: 'expression.invalid', message, remedy })
}
