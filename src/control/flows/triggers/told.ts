import type { Clock } from '../../../base/clock.ts'
import { isoTime } from '../../../base/clock.ts'
import type { SiteEvent } from '../../../model/event.ts'
import { checkedExpression, type Expression } from '../../../model/expression.ts'
import { payloadValue } from '../../../model/json-value.ts'
import { fullFilter } from '../../../model/topic.ts'
import type { FlowTrigger } from '../definition.ts'

/** What a start follows from: the same key once more begins no other run. */
export interface StartCause {
  readonly key: string
  /** It may have been met before: whether there is a run already is to be looked up. */
  readonly isRepeated: boolean
}

export type Fire = (trigger: Readonly<Record<string, unknown>>, cause?: StartCause) => Promise<void>
type Told<Kind extends FlowTrigger['kind']> = Extract<FlowTrigger, { readonly kind: Kind }>

/** Steps tell of themselves too: a flow that listened to them would hear its own. */
const unheard = /^step\./

/** A trigger that waits to be told. */
export interface Listener {
  /** Types of events, as the journal is asked for them. */
  readonly types: readonly string[]
  /** Resolves when the run that begins is kept; undefined where none does. */
  hear(event: SiteEvent, cause: StartCause): Promise<void> | undefined
}

export function eventListener({ event, subject, where }: Told<'event'>, fire: Fire): Listener {
  const condition = conditionOf(where)
  const isIt = patternOf(event)
  const isSubject = subject === undefined ? () => true : patternOf(subject)
  return {
    types: [event],
    hear: (told, cause) => {
      if (!isIt(told.type) || unheard.test(told.type) || !isSubject(told.subject)) return undefined
      const { type, timeMs, data } = told
      const trigger = { kind: 'event', type, subject: told.subject, data, time: isoTime(timeMs) }
      return isWanted(condition, trigger) ? fire(trigger, cause) : undefined
    },
  }
}

export function alarmListener({ alarm, state }: Told<'alarm'>, fire: Fire): Listener {
  return {
    types: [`alarm.${state}`],
    hear: ({ type, subject, timeMs }, cause) => {
      const isIt = type === `alarm.${state}` && subject === alarm
      return isIt ? fire({ kind: 'alarm', alarm, state, time: isoTime(timeMs) }, cause) : undefined
    },
  }
}

export interface TopicListener {
  /** From the root of all topics; what it is given matches. */
  readonly filter: string
  take(message: { readonly topic: string; readonly payload: string }, cause: StartCause): Promise<void> | undefined
}

export function topicListener(
  { topic, where }: Told<'topic'>,
  { site, clock, fire }: { readonly site: string; readonly clock: Clock; readonly fire: Fire },
): TopicListener {
  const condition = conditionOf(where)
  const filter = fullFilter(topic, site)
  return {
    filter,
    take: ({ topic: name, payload }, cause) => {
      const trigger = { kind: 'topic', topic: name, payload: payloadValue(payload), time: isoTime(clock.now()) }
      return isWanted(condition, trigger) ? fire(trigger, cause) : undefined
    },
  }
}

function conditionOf(where: string | undefined): Expression | undefined {
  return where === undefined ? undefined : checkedExpression(where, 'message')
}

function isWanted(condition: Expression | undefined, trigger: Readonly<Record<string, unknown>>): boolean {
  return condition === undefined || condition.isTrue({ tag: () => undefined, trigger })
}

/** `device.*` is all that begins with `device.`. */
function patternOf(pattern: string): (text: string) => boolean {
  return pattern.endsWith('*') ? (text) => text.startsWith(pattern.slice(0, -1)) : (text) => text === pattern
}
