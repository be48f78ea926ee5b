import { compileCondition, type Expression, type ExpressionScope } from '../model/expression.ts'
import type { ExpressionPlace } from '../model/expression-environments.ts'
import { pathGlob } from '../model/path-glob.ts'
import type { TagValue } from '../model/tag.ts'

/** What is only known when it happens. */
export const unknown = Symbol('unknown')

/** What a step of a flow, or a route, does to the world that flows and routes look at. Maps hold `unknown` where a part is computed. */
export type Effect =
  | { readonly kind: 'tag'; readonly tags: readonly string[]; readonly value: unknown; readonly tolerance: number }
  | { readonly kind: 'topic'; readonly levels: readonly string[]; readonly payload: unknown }
  | { readonly kind: 'event'; readonly type: string; readonly subject: unknown; readonly data: unknown }
  | { readonly kind: 'flow'; readonly flow: string }

/** What a flow or a route begins at. `keys` are those of the effects that are worth a closer look. */
export interface Start {
  readonly keys: readonly string[]
  mayFollow(effect: Effect): boolean
}

const anyTag = 'tag by pattern'
const topics = 'topic'
const events = 'event'

export function keysOf(effect: Effect): readonly string[] {
  switch (effect.kind) {
    case 'tag':
      return [...effect.tags.map((tag) => `tag ${tag}`), anyTag]
    case 'topic':
      return [topics]
    case 'event':
      return [events]
    case 'flow':
      return [`flow ${effect.flow}`]
    default:
      return effect satisfies never
  }
}

/** A condition over a tag and those that it names itself: a value with which it is certainly false does not start anything. */
export function tagStart({ tag, when }: { readonly tag: string; readonly when: string }): Start {
  const condition = compiled(when, 'flow')
  const watched = [...new Set([tag, ...(condition?.tags ?? [])])]
  return {
    keys: watched.map((name) => `tag ${name}`),
    mayFollow: (effect) => {
      if (effect.kind !== 'tag' || condition === undefined) return false
      return effect.tags.some((name) => watched.includes(name) && mayBeTrue(condition, effect, { name, isValue: name === tag }))
    },
  }
}

/** Of a route: any change of a tag. */
export function changeStart({ tag, where }: { readonly tag: string; readonly where?: string }): Start {
  const isPattern = /[*?]/.test(tag)
  const glob = pathGlob(tag)
  const condition = where === undefined ? undefined : compiled(where, 'flow')
  return {
    keys: [isPattern ? anyTag : `tag ${tag}`],
    mayFollow: (effect) => {
      if (effect.kind !== 'tag') return false
      const names = effect.tags.filter((name) => name === tag || glob.matches(name.split('/')))
      return names.some((name) => condition === undefined || mayBeTrue(condition, effect, { name, isValue: true }))
    },
  }
}

interface Wanted {
  readonly where?: string | undefined
  /** Where its condition stands. */
  readonly place: ExpressionPlace
}

export function topicStart(filter: string, { where, place }: Wanted): Start {
  const levels = filter.split('/')
  const condition = where === undefined ? undefined : compiled(where, place)
  return {
    keys: [topics],
    mayFollow: (effect) => {
      if (effect.kind !== 'topic' || !meets(effect.levels, levels)) return false
      const topic = effect.levels.includes(someLevels) ? unknown : effect.levels.join('/')
      return condition === undefined || mayPass(condition, { topic, payload: effect.payload })
    },
  }
}

export function eventStart({ type, subject }: { readonly type: string; readonly subject?: string }, { where, place }: Wanted): Start {
  const condition = where === undefined ? undefined : compiled(where, place)
  return {
    keys: [events],
    mayFollow: (effect) => {
      if (effect.kind !== 'event' || !isOfType(effect.type, type)) return false
      if (subject !== undefined && typeof effect.subject === 'string' && !isOfType(effect.subject, subject)) return false
      return condition === undefined || mayPass(condition, { type: effect.type, subject: effect.subject, data: effect.data })
    },
  }
}

