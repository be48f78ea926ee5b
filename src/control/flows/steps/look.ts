import { asTagId, type TagValue } from '../../../model/tag.ts'
import type { Template } from '../../../model/template.ts'
import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect, type StepPlace } from '../effect.ts'
import { evaluated } from '../evaluated.ts'
import { unknownValue } from '../faults.ts'

/** Looks change nothing: they are repeated after a crash, and what was seen stands in the outcome. */
export function readEffect(step: StepOf<'read'>, at: Compiling): Effect {
  const names = step.tags.map((tag) => at.template(tag))
  return effect<readonly string[]>({
    intent: 'none',
    plan: ({ scope }) => namesOf(names, scope, at),
    act: async (tags, place) => {
      const values = step.isFresh ? await place.ports.readFresh(tags.map(asTagId), place.stop) : tags.map((tag) => currentOf(tag, place))
      return Object.fromEntries(tags.map((tag, position) => [tag, known(values[position], at.id, tag)]))
    },
    inDoubt: 'repeat',
    ...(step.isFresh ? { partner: (tags: readonly string[]) => `device ${tags[0]?.split('/')[0]}`, isPatient: true } : {}),
  })
}

export function queryEffect(step: StepOf<'query'>, at: Compiling): Effect {
  const names = step.tags.map((tag) => at.template(tag))
  return effect<readonly string[]>({
    intent: 'none',
    plan: ({ scope }) => namesOf(names, scope, at),
    act: (tags, { ports, stop }) => {
      const { lastMs, aggregate, everyMs } = step
      return ports.query({ tags, lastMs, aggregate, ...(everyMs === undefined ? {} : { everyMs }) }, stop)
    },
    inDoubt: 'repeat',
    isPatient: true,
  })
}

function namesOf(names: readonly Template[], scope: StepPlace['scope'], at: Compiling): readonly string[] {
  return names.map((name) => String(evaluated(name, scope, { step: at.id, what: 'the name of a tag' })))
}

function currentOf(tag: string, { ports }: StepPlace): TagValue | undefined {
  const sample = ports.tags.sampleOf(asTagId(tag))
  if (sample === undefined || sample.quality === 'bad' || sample.quality === 'stale') return undefined
  return sample.value ?? undefined
}

function known(value: TagValue | undefined, step: string, tag: string): TagValue {
  if (value === undefined) throw unknownValue(step, tag)
  return value
}
