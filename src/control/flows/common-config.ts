import { z } from 'zod'
import { durationSchema } from '../../base/units.ts'
import { nameSchema } from '../../model/name.ts'
import type { Retry } from './definition.ts'

const textLengthMax = 4_000

/** CEL; whether it compiles is told by `check`, with its place. */
export const expressionText = z.string().min(1).max(textLengthMax)
/** Text that may hold `${expression}`. */
export const templateText = z.string().max(textLengthMax)

export const jsonValue = z.json()

/** How variables and inputs are named: as CEL can say them, `input.limit`. */
export const identifierSchema = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9_]{0,63}$/,
    'a variable is named with letters, digits and _ only, beginning with a letter, so that expressions can use it',
  )
  .refine((name) => !reserved.has(name), 'this word means something in expressions')
  .describe('Letters, digits and _, beginning with a letter.')

/** Of CEL itself, and of the scope of expressions. */
const reserved = new Set([
  ...['true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import', 'let', 'loop'],
  ...['package', 'namespace', 'return', 'var', 'void', 'while'],
  ...['tags', 'value', 'quality', 'trigger', 'input', 'vars', 'steps', 'run', 'index'],
])

export const roleSchema = z.enum(['viewer', 'operator', 'engineer', 'admin'])

/** The name of a step; the ids of undo steps are made from it. */
export const stepIdSchema = nameSchema.describe('The name of the step, unique in its flow, nested steps included.')

export const retrySchema = z
  .strictObject({
    attempts: z.int().min(1).max(100).describe('How often it is tried, the first time included.'),
    wait: durationSchema({ max: '1h' }).prefault('1s').describe('Before the second attempt.'),
    factor: z.number().min(1).max(10).default(2).describe('Each wait is this many times the one before it.'),
    max: durationSchema({ max: '1d' }).prefault('60s').describe('No wait is longer.'),
  })
  .transform(({ attempts, wait, factor, max }): Retry => ({ attempts, waitMs: wait, factor, maxMs: max }))

/** Without the keys that hold nothing. */
export function present<Fields extends object>(fields: Fields): Present<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<Fields>
}

type OptionalKeys<Fields> = { [Key in keyof Fields]: undefined extends Fields[Key] ? Key : never }[keyof Fields]
type Present<Fields> = { [Key in Exclude<keyof Fields, OptionalKeys<Fields>>]: Fields[Key] } & {
  [Key in OptionalKeys<Fields>]?: Exclude<Fields[Key], undefined>
}
