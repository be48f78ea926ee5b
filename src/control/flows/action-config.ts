import { z } from 'zod'
import { durationSchema } from '../../base/units.ts'
import { nameSchema, pathSchema } from '../../model/name.ts'
import { expressionText, identifierSchema, jsonValue, roleSchema, templateText } from './common-config.ts'

const listMax = 1_000
const scalar = z.union([z.boolean(), z.number(), templateText])
const flowValue = z.union([z.boolean(), z.number(), templateText, z.array(scalar).max(listMax)])

const hasExpression = (text: string): boolean => text.includes('${')
const segment = '[\\p{L}\\p{N}_][\\p{L}\\p{N}_.-]{0,63}'
const tagId = new RegExp(`^${segment}(/${segment}){1,15}$`, 'u')

/** DEVICE/TAG, or a text with an expression in it that makes one. */
const tagName = z
  .string()
  .max(1_000)
  .refine((text) => hasExpression(text) || (text.length <= 255 && tagId.test(text)), 'a tag is named DEVICE/TAG, like filler/bowl/level')
const tagNames = z.array(tagName).min(1).max(100)

const topicText = z
  .string()
  .max(1_000)
  .refine((text) => hasExpression(text) || pathSchema.safeParse(text).success, 'a topic is made of names with / between them')

const deviceText = z
  .string()
  .max(1_000)
  .refine((text) => hasExpression(text) || nameSchema.safeParse(text).success, 'a device is named as in its device file')

const variables = z
  .record(identifierSchema, jsonValue)
  .refine((map) => Object.keys(map).length > 0, 'at least one variable is set')
  .refine((map) => Object.keys(map).length <= 50, 'at most 50 variables are set in one step')

const inputs = z
  .record(identifierSchema, jsonValue)
  .refine((map) => Object.keys(map).length <= 50, 'a flow has at most 50 inputs')
  .default({})

const keyField = z.string().regex(/^[\p{L}_][\p{L}\p{N}_-]{0,63}$/u, 'a field is named with letters, digits, _ and -')

/** A payload whose shape is only known in the run is looked at there. */
function keyHasRoom({ payload, key }: { readonly payload: unknown; readonly key?: string | undefined }, context: z.RefinementCtx): void {
  if (key === undefined || (typeof payload === 'string' && hasExpression(payload))) return
  const isMap = typeof payload === 'object' && payload !== null && !Array.isArray(payload)
  if (!isMap) context.addIssue({ code: 'custom', path: ['key'], message: 'only a payload that is a map has room for a key' })
  else if (Object.hasOwn(payload, key))
    context.addIssue({ code: 'custom', path: ['key'], message: `the payload has a \`${key}\` of its own` })
}

/** What a header of HTTP may be called. */
const headers = z
  .record(z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'a header is named with letters, digits and -'), templateText)
  .refine((map) => Object.keys(map).length <= 20, 'a request has at most 20 headers of its own')

/** What the gateway itself says: an event of a flow must not look like one. */
const ownEvents = new Set(
  'alarm breaker broker command device flow lineside opcua outbox pipeline route run runtime session site step store upstream user'.split(
    ' ',
  ),
)

