import { z } from 'zod'
import { durationSchema } from '../../base/units.ts'
import { nameSchema, pathSchema, tagIdSchema } from '../../model/name.ts'
import { asTagId, type TagId } from '../../model/tag.ts'

/** One flow file, parsed. Plain data: expressions are still text, and `check` has seen that they compile. */
export interface FlowConfig {
  readonly flow: string
  readonly version: number
  readonly title?: string
  readonly on: readonly FlowTrigger[]
  readonly steps: readonly FlowStep[]
}

/** Starts a run each time `when` becomes true, and has stayed so for `forMs`. */
export interface FlowTrigger {
  /** Whose changes are watched; `value` and `quality` in `when` are this tag's. */
  readonly tag: TagId
  /** CEL over `value`, `quality` and `tags['DEVICE/TAG']`. */
  readonly when: string
  readonly forMs?: number
}

export type FlowStep = WriteStep | PublishStep

export interface WriteStep {
  readonly kind: 'write'
  readonly id: string
  /** In the order of the file, one after another. */
  readonly writes: readonly { readonly tag: TagId; readonly value: FlowValue }[]
  /** Without it, a write whose outcome is unknown counts as done. */
  readonly isConfirmed: boolean
}

export interface PublishStep {
  readonly kind: 'publish'
  readonly id: string
  /** Relative to the site's path. */
  readonly topic: string
  /** A template: any JSON value with `${expression}` in its strings. */
  readonly payload: unknown
  readonly isRetained: boolean
}

/** A value as it stands, or text with `${expression}` in it (a template). */
export type FlowValue = boolean | number | string

const conditionText = z.string().min(1).max(4_000)

export const triggerSchema = z
  .strictObject({
    tag: tagIdSchema.describe('The tag whose changes are watched, DEVICE/TAG.'),
    when: conditionText.describe("CEL over `value`, `quality` and `tags['DEVICE/TAG']`; a run starts each time it becomes true."),
    for: durationSchema({ max: '1d' }).optional().describe('How long it must stay true before the run starts.'),
  })
  .transform(({ tag, when, for: forMs }): FlowTrigger => ({ tag: asTagId(tag), when, ...(forMs === undefined ? {} : { forMs }) }))

const flowValue = z.union([z.boolean(), z.number(), z.string().max(4_000)]).describe('The value, or text with ${expression} in it.')

const writesSchema = z
  .record(tagIdSchema, flowValue)
  .refine((writes) => Object.keys(writes).length > 0, 'a write step names at least one tag')
  .refine((writes) => Object.keys(writes).length <= 50, 'a write step names at most 50 tags')

const publishSchema = z.strictObject({
  topic: pathSchema.describe('Below the path of the site.'),
  payload: z.json().describe('Any JSON value; each ${…} in its strings is an expression.'),
  retain: z.boolean().default(false).describe('Whether the broker keeps it for those who subscribe later.'),
})

/** One map for all kinds, so that a mistyped key is told as that and not as another kind of step. */
export const stepSchema = z
  .strictObject({
    id: nameSchema.describe('The name of the step, unique in its flow.'),
    write: writesSchema.optional().describe('DEVICE/TAG: value. Written one after another, in this order.'),
    confirm: z.boolean().optional().describe('Of a write; false: a write whose outcome is unknown counts as done. Default: true.'),
    publish: publishSchema.optional().describe('A message on the embedded broker and to the upstreams that want it.'),
  })
  .refine(({ write, publish }) => (write === undefined) !== (publish === undefined), {
    message: 'a step does one thing: write or publish',
    when: ({ issues }) => issues.length === 0, // a mistyped `publish` is told as that alone
  })
  .refine(({ write, confirm }) => confirm === undefined || write !== undefined, { message: 'only a write is confirmed', path: ['confirm'] })
  .transform(({ id, write = {}, confirm = true, publish }): FlowStep => {
    if (publish !== undefined) {
      const { topic, payload, retain } = publish
      return { kind: 'publish', id, topic, payload, isRetained: retain }
    }
    const writes = Object.entries(write).map(([tag, value]) => ({ tag: asTagId(tag), value }))
    return { kind: 'write', id, writes, isConfirmed: confirm }
  })

export const flowSchema = z
  .strictObject({
    flow: nameSchema.describe('The name of the flow; its file is flows/NAME.yaml.'),
    version: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1)
      .describe('Raised with each change of meaning; a run keeps the version it began with.'),
    title: z.string().min(1).max(200).optional().describe('For people.'),
    on: z.array(triggerSchema).min(1).max(50).describe('What starts a run; any of these.'),
    steps: z.array(stepSchema).min(1).max(200).describe('Done in this order.'),
  })
  .transform(({ title, ...flow }): FlowConfig => ({ ...flow, ...(title === undefined ? {} : { title }) }))
