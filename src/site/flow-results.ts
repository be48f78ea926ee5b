import type { FlowStep, StepKind } from '../control/flows/config.ts'
import type { Reference } from '../model/expression-types.ts'
import type { ValueType } from '../model/tag.ts'
import { suggestion } from './did-you-mean.ts'

type Results = Readonly<Record<string, ValueType | undefined>>

/** What the result of each kind of step holds; absent: no result. */
const results: Readonly<Partial<Record<StepKind, Results>>> = {
  request: { status: 'u32', body: undefined },
  call: { outputs: undefined },
  approve: { approved: 'bool', by: 'string', comment: 'string' },
  pick: { device: 'string' },
  each: { count: 'u32' },
  parallel: { done: undefined },
  switch: { case: 'string' },
}

type TypeOf = (tag: string) => ValueType | undefined

/** Of `steps['id'].result` and the keys behind it. */
export function resultOf(step: FlowStep, [key]: readonly string[], typeOf: TypeOf): Reference | undefined {
  if (step.kind === 'run') return undefined
  const known = step.kind === 'read' ? tagsOf(step.tags, typeOf) : step.kind === 'query' ? queried(step.tags) : results[step.kind]
  if (known === undefined) {
    const message = `\`${step.id}\` does ${step.kind}, which has no result.`
    return { problem: { message, remedy: 'A step has `failed` and `status` in any case.' } }
  }
  if (known === 'any' || key === undefined) return undefined
  if (Object.hasOwn(known, key)) return { type: known[key], keys: 3 }
  const message = `The result of \`${step.id}\` has no \`${key.slice(0, 100)}\`.`
  return { problem: { message, remedy: suggestion(key, Object.keys(known)) } }
}

function queried(tags: readonly string[]): Results | 'any' {
  const asked = tagsOf(tags)
  return asked === 'any' ? asked : { ...asked, known: undefined }
}

/** Where the names are only made when it runs, anything may be asked for. */
function tagsOf(tags: readonly string[], typeOf: TypeOf = () => undefined): Results | 'any' {
  return tags.some((tag) => tag.includes('${')) ? 'any' : Object.fromEntries(tags.map((tag) => [tag, typeOf(tag)]))
}
