import { z } from 'zod'
import { durationSchema } from '../../base/units.ts'
import { nameSchema } from '../../model/name.ts'
import { actionShape } from './action-config.ts'
import { expressionText, identifierSchema, jsonValue, present, retrySchema, stepIdSchema } from './common-config.ts'
import type { FlowStep, StepAction, StepCommon, StepKind } from './definition.ts'

/** A step as its file has it: what it needs is told by its place, where it is not written. */
type Draft = Omit<StepCommon, 'needs'> & { readonly needs?: readonly string[] } & StepAction
type UndoDraft = Omit<StepCommon, 'id'> & { readonly id?: string } & StepAction

const siblingsMax = 100
const branchesMax = 20
const casesMax = 20
const undosMax = 10

const nested: z.ZodType<readonly FlowStep[]> = z.lazy(() => stepsSchema)

const nestedShape = {
  switch: z
    .array(
      z.strictObject({
        name: nameSchema.optional().describe('Of the case, as statistics show it.'),
        when: expressionText.describe('CEL: these steps are done if it is true and no case above was.'),
        steps: nested.describe('Done in this order.'),
      }),
    )
    .min(1)
    .max(casesMax)
    .describe('Cases; the first whose condition is true is done.'),
  parallel: z
    .record(nameSchema, nested)
    .refine((branches) => Object.keys(branches).length > 0, 'there is at least one branch')
    .refine((branches) => Object.keys(branches).length <= branchesMax, `there are at most ${branchesMax} branches`)
    .describe('NAME: steps. Branches that are done at the same time.'),
  each: z
    .strictObject({
      in: z
        .union([z.array(jsonValue).max(1_000), z.string().min(1).max(4_000)])
        .describe('A list, or text with one ${…} that gives a list.'),
      as: identifierSchema.default('item').describe('What expressions call the item; its place, from 0, is `index`.'),
      limit: z.int().min(1).max(1_000).default(100).describe('A longer list fails the step before anything is done.'),
      steps: nested.describe('Done for each item, one item after the other.'),
    })
    .describe('Steps for each item of a list.'),
} as const

const leafActions = { ...actionShape }
const undoActions = (({ end: _, approve: __, query: ___, pick: ____, fail: _____, ...rest }) => rest)(actionShape)

const optionalOf = <Shape extends Readonly<Record<string, z.ZodType>>>(shape: Shape): { [Key in keyof Shape]: z.ZodOptional<Shape[Key]> } =>
  Object.fromEntries(Object.entries(shape).map(([key, schema]) => [key, schema.optional().describe(schema.description ?? '')])) as {
    [Key in keyof Shape]: z.ZodOptional<Shape[Key]>
  }

/** Keys that belong to one kind of step and stand beside it. */
const besideShape = {
  confirm: z
    .union([durationSchema({ min: '1ms', max: '60s' }), z.boolean()])
    .optional()
    .describe(
      'Of a write: how long its confirmation may take; false: a write whose outcome is unknown counts as done. Default: as the tag says.',
    ),
} as const
const nestedBesideShape = {
  else: nested.optional().describe('Of a switch: done when no case is true.'),
  join: z
    .union([z.enum(['all', 'any']), z.int().min(1).max(branchesMax)])
    .optional()
    .describe('Of parallel: how many branches must be done; the others are then cancelled and undone. Default: all.'),
} as const

const commonShape = {
  when: expressionText.optional().describe('CEL: the step is skipped unless it is true.'),
  timeout: durationSchema({ min: '1ms', max: '30d' }).optional().describe('Fails when it is not done by then.'),
  retry: retrySchema.optional().describe('Tries again what failed. Default: that of the flow.'),
  'in-doubt': z
    .enum(['repeat', 'fail', 'ask'])
    .optional()
    .describe(
      'What is done when the gateway died in the middle of it: repeat, fail, or ask a person. Default: a write is read back, requests and messages are repeated under the same key, a call fails.',
    ),
} as const

