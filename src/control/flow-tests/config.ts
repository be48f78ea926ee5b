import { z } from 'zod'
import { durationSchema } from '../../base/units.ts'
import { nameSchema, tagIdSchema } from '../../model/name.ts'
import { present } from '../flows/common-config.ts'
import type { Deed, Expectation, FlowTestCase, FlowTestFile, ServiceStep, TagState } from './definition.ts'

export type { Deed, FlowTestCase, FlowTestFile } from './definition.ts'

const json = z.json()
const jsonMap = z.record(z.string(), json)
const roleSchema = z.enum(['viewer', 'operator', 'engineer', 'admin'])
const scalar = z.union([z.boolean(), z.number(), z.string()])
const plainValue = z.union([scalar, z.array(scalar)])
const qualities = ['good', 'uncertain', 'bad', 'stale'] as const

export const tagStateSchema = z.strictObject({
  value: plainValue.nullable().default(null).describe('The last value; without it there is none.'),
  quality: z.enum(qualities).default('good').describe('Of the value.'),
})
const tagStates = z.record(
  tagIdSchema,
  z.union([plainValue.transform((value): TagState => ({ value, quality: 'good' })), tagStateSchema.transform((state): TagState => state)]),
)

const presence = z.record(nameSchema, z.enum(['here', 'away']))

export const serviceAnswerSchema = z.strictObject({
  status: z.int().min(100).max(599).default(200).describe('The HTTP status.'),
  body: json.default(null).describe('What it answers.'),
  after: durationSchema({ max: '1d' }).prefault('0ms').describe('How long it takes; past the `timeout` of the service it is too late.'),
})
const serviceStep = z.union([
  z.literal('away').transform((): ServiceStep => ({ kind: 'away' })),
  serviceAnswerSchema.transform(({ after, ...answer }): ServiceStep => ({ kind: 'answer', ...answer, afterMs: after })),
])
const services = z.record(
  nameSchema,
  z.union([serviceStep.transform((one): readonly ServiceStep[] => [one]), z.array(serviceStep).min(1).max(100)]),
)

const momentSchema = z
  .strictObject({
    write: tagIdSchema.optional().describe('A flow has written this tag.'),
    value: plainValue.optional().describe('Beside `write`: only where it wrote this.'),
    publish: z.string().min(1).optional().describe('A flow has published to this topic, written as in the flow.'),
    request: nameSchema.optional().describe('A flow asks this service.'),
    step: nameSchema.optional().describe('This step begins.'),
  })
  .refine(
    (on) => [on.write, on.publish, on.request, on.step].filter((one) => one !== undefined).length === 1,
    'give one of write, publish, request and step',
  )
  .transform((on) => present(on))

const by = z.string().min(1).max(100).default('anna').describe('Who it is.')
const role = (preset: 'operator' | 'engineer') => roleSchema.default(preset).describe('As what they come.')

