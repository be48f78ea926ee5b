import type { StepOf } from '../control/flows/config.ts'
import { isNumeric } from './check-values.ts'
import { type FlowContext, knownTag, report } from './flow-context.ts'
import { checkedTemplate } from './flow-expressions.ts'
import type { StepAt } from './flow-steps.ts'
import { valueAt } from './schema-problems.ts'
import type { Path } from './source.ts'

const spansMax = 1_000
const dayMs = 86_400_000

/** What is asked for is kept, so long, and makes a number. */
export function checkQuery(step: StepOf<'query'>, at: StepAt, context: FlowContext): void {
  const path = [...at.path, 'query']
  for (const [place, name] of step.tags.entries()) checkQueried(name, [...path, 'tags', place], { at, context })
  const keepMs = context.parts.site?.part.config?.storage.history.keepMs
  if (keepMs !== undefined && step.lastMs > keepMs) {
    const finding = {
      code: 'flow.history-short',
      message: `The history goes back ${keepMs / dayMs} days, and this asks for ${step.lastMs / dayMs}.`,
      remedy: 'Ask for less, or raise `storage: { history: { keep: … } }` in lineside.yaml.',
    }
    report({ path: [...path, 'last'] }, finding, context)
  }
  const { everyMs } = step
  if (everyMs === undefined || (everyMs <= step.lastMs && step.lastMs / everyMs <= spansMax)) return
  const finding = {
    code: 'flow.history-spans',
    message: `These are ${Math.ceil(step.lastMs / everyMs)} spans; 1 to ${spansMax} can be asked for.`,
    remedy: 'Choose `every` so that `last` has fewer of them, and is not shorter itself.',
  }
  report({ path: [...path, 'every'] }, finding, context)
}

function checkQueried(name: string, path: Path, { at, context }: { readonly at: StepAt; readonly context: FlowContext }): void {
  if (name.includes('${')) {
    checkedTemplate(name, path, at, context)
    const filters = valueAt(context.parts.site?.source.value, ['storage', 'history', 'tags'])
    if (Array.isArray(filters) && filters.length > 0) return
    const message = 'Which tags these are is only known when the flow runs, and no history is kept of them.'
    report(
      { path },
      { code: 'flow.no-history', message, remedy: 'Name them in lineside.yaml: `storage: { history: { tags: […] } }`.' },
      context,
    )
    return
  }
  const tag = knownTag(name, { path }, context)
  if (tag === undefined || (tag.length === undefined && (tag.type === undefined || tag.type === 'bool' || isNumeric(tag.type)))) return
  const message = `${name} is ${tag.length === undefined ? tag.type : 'a list'}: the history holds numbers, and what is true or false.`
  report({ path }, { code: 'flow.history-type', message, remedy: 'Ask for another tag.' }, context)
}
