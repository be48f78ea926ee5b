import { z } from 'zod'
import { nameSchema } from '../../model/name.ts'
import { identifierSchema, jsonValue, roleSchema } from './common-config.ts'
import type { PipelineStep } from './pipeline-step.ts'

export { type PipelineStep, pipelineFlow } from './pipeline-step.ts'

const oneOf = z.strictObject({
  flow: nameSchema.describe('A flow of the site.'),
  input: z.record(identifierSchema, jsonValue).default({}).describe('What it is told; ${input.NAME} is an input of the pipeline.'),
})

/** `pipeline:` of lineside.yaml. What it names and computes is checked as a flow is. */
export const pipelineSchema = z.strictObject({
  title: z.string().min(1).max(200).optional().describe('For people.'),
  start: roleSchema.default('operator').describe('Who may start it.'),
  input: z.record(identifierSchema, z.unknown()).default({}).describe('What it can be told when it is started, as in a flow.'),
  flows: z
    .array(z.union([nameSchema.transform((flow) => ({ flow, input: {} })), oneOf]))
    .min(1)
    .max(50)
    .describe('One after the other, each when the one before it is complete.'),
})

/** A flow that comes again has a number. */
export function pipelineSteps({ flows }: z.output<typeof pipelineSchema>): readonly PipelineStep[] {
  const seen = new Map<string, number>()
  return flows.map(({ flow }) => {
    const times = (seen.get(flow) ?? 0) + 1
    seen.set(flow, times)
    return { flow, step: times === 1 ? flow : `${flow}-${times}` }
  })
}
