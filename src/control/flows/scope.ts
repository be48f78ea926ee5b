import { isoTime } from '../../base/clock.ts'
import type { ExpressionScope } from '../../model/expression.ts'
import { asTagId, type TagValue } from '../../model/tag.ts'
import type { Frame } from './frame.ts'
import type { Run } from './run.ts'

/** What the expressions of a step may look at. */
export function scopeOf(run: Run, frame: Frame): ExpressionScope {
  const { tags } = run.ports
  const { trigger, input } = run.start
  const value = trigger['value']
  return {
    tag: (name) => tags.sampleOf(asTagId(name)),
    trigger,
    ...(value === undefined || value === null ? {} : { value: value as TagValue }),
    input,
    vars: run.past.vars,
    steps: frame.steps,
    get run() {
      return { id: run.id, flow: run.flow.name, version: run.flow.definition.version, startedAt: isoTime(run.begunMs) }
    },
    names: frame.names,
  }
}
