import type { StepOf } from '../control/flows/config.ts'
import type { TagMeta, ValueType } from '../model/tag.ts'
import type { Template } from '../model/template.ts'
import { isNumeric, valueProblem } from './check-values.ts'
import { type FlowContext, knownTag, report } from './flow-context.ts'
import { checkedTemplate } from './flow-expressions.ts'
import { comesBefore, type StepAt } from './flow-steps.ts'
import { valueWithUnit } from './flow-units.ts'
import { valueAt } from './schema-problems.ts'
import type { Path } from './source.ts'

/** What is written can be written, fits, and can be taken back or repeated where that is asked for. */
export function checkWrite(step: StepOf<'write'>, at: StepAt, context: FlowContext): void {
  const tags: TagMeta[] = []
  for (const { tag: id, value } of step.writes) {
    const path = [...at.path, 'write', id]
    if (id.includes('${')) {
      checkedTemplate(id, path, at, context)
      checkedTemplate(value, path, at, context)
      continue
    }
    const tag = knownTag(id, { path, part: 'key' }, context)
    const template = checkedTemplate(value, path, at, context)
    if (tag === undefined) continue
    tags.push(tag)
    if (tag.write === undefined) {
      const remedy = 'Add `write: {}` to the tag in its device file, or write to another.'
      report({ path, part: 'key' }, { code: 'flow.tag-read-only', message: `${id} is read-only.`, remedy }, context)
    }
    if (template !== undefined) checkValue(template, { tag, value, path }, context)
  }
  checkRetry(step, tags, at, context)
  checkUndo(step, tags, at, context)
}

interface Written {
  readonly tag: TagMeta
  readonly value: unknown
  readonly path: Path
}

function checkValue(template: Template, { tag, value, path }: Written, context: FlowContext): void {
  if (template.isConstant) {
    const plain = template.evaluate({ tag: () => undefined })
    const united = valueWithUnit(tag, plain)
    if (united !== undefined && 'finding' in united) report({ path }, united.finding, context)
    else {
      const finding = valueProblem(tag, united === undefined ? plain : united.value)
      if (finding !== undefined) report({ path }, finding, context)
    }
    return
  }
  checkExpressionType(template.type ?? 'dyn', { tag, value, path }, context)
  checkInputRange({ tag, value, path }, context)
  checkUnits(template, { tag, value, path }, context)
}

/** By CEL's type of the expression: a number is double or int. */
function checkExpressionType(type: string, { tag, value, path }: Written, context: FlowContext): void {
  if (tag.type === undefined || tag.length !== undefined) return
  const wanted = celTypesFor(tag.type)
  if (type === 'dyn' || wanted.includes(type) || !(type in kinds)) return
  const finding = {
    code: 'flow.value-type',
    message: `${tag.id} takes ${kinds[wanted[0] ?? ''] ?? tag.type} (${tag.type}); this expression gives ${kinds[type]}.`,
    remedy:
      type === 'string' && isNumeric(tag.type) && !isOneExpression(value)
        ? 'Write one `${…}` and nothing beside it: then its value is written, not a text.'
        : 'Change the expression, or write to another tag.',
  }
  report({ path }, finding, context)
}

const isOneExpression = (value: unknown): boolean => typeof value === 'string' && /^\$\{[^}]*\}$/.test(value)

const kinds: Readonly<Record<string, string>> = { double: 'a number', int: 'a number', string: 'a text', bool: 'true or false' }

function celTypesFor(type: ValueType): readonly string[] {
  if (isNumeric(type)) return ['double', 'int']
  return type === 'bool' ? ['bool'] : ['string']
}