export const deedShape = {
  on: momentSchema.optional().describe('Whenever this happens, instead of in turn; with `kill` the first time only.'),
  after: durationSchema({ max: '366d' }).prefault('0ms').describe('So long after the line above, or after what `on` names.'),
  set: tagStates.optional().describe('What the devices read from now on: a value, or value and quality.'),
  devices: presence.optional().describe('Devices that are away or here again.'),
  start: z
    .strictObject({
      flow: nameSchema.optional().describe('Another flow than the one under test.'),
      input: jsonMap.default({}).describe('What it is told.'),
      by,
      role: role('operator'),
    })
    .optional()
    .describe('Somebody starts the flow.'),
  event: z
    .strictObject({
      type: z.string().min(1).describe('Such as device.lost.'),
      subject: z.string().default('').describe('What it happened to.'),
      data: jsonMap.default({}).describe('What more is known.'),
    })
    .optional()
    .describe('Something happens that flows may listen for.'),
  message: z
    .strictObject({
      topic: z.string().min(1).describe('Below the path of the site, or with / in front from the root of all topics.'),
      payload: json.default(null).describe('Text, or JSON.'),
    })
    .optional()
    .describe('Somebody publishes a message.'),
  alarm: z
    .strictObject({
      alarm: z.string().min(1).describe('Which.'),
      state: z.enum(['raised', 'cleared']).default('raised').describe('What became of it.'),
    })
    .optional()
    .describe('An alarm is raised or cleared.'),
  answer: z
    .strictObject({
      step: z.string().min(1).describe('The step that asks.'),
      verdict: z.enum(['approved', 'rejected', 'done', 'failed', 'repeat']).default('approved').describe('What is said.'),
      by,
      role: role('engineer'),
      comment: z.string().max(1_000).optional().describe('And why.'),
    })
    .transform((answer) => present(answer))
    .optional()
    .describe('Somebody answers the last run, which asks.'),
  order: z
    .strictObject({
      act: z.enum(['pause', 'resume', 'cancel', 'skip', 'retry', 'settle']).describe('What is ordered.'),
      step: z.string().min(1).optional().describe('Of skip and retry: which step.'),
      by,
      role: role('engineer'),
      why: z.string().max(1_000).optional().describe('The reason.'),
      undo: z.boolean().default(true).describe('Of cancel: false leaves the plant as it stands.'),
    })
    .transform((order) => present(order))
    .optional()
    .describe('Somebody steers the last run.'),
  kill: z
    .union([z.literal(true).transform(() => 0), durationSchema({ max: '366d' })])
    .optional()
    .describe('The power fails at this moment, and comes back at once, or after so long; runs then go on from their journal.'),
} as const

const deedSchema = z
  .strictObject(deedShape)
  .transform(({ after, kill, ...deed }): Deed => ({ ...present(deed), afterMs: after, ...present({ killMs: kill }) }) as Deed)

const stepStates = ['done', 'failed', 'unknown', 'skipped', 'undone', 'undo-failed', 'begun', 'none'] as const
const runStates = [
  'completed',
  'failed',
  'cancelled',
  'unsettled',
  'settled',
  'queued',
  'running',
  'paused',
  'asking',
  'unwinding',
  'ending',
] as const

export const expectShape = {
  runs: z.int().min(0).optional().describe('How many runs of the flow began.'),
  state: z.enum(runStates).optional().describe('Of the last one, at the end.'),
  within: durationSchema().optional().describe('How long the last run may have taken.'),
  'at-least': durationSchema().optional().describe('How long the last run must have taken.'),
  steps: z
    .record(nameSchema, z.enum(stepStates))
    .optional()
    .describe('What became of steps of the last run; `none` has not begun. Undo steps have names, too.'),
  ways: z
    .record(nameSchema, json)
    .optional()
    .describe('Which case a switch took, which branches of a parallel were done, which items an each had.'),
  fault: z
    .strictObject({
      step: z.string().optional().describe('The step that failed.'),
      code: z.string().optional().describe('Such as command.interlock.'),
      message: z.string().optional().describe('A part of what was said.'),
    })
    .optional()
    .describe('Why the last run failed.'),
  writes: z
    .array(z.record(tagIdSchema, json))
    .optional()
    .describe('All that reached the devices, in this order, what undoes included. A write that was refused is not among them.'),
  tags: z.record(tagIdSchema, json).optional().describe('What the devices read at the end.'),
  publishes: z
    .array(
      z.strictObject({
        topic: z.string().describe('As in the flow.'),
        payload: json.optional().describe('A part of a map is enough.'),
        retain: z.boolean().optional().describe('Whether the broker keeps it.'),
      }),
    )
    .optional()
    .describe('All messages, in this order.'),
  requests: z
    .array(
      z.strictObject({
        service: nameSchema.optional().describe('Which was asked.'),
        method: z.string().optional().describe('How.'),
        path: z.string().optional().describe('For what.'),
        headers: jsonMap.optional().describe('Their names in small letters.'),
        body: json.optional().describe('A part of a map is enough.'),
      }),
    )
    .optional()
    .describe('All requests to services, repeated ones included, in this order.'),
  calls: z
    .array(
      z.strictObject({
        device: nameSchema.optional().describe('Whose method.'),
        method: z.string().optional().describe('Which.'),
        inputs: json.optional().describe('What it was given.'),
      }),
    )
    .optional()
    .describe('All calls of methods, in this order.'),
  events: z
    .array(
      z.strictObject({
        type: z.string().optional().describe('Such as batch.changed.'),
        subject: z.string().optional().describe('What it happened to.'),
        data: jsonMap.optional().describe('A part is enough.'),
      }),
    )
    .optional()
    .describe('Events that must be among those that there were, in this order.'),
  alarms: z
    .record(z.string(), z.enum(['raised', 'cleared', 'none']))
    .optional()
    .describe('How alarms stand at the end; `none` was never raised.'),
  refused: z.array(z.string()).optional().describe('Codes of the starts, answers and orders that were refused. Without it none may be.'),
  asks: z.array(z.string()).optional().describe('Steps that wait for a person at the end.'),
  left: z.array(z.string()).optional().describe('Steps that a person must bring in order.'),
  output: json.optional().describe('What the last run gave back with `end`. A part of a map is enough.'),
} as const

