import { z } from 'zod'
import { durationSchema } from '../../base/units.ts'
import { nameSchema } from '../../model/name.ts'
import { expressionText, identifierSchema, jsonValue, present, retrySchema } from './common-config.ts'
import type { Concurrency, FlowDefinition, FlowInput } from './definition.ts'
import { inOrder, stepSchema, stepsSchema } from './step-config.ts'
import { triggerSchema } from './trigger-config.ts'

export { allSteps } from './all-steps.ts'
export type { FlowDefinition, FlowInput, FlowStep, FlowTrigger, StepKind, StepOf } from './definition.ts'
export { unsettledAlarm } from './unsettled.ts'
export { identifierSchema, inOrder, stepSchema, triggerSchema }

export const inputSchema = z
  .strictObject({
    type: z.enum(['number', 'text', 'boolean', 'any']).describe('What is accepted; any is any JSON value.'),
    default: jsonValue.optional().describe('Counts where it is not given, or is null. Without one, whoever starts the flow must give it.'),
    title: z.string().min(1).max(200).optional().describe('For people.'),
    range: z
      .tuple([z.number(), z.number()])
      .refine(([least, largest]) => least < largest, 'the least comes first, then the largest')
      .optional()
      .describe('Of a number: the least and the largest that is accepted.'),
  })
  .superRefine(({ type, default: preset, range }, context) => {
    if (range !== undefined && type !== 'number') {
      context.addIssue({ code: 'custom', path: ['range'], message: `only a number has a range, and this is ${type}` })
    }
    if (preset === undefined || type === 'any') return
    const isRight = typeof preset === (type === 'text' ? 'string' : type)
    if (!isRight) context.addIssue({ code: 'custom', path: ['default'], message: `must be ${kinds[type]}, as its type says` })
    if (typeof preset === 'number' && range !== undefined && (preset < range[0] || preset > range[1])) {
      context.addIssue({ code: 'custom', path: ['default'], message: `must lie within its range, ${range[0]} to ${range[1]}` })
    }
  })
  .transform(({ type, ...rest }): FlowInput => ({ type, ...present({ default: rest.default, title: rest.title, range: rest.range }) }))

const kinds = { number: 'a number', text: 'a text', boolean: 'true or false' } as const

const concurrencySchema = z
  .strictObject({
    limit: z.int().min(1).max(1_000).default(1).describe('Runs under way at the same time.'),
    per: expressionText
      .optional()
      .describe('CEL over `trigger` and `input`: the limit counts for each of its results by itself, such as each device.'),
    overflow: z
      .enum(['queue', 'drop', 'replace'])
      .default('queue')
      .describe(
        'A start that cannot begin at once waits, is dropped, or waits in the place of the oldest that does; with `queue: 0` it ends the run under way, with its undo.',
      ),
    queue: z
      .int()
      .min(0)
      .max(10_000)
      .default(100)
      .describe('How many may wait, with `per` of each of its results; one more is refused, and an event says so.'),
  })
  .transform(({ limit, per, overflow, queue }): Concurrency => ({ limit, overflow, queueMax: queue, ...present({ per }) }))

/** The keys of a flow file. */
export const flowShape = {
  flow: nameSchema.describe('The name of the flow. Its file is flows/NAME.yaml, by custom: it may have another name.'),
  version: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(1)
    .describe('Raised with each change of meaning; a run keeps the definition it began with.'),
  title: z.string().min(1).max(200).optional().describe('For people.'),
  priority: z
    .enum(['critical', 'high', 'normal', 'low'])
    .default('normal')
    .describe('Whose runs go first where there is more to do than can be done; low ones are refused first.'),
  mode: z
    .enum(['live', 'shadow'])
    .default('live')
    .describe('shadow: decides on live data, writes and sends nothing, and its decisions are kept.'),
  on: z.array(triggerSchema).max(50).default([]).describe('What starts a run; any of these. Without it: other flows.'),
  input: z
    .record(identifierSchema, inputSchema)
    .refine((inputs) => Object.keys(inputs).length <= 50, 'a flow has at most 50 inputs')
    .default({})
    .describe('What it can be told when it is started, read as input.NAME.'),
  concurrency: concurrencySchema.prefault({}).describe('How many runs at once, and what becomes of more.'),
  locks: z
    .array(nameSchema)
    .max(20)
    .refine((locks) => new Set(locks).size === locks.length, 'each lock is named once')
    .default([])
    .describe('Names of your choice: of all flows that name the same lock, one run at a time.'),
  timeout: durationSchema({ min: '1ms', max: '30d' })
    .optional()
    .describe(
      'A run that takes longer fails, and what it did is undone. While it waits for its turn, or is paused, its time does not count.',
    ),
  retry: retrySchema.optional().describe('For each step that has none of its own.'),
  steps: stepsSchema.describe('Done in this order, unless `needs` says otherwise. At most 100, nested ones counted.'),
} as const

export const flowSchema = z
  .strictObject(flowShape)
  .transform(({ title, timeout: timeoutMs, retry, ...flow }): FlowDefinition => ({ ...flow, ...present({ title, timeoutMs, retry }) }))
