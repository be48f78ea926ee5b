import { z } from 'zod'
import { flowSchema, flowShape, identifierSchema } from '../control/flows/config.ts'
import { nameSchema } from '../model/name.ts'

const parameterKinds = ['device', 'tag', 'number', 'text', 'boolean'] as const

const parameterValue = z.union([z.string().max(1_000), z.number(), z.boolean()])
const given = z.record(identifierSchema, parameterValue)

export const parameterSchema = z.strictObject({
  type: z.enum(parameterKinds).describe('What is accepted: a device or a tag of the site, a number, a text, or true and false.'),
  default: parameterValue.optional().describe('Without one, each flow made of the template must give it.'),
  title: z.string().min(1).max(200).optional().describe('For people.'),
})
export type Parameter = z.output<typeof parameterSchema>

export const templateShape = {
  template: z
    .record(identifierSchema, parameterSchema)
    .refine((parameters) => Object.keys(parameters).length <= 50, 'a template has at most 50 parameters')
    .describe('Makes the file a template: its parameters. `$(NAME)` in the rest of the file stands for what each flow gives.'),
  instances: z
    .record(nameSchema, given)
    .refine((instances) => Object.keys(instances).length <= 200, 'a template makes at most 200 flows here')
    .default({})
    .describe('Flows that are made of it, by their names, and what they give for the parameters.'),
} as const

/** The head of a template; the rest is checked once for each flow that is made of it. */
export const templateSchema = z.looseObject({ ...templateShape, flow: nameSchema })

export const instanceShape = {
  flow: nameSchema.describe('The name of the flow.'),
  from: nameSchema.describe('The template that it is made of: the `flow` of that file.'),
  with: given.default({}).describe('What it gives for the parameters.'),
} as const
export const instanceSchema = z.strictObject(instanceShape)

/** For editors: a flow, a template of flows, or a flow made of a template. */
export const flowFileSchema = z.union([flowSchema, z.strictObject({ ...flowShape, ...templateShape }), instanceSchema])