const expectSchema = z
  .strictObject(expectShape)
  .refine((expected) => Object.values(expected).some((value) => value !== undefined), 'expect something')
  .transform(
    ({ within, 'at-least': atLeast, ...rest }): Expectation =>
      ({ ...present(rest), ...present({ withinMs: within, atLeastMs: atLeast }) }) as Expectation,
  )

const moment = z.iso.datetime({ offset: true })

export const testCaseShape = {
  name: z.string().min(1).max(200).describe('A sentence that says what the flow does.'),
  time: moment.optional().describe('Where the clock of this case begins.'),
  tags: tagStates.default({}).describe('Over those of the file.'),
  devices: presence.default({}).describe('Devices that are away at the beginning.'),
  services: services.default({}).describe('Over those of the file.'),
  methods: z
    .record(nameSchema, z.array(z.array(json)).min(1))
    .default({})
    .describe('By device: what its methods give, in turn; the last one again and again. Without it they give nothing.'),
  fail: z
    .record(nameSchema, z.union([z.int().min(1).max(1_000), z.literal('always').transform(() => Number.POSITIVE_INFINITY)]))
    .default({})
    .describe('By step: how many of its attempts fail before one succeeds, or `always`.'),
  do: z.array(deedSchema).max(1_000).default([]).describe('What happens, in turn.'),
  for: durationSchema({ max: '366d' }).prefault('0ms').describe('So long the case lasts at least; else until no run is under way.'),
  expect: expectSchema.describe('What must have come of it.'),
} as const

const testCaseSchema = z
  .strictObject(testCaseShape)
  .transform(({ for: forMs, time, ...rest }): FlowTestCase => ({ ...rest, ...present({ time }), forMs }) as FlowTestCase)

export const flowTestShape = {
  flow: nameSchema.describe('The flow under test.'),
  time: moment.default('2026-01-05T06:00:00Z').describe('Where the clock of each case begins.'),
  tags: tagStates.default({}).describe('What the devices read at the beginning; a tag that is not named has no value.'),
  services: services
    .default({})
    .describe('What services answer, in turn, the last one again and again: `away`, or an answer. One that is not named is away.'),
  plant: z.array(deedSchema).max(200).default([]).describe('How the plant answers to what flows do, in each case: lines with `on`.'),
  beside: z
    .array(nameSchema)
    .max(50)
    .default([])
    .describe('Flows that are there as well, with their triggers. Those that the flow runs are there anyway.'),
  cases: z.array(testCaseSchema).min(1).max(1_000).describe('Each begins anew.'),
} as const

/** `flows/*.test.yaml`. */
export const flowTestSchema = z
  .strictObject(flowTestShape)
  .refine(({ plant }) => plant.every(({ on }) => on !== undefined), { path: ['plant'], message: 'each line of `plant` says `on` what' })
  .refine(({ cases }) => new Set(cases.map(({ name }) => name)).size === cases.length, {
    path: ['cases'],
    message: 'each case has a name of its own',
  })
  .transform((file): FlowTestFile => file as FlowTestFile)