export const actionShape = {
  write: z
    .record(tagName, flowValue)
    .refine((writes) => Object.keys(writes).length > 0, 'a write step names at least one tag')
    .refine((writes) => Object.keys(writes).length <= 50, 'a write step names at most 50 tags')
    .describe('DEVICE/TAG: value. Written one after another, in this order, through all the rules of the tag.'),
  read: z
    .strictObject({
      tags: tagNames.describe('Their values, as DEVICE/TAG: value.'),
      fresh: z.boolean().default(true).describe('Asked of the device now; false: the last known values.'),
    })
    .describe('Reads tags; what they were is the result of the step.'),
  publish: z
    .strictObject({
      topic: topicText.describe('Below the path of the site.'),
      payload: jsonValue.describe('Any JSON value; each ${…} in its strings is an expression.'),
      retain: z.boolean().default(false).describe('Whether the broker keeps it for those who subscribe later.'),
      key: keyField.optional().describe('A field of the payload that takes RUN/STEP, the same however often the message comes.'),
    })
    .superRefine(keyHasRoom)
    .describe('A message on the embedded broker and to the upstreams that want it.'),
  emit: z
    .strictObject({
      event: z
        .string()
        .max(100)
        .regex(/^[a-z][a-z0-9-]*(\.[a-z0-9-]+){1,4}$/, 'an event is named with a dot between small words, like batch.finished')
        .refine((type) => !ownEvents.has(type.split('.')[0] ?? ''), 'events that begin so are the gateway’s own')
        .describe('Its type, like batch.finished.'),
      subject: templateText.min(1).max(255).optional().describe('What it is about. Default: the flow.'),
      data: jsonValue.default({}).describe('Any JSON value with ${…} in its strings.'),
    })
    .describe('An event, kept in the journal.'),
  wait: z
    .strictObject({
      for: durationSchema({ max: '30d' }).optional().describe('How long.'),
      until: expressionText.optional().describe('CEL: goes on as soon as it is true.'),
      timeout: durationSchema({ max: '30d' }).optional().describe('Of until: fails when it is not true by then.'),
    })
    .refine((wait) => (wait.for === undefined) !== (wait.until === undefined), 'a wait has either for or until')
    .refine((wait) => wait.timeout === undefined || wait.until !== undefined, { message: 'only until has a timeout', path: ['timeout'] })
    .describe('Waits for a time, or until something is true.'),
  set: variables.describe('Variables of the run, read as vars.NAME.'),
  run: z
    .strictObject({
      flow: nameSchema.describe('Another flow of the site.'),
      input: inputs.describe('Its inputs.'),
      await: z.boolean().default(true).describe('Whether this step ends with that run; its output is then the result.'),
    })
    .describe('Starts another flow.'),
  request: z
    .strictObject({
      service: nameSchema.describe('One of `services:` in lineside.yaml.'),
      method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).default('POST').describe('Of HTTP.'),
      path: templateText.regex(/^\//, 'a path begins with /').max(1_000).describe('Below the address of the service.'),
      body: jsonValue.optional().describe('Sent as JSON; each ${…} in its strings is an expression.'),
      headers: headers.optional().describe('Beside those that the gateway sends.'),
      expect: z.array(z.int().min(100).max(599)).min(1).max(20).default([200, 201, 202, 204]).describe('Status codes that count as done.'),
    })
    .describe('Asks an HTTP service; the result is its answer: { status, body }.'),
  call: z
    .strictObject({
      device: deviceText.describe('A device with methods.'),
      object: z.string().min(1).max(500).optional().describe('Whose method it is, written as the addresses of its tags are.'),
      method: z.string().min(1).max(500).describe('Written as the addresses of its tags are.'),
      inputs: z.array(flowValue).max(50).default([]).describe('Its input arguments, in order.'),
    })
    .describe('Calls a method of an OPC UA device; its output arguments are the result, as { outputs }.'),
  query: z
    .strictObject({
      tags: tagNames.describe('Whose history.'),
      last: durationSchema({ min: '1s', max: '400d' }).describe('How far back.'),
      aggregate: z
        .enum(['avg', 'min', 'max', 'first', 'last', 'sum', 'count', 'delta', 'seconds'])
        .describe(
          'What is made of the values that were good. avg: each counts for as long as it was so; count and sum: of those that came; delta: the last less the first; seconds: how long it was true, or not 0.',
        ),
      every: durationSchema({ min: '1s', max: '400d' })
        .optional()
        .describe('One value for each span of this length, the last one ending now; null where nothing is known. Default: one in all.'),
    })
    .describe('Asks what numbers and switches were; under `known` the result tells which share of the time is known.'),
  approve: z
    .strictObject({
      role: roleSchema.default('operator').describe('The least role that may answer.'),
      text: templateText.min(1).max(500).describe('What the person is asked.'),
      within: durationSchema({ min: '1s', max: '30d' }).describe('How long there is to answer.'),
      default: z.enum(['approve', 'reject', 'fail']).default('reject').describe('What counts when nobody has answered by then.'),
    })
    .describe('Waits for a person; the result is { approved, by, comment }.'),
  pick: z
    .strictObject({
      capability: nameSchema.describe('One of the `capabilities:` in the device files.'),
      from: z.array(nameSchema).min(1).max(100).optional().describe('Only these devices.'),
      by: z
        .enum(['first-healthy', 'round-robin', 'least-busy'])
        .default('first-healthy')
        .describe('How one is chosen of those that answer.'),
      fallback: nameSchema.optional().describe('Where none answers: this device. Without it the step fails.'),
    })
    .describe('Finds a device by what it can do; the result is { device }.'),
  raise: z
    .strictObject({
      alarm: nameSchema.describe('The name of the alarm.'),
      text: templateText.min(1).max(500).optional().describe('For people.'),
      severity: z.int().min(1).max(1_000).optional().describe('As OPC UA counts: 1 is the least, 1000 the worst.'),
    })
    .describe('Raises an alarm, which stays until it is cleared.'),
  clear: z.strictObject({ alarm: nameSchema.describe('The name of the alarm.') }).describe('Clears an alarm.'),
  log: z
    .strictObject({
      level: z.enum(['info', 'warn', 'error']).default('info').describe('How bad it is.'),
      text: templateText.min(1).max(500).describe('What is said.'),
      data: jsonValue.optional().describe('Any JSON value beside it.'),
    })
    .describe('A line in the log of the gateway.'),
  fail: templateText.min(1).max(500).describe('Fails here, with this text; what was done is undone.'),
  end: z
    .strictObject({ output: jsonValue.optional().describe('What the run gives back, up to 64 KiB.') })
    .describe('Ends the run as completed, undoing nothing.'),
} as const