const undoStepShape = {
  id: stepIdSchema.optional().describe('Default: the id of the step with -undo behind it.'),
  ...commonShape,
  ...besideShape,
  ...optionalOf(undoActions),
}
const undoStepSchema: z.ZodType<UndoDraft> = z
  .strictObject(undoStepShape)
  .superRefine((fields, context) => oneAction(fields, undoKinds, context))
  .transform((fields): UndoDraft => {
    const { id, when, timeout: timeoutMs, retry, 'in-doubt': inDoubt } = fields
    return { ...present({ id, when, timeoutMs, retry, inDoubt }), needs: [], undo: [], ...actionOf(fields as Fields) }
  })

const stepShape = {
  id: stepIdSchema,
  needs: z
    .array(nameSchema)
    .max(50)
    .optional()
    .describe('Ids of steps beside it that must be done before; [] for none. Default: the step above.'),
  ...commonShape,
  ...optionalOf(leafActions),
  ...besideShape,
  ...optionalOf(nestedShape),
  ...nestedBesideShape,
  undo: z
    .union([undoStepSchema, z.array(undoStepSchema).max(undosMax)])
    .optional()
    .describe(
      'A step, or several in order: takes back what this step did, when the run fails or is cancelled later; [] where it is to stay.',
    ),
  'on-failure': z
    .union([z.literal('continue'), nested])
    .optional()
    .describe(
      'continue: goes on as if it were done; or steps that are done in its place. Both may look at `steps[ID].failure`. Default: the run fails and what was done is undone.',
    ),
}

const kinds = [...Object.keys(actionShape), ...Object.keys(nestedShape)] as StepKind[]
const undoKinds = Object.keys(undoActions) as StepKind[]
/** Which key goes with which kind of step. */
const companions = { confirm: 'write', else: 'switch', join: 'parallel' } as const

type Fields = z.output<z.ZodObject<typeof stepShape>>

/** One map for all kinds, so that a mistyped key is told as that and not as another kind of step. */
export const stepSchema: z.ZodType<Draft> = z
  .strictObject(stepShape)
  .superRefine((fields, context) => {
    oneAction(fields, kinds, context)
    const count = Object.keys(fields.parallel ?? {}).length
    if (typeof fields.join === 'number' && fields.join > count) {
      context.addIssue({ code: 'custom', path: ['join'], message: `${fields.join} branches cannot be done of ${count}` })
    }
  })
  .transform((fields): Draft => {
    const { id, needs, when, timeout: timeoutMs, retry, undo, 'on-failure': onFailure, 'in-doubt': inDoubt } = fields
    const common = { id, ...present({ needs, when, timeoutMs, retry, onFailure, inDoubt }), undo: undoOf(id, undo) }
    return { ...common, ...actionOf(fields) }
  })

export const stepsSchema = z.array(stepSchema).min(1).max(siblingsMax).transform(inOrder)

/** A step that does not say what it needs, needs the one above. Holes are steps that are wrong. */
export function inOrder(drafts: readonly Draft[]): readonly FlowStep[] {
  return drafts.map((draft, place): FlowStep => {
    const above = drafts[place - 1]
    return { ...draft, needs: draft.needs ?? (above === undefined ? [] : [above.id]) }
  })
}

function oneAction(fields: Readonly<Record<string, unknown>>, allowed: readonly StepKind[], context: z.RefinementCtx): void {
  if (context.issues.length > 0) return // a mistyped `publish` is told as that alone
  const given = allowed.filter((kind) => fields[kind] !== undefined)
  if (given.length === 0) context.addIssue({ code: 'custom', message: `a step does one thing: ${allowed.join(', ')}` })
  if (given.length > 1)
    context.addIssue({ code: 'custom', path: [given[1] ?? ''], message: `a step does one thing, and this one does ${given.join(' and ')}` })
  for (const [key, kind] of Object.entries(companions)) {
    if (fields[key] === undefined || given.length !== 1 || given[0] === kind) continue
    context.addIssue({ code: 'custom', path: [key], message: `\`${key}\` says something about ${kind}, and this step does ${given[0]}` })
  }
}

