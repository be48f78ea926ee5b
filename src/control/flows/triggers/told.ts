import type { Clock } from '../../../base/clock.ts'
import { isoTime } from '../../../base/clock.ts'
import type { SiteEvent } from '../../../model/event.ts'
import { checkedExpression, type Expression } from '../../../model/expression.ts'
import { fullFilter, matchesFilter } from '../../../model/topic.ts'
import type { FlowTrigger } from '../definition.ts'

type Fire = (trigger: Readonly<Record<string, unknown>>) => void
type Told<Kind extends FlowTrigger['kind']> = Extract<FlowTrigger, { readonly kind: Kind }>

/** Steps tell of themselves too: a flow that listened to them would hear its own. */
const unheard = /^step\./

/** A trigger that waits to be told. */
export interface Listener {
  hear(event: SiteEvent): void
}

export function eventListener({ event, subject, where }: Told<'event'>, fire: Fire): Listener {
  const condition = conditionOf(where)
  const isIt = patternOf(event)
  const isSubject = subject === undefined ? () => true : patternOf(subject)
  return {
    hear: (told) => {
      if (!isIt(told.type) || unheard.test(told.type) || !isSubject(told.subject)) return
      const { type, timeMs, data } = told
      const trigger = { kind: 'event', type, subject: told.subject, data, time: isoTime(timeMs) }
      if (isWanted(condition, trigger)) fire(trigger)
    },
  }
}

export function alarmListener({ alarm, state }: Told<'alarm'>, fire: Fire): Listener {
  return {
    hear: ({ type, subject, timeMs }) => {
      if (type === `alarm.${state}` && subject === alarm) fire({ kind: 'alarm', alarm, state, time: isoTime(timeMs) })
    },
  }
}

export interface TopicListener {
  /** From the root of all topics. */
  readonly filter: string
  take(topic: string, payload: string): void
}

export function topicListener(
  { topic, where }: Told<'topic'>,
  { site, clock, fire }: { readonly site: string; readonly clock: Clock; readonly fire: Fire },
): TopicListener {
  const condition = conditionOf(where)
  const filter = fullFilter(topic, site)
  return {
    filter,
    take: (name, payload) => {
      if (!matchesFilter(name, filter)) return
      const trigger = { kind: 'topic', topic: name, payload: parsed(payload), time: isoTime(clock.now()) }
      if (isWanted(condition, trigger)) fire(trigger)
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

function parsed(payload: string): unknown {
  try {
    return JSON.parse(payload)
  } catch {
    return payload
  }
}
