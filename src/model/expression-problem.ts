import { habitIn } from './expression-habits.ts'

/** Why a text is no expression, for the one who wrote it. */
export interface ExpressionProblem {
  readonly message: string
  readonly remedy: string
  /** Where in the text, from 0. */
  readonly offset: number
}

/** What the CEL library threw, in plain words. Its errors carry `code`, `summary` and `range`; anything else is a text it choked on. */
export function celProblem(error: unknown, variables: readonly string[] = [], source = ''): ExpressionProblem {
  const { code, summary, range } = error as {
    readonly code?: unknown
    readonly summary?: unknown
    readonly range?: { readonly start: number }
  }
  const isBaffled = typeof code === 'string' && (/^(?:unexpected|expected|reserved)_/.test(code) || unknown.has(code))
  const habit = isBaffled ? habitIn(source) : undefined
  if (habit !== undefined) return habit
  const offset = range?.start ?? 0
  const text = typeof summary === 'string' ? summary : 'This is no CEL expression'
  switch (code) {
    case 'no_such_overload':
      return { message: `Types that do not go together: ${text.replace('no such overload: ', '')}.`, remedy: typesRemedy, offset }
    case 'invalid_logical_operand':
      return { message: `${text}.`, remedy: 'Put conditions on both sides of && and ||.', offset }
    case 'incompatible_ternary_branches':
      return { message: `${text}.`, remedy: 'Give both results one type: 1.0 where the other is a fraction.', offset }
    case 'unknown_variable':
      return {
        message: `${text}.`,
        remedy: `Write tags['…'] for a tag, and put quotes around a text${variables.length === 0 ? '' : `; what is known here: ${variables.join(', ')}`}.`,
        offset,
      }
    case 'cannot_index_type':
      return { ...nothingBelow(/'string'/.test(text) ? 'text' : (/'(\w+)'/.exec(text)?.[1] ?? 'value')), offset }
    case 'no_matching_overload':
      return { message: `There is no function ${text.replace('found no matching overload for ', '')}.`, remedy: functionsRemedy, offset }
    default:
      return { message: `${text}.`, remedy: "Write it like tags['filler/level'] > 80 && !tags['filler/running'].", offset }
  }
}

/** Programs with objects for tags have their `.value`; here a tag is its value, and what is below it is unknown for ever. */
export function nothingBelow(kind: string, part?: string): Omit<ExpressionProblem, 'offset'> {
  const asked = part === undefined ? 'something there is asked for' : `\`${part}\` asks for it`
  return { message: `A ${kind} has nothing below it, and ${asked}.`, remedy: 'A tag is its value: leave out what stands behind it.' }
}

const functionsRemedy =
  'Those that there are, such as size, contains, startsWith, endsWith, int, double, string, timestamp and duration, take values of certain types only.'

export const typesRemedy = 'Compare numbers with numbers and texts with texts; a bool needs no comparison, only `!` for its opposite.'

/** Names that nobody has given here; a text that does not parse is told by codes of its own. */
const unknown = new Set(['unknown_variable', 'no_matching_overload'])