function undoOf(id: string, undo: UndoDraft | readonly UndoDraft[] | undefined): readonly FlowStep[] {
  const drafts = undo === undefined ? [] : ([undo].flat() as readonly UndoDraft[])
  return drafts.map((draft, place): FlowStep => {
    const own = drafts.length === 1 ? `${id}-undo` : `${id}-undo-${place + 1}`
    const above = drafts[place - 1]
    const needs = above === undefined ? [] : [above.id ?? `${id}-undo-${place}`]
    return { ...draft, id: draft.id ?? own, needs }
  })
}

/** The one thing that a step does; that it is one has been seen. */
function actionOf(fields: Fields): StepAction {
  const { write, confirm, read, publish, emit, wait, set, run, parallel, join = 'all', else: otherwise = [] } = fields
  if (write !== undefined) {
    const writes = Object.entries(write).map(([tag, value]) => ({ tag, value }))
    return { kind: 'write', writes, isConfirmed: confirm !== false, ...(typeof confirm === 'number' ? { confirmMs: confirm } : {}) }
  }
  if (read !== undefined) return { kind: 'read', tags: read.tags, isFresh: read.fresh }
  if (publish !== undefined) {
    const { topic, payload, retain, key } = publish
    return { kind: 'publish', topic, payload, isRetained: retain, ...present({ keyField: key }) }
  }
  if (emit !== undefined) return { kind: 'emit', ...present(emit), data: emit.data }
  if (wait !== undefined) return { kind: 'wait', ...present({ forMs: wait.for, until: wait.until, untilMs: wait.timeout }) }
  if (set !== undefined) return { kind: 'set', variables: set }
  if (fields.switch !== undefined)
    return { kind: 'switch', cases: fields.switch.map((one) => ({ ...present(one), when: one.when, steps: one.steps })), otherwise }
  if (parallel !== undefined) {
    return { kind: 'parallel', branches: Object.entries(parallel).map(([name, steps]) => ({ name, steps })), join }
  }
  if (run !== undefined) return { kind: 'run', flow: run.flow, input: run.input, isAwaited: run.await }
  return otherAction(fields)
}

function otherAction({ each, request, call, query, approve, pick, raise, clear, log, fail, end }: Fields): StepAction {
  if (each !== undefined) return { kind: 'each', ...each }
  if (request !== undefined) {
    const { body, headers, ...rest } = request
    return { kind: 'request', ...rest, ...present({ body, headers }) }
  }
  if (call !== undefined) {
    const { object, ...rest } = call
    return { kind: 'call', ...rest, ...present({ object }) }
  }
  if (query !== undefined) {
    const { tags, aggregate, last: lastMs, every: everyMs } = query
    return { kind: 'query', tags, aggregate, lastMs, ...present({ everyMs }) }
  }
  if (approve !== undefined)
    return { kind: 'approve', role: approve.role, text: approve.text, withinMs: approve.within, default: approve.default }
  if (pick !== undefined) {
    const { from, fallback, ...rest } = pick
    return { kind: 'pick', ...rest, ...present({ from, fallback }) }
  }
  if (raise !== undefined) {
    const { text, severity } = raise
    return { kind: 'raise', alarm: raise.alarm, ...present({ text, severity }) }
  }
  if (clear !== undefined) return { kind: 'clear', alarm: clear.alarm }
  if (log !== undefined) return { kind: 'log', level: log.level, text: log.text, ...present({ data: log.data }) }
  if (fail !== undefined) return { kind: 'fail', text: fail }
  return { kind: 'end', ...present({ output: end?.output }) }
}
