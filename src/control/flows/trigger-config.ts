import { z } from 'zod'
import { durationSchema } from '../../base/units.ts'
import { pathSchema, tagIdSchema } from '../../model/name.ts'
import { asTagId } from '../../model/tag.ts'
import { expressionText, present, roleSchema } from './common-config.ts'
import type { FlowTrigger } from './definition.ts'

const level = '[^/+#\\u0000]*'
const topicFilter = new RegExp(`^/?(?:${level}|\\+)(?:/(?:${level}|\\+))*$|^/?(?:(?:${level}|\\+)/)*#$`, 'u')

const missedSchema = z.enum(['skip', 'once', 'all'])

/** One map for all kinds, so that a mistyped key is told as that and not as another kind of trigger. */
const triggerShape = {
  tag: tagIdSchema.optional().describe('The tag whose changes are watched, DEVICE/TAG.'),
  when: expressionText
    .optional()
    .describe("Of a tag: CEL over `value`, `quality` and `tags['DEVICE/TAG']`; a run starts each time it becomes true."),
  for: durationSchema({ max: '1d' }).optional().describe('Of a tag: how long it must stay true before the run starts.'),
  deadband: z
    .number()
    .positive()
    .optional()
    .describe('Of a tag with a number: how far the value must have moved since the last start before another one, in its unit.'),
  topic: z
    .string()
    .min(1)
    .max(255)
    .regex(topicFilter, 'a topic filter has levels with / between them, + for one level and # for the rest')
    .optional()
    .describe('An MQTT topic filter on the embedded broker: below the path of the site, or with / in front from the root.'),
  event: z
    .string()
    .max(100)
    .regex(/^(\*|[a-z0-9-]+(\.[a-z0-9-]+)*(\.\*)?)$/, 'an event is named like device.lost, or device.* for all that begin so')
    .optional()
    .describe('The type of an event: device.lost, or device.* for all that begin so.'),
  subject: z.string().min(1).max(255).optional().describe('Of an event: only those about this device, flow or user.'),
  where: expressionText.optional().describe('Of a topic or an event: CEL over `trigger`; a run starts only where it is true.'),
  alarm: pathSchema.optional().describe('An alarm by its name.'),
  state: z.enum(['raised', 'cleared']).optional().describe('Of an alarm: when it was raised (the default), or cleared.'),
  cron: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe('Minute, hour, day, month, weekday: 0 6 * * 1-5. With six fields the first is the second.'),
  zone: z.string().min(1).max(64).optional().describe('Of a cron: the time zone, like Europe/Berlin. Default: UTC.'),
  every: durationSchema({ min: '100ms', max: '365d' }).optional().describe('A run each time this long has passed.'),
  missed: missedSchema
    .optional()
    .describe(
      'Of cron and every: what is done for moments that passed while the gateway was off or its clock was wrong: skip (the default), once, or all of them.',
    ),
  start: roleSchema.optional().describe('May be started by hand or by a program, by whoever has at least this role.'),
} as const

type Fields = z.output<z.ZodObject<typeof triggerShape>>

const starters = ['tag', 'topic', 'event', 'alarm', 'cron', 'every', 'start'] as const
type Starter = (typeof starters)[number]

/** Which keys go with which kind. */
const companions: Readonly<Record<Starter, readonly (keyof Fields)[]>> = {
  tag: ['when', 'for', 'deadband'],
  topic: ['where'],
  event: ['subject', 'where'],
  alarm: ['state'],
  cron: ['zone', 'missed'],
  every: ['missed'],
  start: [],
}

const starterOf = (fields: Fields): Starter | undefined => starters.find((key) => fields[key] !== undefined)

export const triggerSchema = z
  .strictObject(triggerShape)
  .superRefine((fields, context) => {
    if (context.issues.length > 0) return // a mistyped key is told as that alone
    const given = starters.filter((key) => fields[key] !== undefined)
    const [starter] = given
    if (starter === undefined || given.length > 1) {
      const message = `a trigger is one of ${starters.join(', ')}${given.length > 1 ? `, and this one is ${given.join(' and ')}` : ''}`
      context.addIssue({ code: 'custom', message })
      return
    }
    for (const key of Object.keys(fields) as (keyof Fields)[]) {
      if (fields[key] === undefined || key === starter || companions[starter].includes(key)) continue
      context.addIssue({ code: 'custom', path: [key], message: `\`${key}\` says nothing about \`${starter}\`` })
    }
    if (starter === 'tag' && fields.when === undefined) {
      context.addIssue({ code: 'invalid_type', expected: 'string', path: ['when'], input: undefined })
    }
  })
  .transform((fields): FlowTrigger => triggerOf(fields))

function triggerOf(fields: Fields): FlowTrigger {
  const { tag = '', when = '', for: forMs, deadband, topic = '', event = '', subject, where, alarm = '', cron = '', zone } = fields
  const { missed = 'skip', every = 0, start = 'admin', state = 'raised' } = fields
  switch (starterOf(fields)) {
    case 'tag':
      return { kind: 'tag', tag: asTagId(tag), when, ...present({ forMs, deadband }) }
    case 'topic':
      return { kind: 'topic', topic, ...present({ where }) }
    case 'event':
      return { kind: 'event', event, ...present({ subject, where }) }
    case 'alarm':
      return { kind: 'alarm', alarm, state }
    case 'cron':
      return { kind: 'cron', cron, missed, ...present({ zone }) }
    case 'every':
      return { kind: 'interval', everyMs: every, missed }
    default:
      return { kind: 'start', role: start }
  }
}