export function flowStart(flow: string): Start {
  return { keys: [`flow ${flow}`], mayFollow: (effect) => effect.kind === 'flow' && effect.flow === flow }
}

/** `flow.*` is all that begins with `flow.`. */
export function isOfType(type: string, pattern: string): boolean {
  return pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern
}

/** One that does not compile is told of elsewhere. */
function compiled(text: string, place: ExpressionPlace): Expression | undefined {
  const result = compileCondition(text, place)
  return 'problem' in result ? undefined : result.expression
}

/** Of a float that is read back as the device holds it. */
const relativeError = 1e-6

function mayBeTrue(
  condition: Expression,
  { value, tolerance }: Extract<Effect, { kind: 'tag' }>,
  { name, isValue }: { readonly name: string; readonly isValue: boolean },
): boolean {
  if (value === unknown) return true
  const off = typeof value !== 'number' ? 0 : Math.max(tolerance, Number.isInteger(value) ? 0 : Math.abs(value) * relativeError)
  const held = off === 0 ? [value] : [value, Number(value) - off, Number(value) + off]
  return held.some((one) => {
    const known = one as TagValue
    const scope: ExpressionScope = {
      tag: (other) => (other === name ? { value: known, quality: 'good' } : undefined),
      ...(isValue ? { value: known } : {}),
    }
    return condition.evaluate(scope) !== false
  })
}

/** Whether it is not certainly false, whatever the parts are that nobody knows yet. */
function mayPass(condition: Expression, trigger: Readonly<Record<string, unknown>>): boolean {
  return condition.evaluate({ tag: () => undefined, trigger: asFarAsKnown({ ...trigger, time: unknown }) }) !== false
}

/** To look at what is unknown makes the expression unknown. */
function asFarAsKnown(map: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const known = {}
  for (const [key, value] of Object.entries(map)) {
    const get = (): unknown => {
      if (value === unknown) throw new Error('This is not known beforehand.')
      return isMap(value) ? asFarAsKnown(value) : value
    }
    Object.defineProperty(known, key, { get, enumerable: true })
  }
  return known
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What of a template is known beforehand. */
export function knownOf(source: unknown): unknown {
  if (typeof source === 'string') return source.includes('${') ? unknown : source
  if (Array.isArray(source)) {
    const items = source.map(knownOf)
    return items.some((item) => item === unknown || isMap(item)) ? unknown : items
  }
  return isMap(source) ? Object.fromEntries(Object.entries(source).map(([key, value]) => [key, knownOf(value)])) : source
}

/** A level with an expression in it: it may give several. */
const someLevels = '${}'

/** The levels of a topic or a tag, as far as they can be told. */
export function levelsOf(text: string): readonly string[] {
  const levels = text.replaceAll(/\$\{[^}]*\}/g, someLevels).split('/')
  return levels.map((level) => (level.includes(someLevels) ? someLevels : level))
}

/** Tags that a write with an expression in its name may mean; one that is nothing but an expression may mean any, and nothing is said of it. */
export function namedBy(text: string, tags: Iterable<string>): readonly string[] {
  const levels = levelsOf(text)
  if (levels.every((level) => level === someLevels)) return []
  const glob = pathGlob(levels.map((level) => (level === someLevels ? '*' : level)).join('/'))
  return [...tags].filter((tag) => glob.matches(tag.split('/')))
}

/** Whether some topic that these levels give matches the filter; in time that grows with their product. */
export function meets(levels: readonly string[], filter: readonly string[]): boolean {
  let places: ReadonlySet<number> = new Set([0])
  for (const level of levels) {
    if ([...places].some((place) => filter[place] === '#')) return true
    places = new Set([...places].flatMap((place) => placesAfter(level, place, filter)))
  }
  return [...places].some((place) => place === filter.length || filter[place] === '#')
}

function placesAfter(level: string, place: number, filter: readonly string[]): readonly number[] {
  const wanted = filter[place]
  if (wanted === undefined) return []
  if (level === someLevels) return Array.from({ length: filter.length - place }, (_, more) => place + 1 + more)
  return wanted === '+' || wanted === level ? [place + 1] : []
}
