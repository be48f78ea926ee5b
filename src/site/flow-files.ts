import type { z } from 'zod'
import { flowSchema, flowShape, inOrder, stepSchema, triggerSchema } from '../control/flows/config.ts'
import { asFarAsRight } from './as-far-as-right.ts'
import { flowJsonSchema } from './json-schemas.ts'
import type { FlowPart } from './loaded.ts'
import { once } from './parse-once.ts'
import type { ProblemList } from './problems.ts'
import { reportIssues, valueAt } from './schema-problems.ts'
import type { SourceFile } from './source.ts'

/** What of a flow is right; what is wrong stands in `problems`. */
export function parseFlow(source: SourceFile, problems: ProblemList): FlowPart {
  const result = flowSchema.safeParse(source.value, once)
  if (result.success) return { ...result.data, config: result.data, isWhole: true }
  reportIssues(result.error, { source, problems, schema: flowJsonSchema })
  const name = valueAt(source.value, ['flow'])
  const input = flowShape.input.safeParse(valueAt(source.value, ['input']), once)
  return {
    flow: typeof name === 'string' ? name : undefined,
    on: eachRight(valueAt(source.value, ['on']), triggerSchema),
    ...(input.success ? { input: input.data } : {}),
    steps: rightSteps(valueAt(source.value, ['steps'])),
    isWhole: false,
  }
}

function rightSteps(list: unknown): FlowPart['steps'] {
  const drafts = eachRight(list, stepSchema)
  const right = inOrder(drafts.filter((draft) => draft !== undefined))
  let place = 0
  return drafts.map((draft) => (draft === undefined ? undefined : right[place++]))
}

/** Of a list, what is right at its place. */
function eachRight<Item>(list: unknown, schema: z.ZodType<Item>): readonly (Item | undefined)[] {
  return Array.isArray(list) ? list.map((item) => asFarAsRight(schema, item)) : []
}