/** An input that is written as it is must not be able to hold what the tag refuses: that is found here, and not in the middle of a run. */
function checkInputRange({ tag, value, path }: Written, context: FlowContext): void {
  const [, name = ''] = (typeof value === 'string' ? /^\$\{\s*input\.(\w+)\s*\}$/.exec(value) : undefined) ?? []
  const range = context.flow.input?.[name]?.range
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = tag.write ?? {}
  if (range === undefined || (range[0] >= min && range[1] <= max)) return
  const finding = {
    code: 'flow.value-range',
    message: `input.${name} may be ${range[0]} to ${range[1]}, and ${tag.id} takes ${tag.write?.min ?? '-∞'} to ${tag.write?.max ?? '∞'}.`,
    remedy: 'Narrow the range of the input, or change `write: { min, max }` of the tag.',
  }
  report({ path }, finding, context)
}

/** A tag that is copied as it is to one of another unit. */
function checkUnits(template: Template, { tag, value, path }: Written, context: FlowContext): void {
  const [only] = template.tags
  if (only === undefined || typeof value !== 'string' || !/^\$\{\s*tags\[[^\]]*\]\s*\}$/.test(value)) return
  const from = context.parts.tags.get(only)
  if (from?.unit === undefined || tag.unit === undefined || from.unit === tag.unit) return
  const finding = {
    code: 'flow.unit',
    message: `${only} is in ${from.unit}, and ${tag.id} takes ${tag.unit}.`,
    remedy: 'Convert it: a factor in the expression says that it is meant.',
  }
  report({ path }, finding, context)
}

/** A tag that nothing is read back from: a pulse, a counter. Written twice it has done it twice. */
function isPulse(tag: TagMeta): boolean {
  return tag.write?.confirmMs === 0
}

function checkRetry(step: StepOf<'write'>, tags: readonly TagMeta[], at: StepAt, context: FlowContext): void {
  const inherited = context.flow.config?.retry
  const retry = step.retry ?? inherited
  const pulse = tags.find(isPulse)
  if (pulse === undefined) return
  if (retry !== undefined && retry.attempts > 1) {
    const finding = {
      code: 'flow.retry-unsafe',
      message: `${pulse.id} is not read back (confirm: 0ms), so nobody can say whether a first attempt has worked: a second could do it twice.`,
      remedy: `Give the step \`retry: { attempts: 1 }\`${step.retry === undefined ? ', for that of the flow counts for it, too' : ''}, or the tag a read-back.`,
    }
    report({ path: [...at.path, step.retry === undefined ? 'write' : 'retry'] }, finding, context)
  }
  if (step.inDoubt !== 'repeat') return
  const finding = {
    code: 'flow.repeat-unsafe',
    message: `After a power cut ${pulse.id} would be written again, and it may have been written already.`,
    remedy: 'Take `in-doubt: ask` or `fail`, or make sure that twice does no harm.',
    severity: 'warning',
  } as const
  report({ path: [...at.path, 'in-doubt'] }, finding, context)
}

/** A write that stays as it is when a later step fails. `undo: []` says that this is meant. */
function checkUndo(step: StepOf<'write'>, tags: readonly TagMeta[], at: StepAt, context: FlowContext): void {
  if (at.isUndo || at.around.some(({ step: outer }) => outer.undo.length > 0) || tags.length === 0 || tags.every(isPulse)) return
  if (valueAt(context.source.value, [...at.path, 'undo']) !== undefined || !hasMore(at)) return
  const [tag] = tags.filter((one) => !isPulse(one))
  const finding = {
    code: 'flow.undo-missing',
    message: `If a later step fails, ${tag?.id} stays as \`${step.id}\` wrote it.`,
    remedy: 'Say how it is taken back, like `undo: { write: { … } }`, or `undo: []` where it is to stay.',
    severity: 'warning',
  } as const
  report({ path: [...at.path, 'write'], part: 'key' }, finding, context)
}

/** Whether anything is left that could fail once this step is done: all beside it but what it needs. */
function hasMore(at: StepAt): boolean {
  return [at, ...at.around].some((one) => {
    const before = comesBefore(one)
    return one.siblings.some(({ step }) => step.id !== one.step.id && !before.has(step.id))
  })
}
