import { z } from 'zod'
import type { Role } from '../../model/tag.ts'
import { topicFilterSchema } from '../../model/topic-filter.ts'

/** One to one: what is `from` or below it here is `to` or below it there. */
export interface TopicMapping {
  readonly from: string
  readonly to: string
}

/** What is done with a message from above. */
export interface ReceiveRule {
  /** A topic filter at the far broker. */
  readonly from: string
  /** `publish`: on the embedded broker; `write`: a topic `…/set` becomes a command. */
  readonly action: 'publish' | 'write'
  /** Before the topic of what is published here. */
  readonly into?: string
  /** With which commands come. */
  readonly role: Role
  readonly ratePerSecondMax: number
}

/** Topics that are kept otherwise than whole and in order, as filters. */
export interface StreamFilters {
  readonly state: readonly string[]
  readonly trends: readonly string[]
}

const prefixSchema = z
  .string()
  .min(1)
  .max(1_024)
  .regex(/^[^+#/$][^+#]*$/, 'the beginning of a topic has neither + nor #: acme/munich')
  .refine((text) => !text.endsWith('/'), 'the beginning of a topic ends without a slash')

export const topicMapSchema = z
  .array(
    z.strictObject({
      from: prefixSchema.describe('How topics begin here.'),
      to: prefixSchema.describe('How they begin there.'),
    }),
  )
  .max(50)

export const receiveSchema = z
  .strictObject({
    from: topicFilterSchema.describe('A topic filter at that broker.'),
    do: z
      .enum(['publish', 'write'])
      .describe(
        'publish: on the embedded broker. write: a topic that ends with /set becomes a command for its tag, answered under …/set/result.',
      ),
    into: prefixSchema.optional().describe('publish: below this topic; without it, the topic stays as it is.'),
    role: z.enum(['operator', 'engineer', 'admin']).default('operator').describe('write: with this role.'),
    rate: z.number().min(0.1).max(10_000).default(10).describe('Messages a second, at most; what comes above it is dropped and counted.'),
  })
  .refine((rule) => rule.into === undefined || rule.do === 'publish', {
    message: 'only what is published goes below a topic',
    path: ['into'],
  })
  .transform(
    ({ from, do: action, into, role, rate }): ReceiveRule => ({
      from,
      action,
      ...(into === undefined ? {} : { into }),
      role,
      ratePerSecondMax: rate,
    }),
  )

const filtersSchema = z.array(topicFilterSchema).max(100).default([])

export const streamsSchema = z
  .strictObject({
    state: filtersSchema.describe('Only the last value of a topic waits, and it goes first.'),
    trends: filtersSchema.describe('Values that a straight line can stand for are taken out when space runs short.'),
  })
  .prefault({})
