import type { FlowStep, FlowTrigger } from '../control/flows/config.ts'
import { type RouteConfig, targetText } from '../control/routes/config.ts'
import { payloadText } from '../model/template.ts'
import { fullFilter } from '../model/topic.ts'
import {
  changeStart,
  type Effect,
  eventStart,
  flowStart,
  keysOf,
  knownOf,
  levelsOf,
  namedBy,
  type Start,
  tagStart,
  topicStart,
  unknown,
} from './feeding.ts'
import type { FlowContext } from './flow-context.ts'
import type { StepAt } from './flow-steps.ts'
import { valueWithUnit } from './flow-units.ts'
import type { LoadedParts } from './loaded.ts'

/** A flow or a route. */
export interface Actor {
  readonly name: string
  /** Absent of a route. */
  readonly flow?: FlowContext
  readonly starts: readonly PlacedStart[]
  readonly acts: readonly Act[]
}

interface PlacedStart extends Start {
  /** In the `on` of a flow; absent where it is started by its name. */
  readonly place?: number
}

export interface Act {
  readonly effect: Effect
  readonly text: string
  /** Absent of what a run tells of itself, and of routes. */
  readonly step?: StepAt
}

/** One thing that starts the next. */
export interface Link {
  readonly from: Actor
  readonly act: Act
  readonly to: Actor
  readonly start: PlacedStart
}

/** Rings in which a flow may be started by what follows from its own run: the shortest that each flow lies on. */
export function flowLoops(flows: readonly FlowContext[], parts: LoadedParts): readonly (readonly Link[])[] {
  const routes = parts.site?.part.keys.routes ?? []
  const site = parts.site?.part.keys.site ?? 'site'
  const actors = [...flows.map((flow) => actorOfFlow(flow, { parts, site })), ...routes.map((route) => actorOfRoute(route, parts))]
  const next = linksBetween(actors)
  const loops: (readonly Link[])[] = []
  const seen = new Set<Actor>()
  for (const actor of actors) {
    if (actor.flow === undefined || seen.has(actor)) continue
    const loop = shortestBack(actor, next)
    if (loop === undefined || isToldOf(loop)) continue
    loops.push(loop)
    for (const { from } of loop) seen.add(from)
  }
  return loops
}

/** Flows that run each other, and routes that start what they hear of, are mistakes, and told of as such. */
function isToldOf(loop: readonly Link[]): boolean {
  const isOfRuns = loop.every(({ act }) => act.step?.step.kind === 'run')
  const isOfRoutes = loop.every(({ from, act, to }, place) => {
    const isStartedByRoute = loop.at(place - 1)?.act.effect.kind === 'flow' && loop.at(place - 1)?.from.flow === undefined
    return from.flow === undefined || (act.step === undefined && to.flow === undefined && isStartedByRoute)
  })
  return isOfRuns || isOfRoutes
}

type Links = (actor: Actor) => readonly Link[]

function linksBetween(actors: readonly Actor[]): Links {
  const byKey = new Map<string, { readonly actor: Actor; readonly start: PlacedStart }[]>()
  for (const actor of actors) {
    for (const start of actor.starts) {
      for (const key of start.keys) {
        const known = byKey.get(key)
        if (known === undefined) byKey.set(key, [{ actor, start }])
        else known.push({ actor, start })
      }
    }
  }
  const links = new Map<Actor, readonly Link[]>()
  return (from) => {
    const known = links.get(from)
    if (known !== undefined) return known
    const found = from.acts.flatMap((act) =>
      keysOf(act.effect).flatMap((key) =>
        (byKey.get(key) ?? []).flatMap(({ actor, start }) => (start.mayFollow(act.effect) ? [{ from, act, to: actor, start }] : [])),
      ),
    )
    links.set(from, found)
    return found
  }
}

/** Breadth first, from a flow back to itself. */
function shortestBack(start: Actor, next: Links): readonly Link[] | undefined {
  const cameBy = new Map<Actor, Link | undefined>([[start, undefined]])
  for (const actor of cameBy.keys()) {
    for (const link of next(actor)) {
      if (link.to === start) return [...wayTo(actor, cameBy), link]
      if (!cameBy.has(link.to)) cameBy.set(link.to, link)
    }
  }
  return undefined
}

function wayTo(end: Actor, cameBy: ReadonlyMap<Actor, Link | undefined>): readonly Link[] {
  const way: Link[] = []
  for (let link = cameBy.get(end); link !== undefined; link = cameBy.get(link.from)) way.unshift(link)
  return way
}

interface Surroundings {
  readonly parts: LoadedParts
  readonly site: string
}

function actorOfFlow(flow: FlowContext, around: Surroundings): Actor {
  const name = flow.flow.flow ?? ''
  const triggers = flow.flow.on.flatMap((trigger, place) => {
    const start = trigger === undefined ? undefined : startOf(trigger, around)
    return start === undefined ? [] : [{ ...start, place }]
  })
  const isShadow = flow.flow.config?.mode === 'shadow'
  const acts = isShadow ? [] : flow.steps.flatMap((at) => actsOf(at, name, around).map((act) => ({ ...act, step: at })))
  return { name, flow, starts: [flowStart(name), ...triggers], acts: [...acts, ...toldByRuns(name)] }
}

function startOf(trigger: FlowTrigger, { site }: Surroundings): Start | undefined {
  switch (trigger.kind) {
    case 'tag':
      return tagStart(trigger)
    case 'topic':
      return topicStart(fullFilter(trigger.topic, site), { where: trigger.where, place: 'message' })
    case 'event':
      return unlessOfSteps(eventStart({ type: trigger.event, ...subjectOf(trigger) }, { where: trigger.where, place: 'message' }))
    case 'alarm':
      return eventStart({ type: `alarm.${trigger.state}`, subject: trigger.alarm }, { place: 'message' })
    case 'cron':
    case 'interval':
    case 'start':
      return undefined
    default:
      return trigger satisfies never
  }
}

function subjectOf({ subject }: { readonly subject?: string }): { readonly subject?: string } {
  return subject === undefined ? {} : { subject }
}

/** Flows do not hear of steps. */
function unlessOfSteps(start: Start): Start {
  return { ...start, mayFollow: (effect) => !(effect.kind === 'event' && effect.type.startsWith('step.')) && start.mayFollow(effect) }
}

/** What comes of every run, and of one that fails. */
const ofRuns = ['flow.started', 'flow.completed', 'flow.failed', 'step.started', 'step.completed', 'step.failed']

function toldByRuns(flow: string): readonly Act[] {
  return ofRuns.map((type) => ({ effect: { kind: 'event', type, subject: flow, data: unknown }, text: `event ${type}` }))
}

function actsOf({ step }: StepAt, flow: string, { parts, site }: Surroundings): readonly Act[] {
  switch (step.kind) {
    case 'write':
      return step.writes.flatMap(({ tag, value }) => {
        const tags = tag.includes('${') ? namedBy(tag, writable(parts)) : [tag]
        return tags.length === 0 ? [] : written(tags, knownValue(value, tags, parts), { text: `${step.id} writes ${tag}`, parts })
      })
    case 'publish':
      return [{ effect: published(step, site), text: `${step.id} publishes ${step.topic}` }]
    case 'emit': {
      const subject = step.subject === undefined ? flow : knownOf(step.subject)
      return [{ effect: { kind: 'event', type: step.event, subject, data: knownOf(step.data) }, text: `${step.id} emits ${step.event}` }]
    }
    case 'raise':
    case 'clear': {
      const type = step.kind === 'raise' ? 'alarm.raised' : 'alarm.cleared'
      return [{ effect: { kind: 'event', type, subject: step.alarm, data: unknown }, text: `${step.id} ${step.kind}s ${step.alarm}` }]
    }
    case 'run':
      return [{ effect: { kind: 'flow', flow: step.flow }, text: `${step.id} runs it` }]
    default:
      return []
  }
}

function published(step: Extract<FlowStep, { kind: 'publish' }>, site: string): Effect {
  const known = knownOf(step.payload)
  const payload = step.keyField === undefined ? asReceived(known) : { ...(known as object), [step.keyField]: unknown }
  return { kind: 'topic', levels: levelsOf(`${site}/${step.topic}`), payload }
}

/** A text that is JSON is taken for that. */
function asReceived(payload: unknown): unknown {
  if (typeof payload !== 'string') return payload
  try {
    return JSON.parse(payloadText(payload))
  } catch {
    return payload
  }
}

function writable({ tags }: LoadedParts): readonly string[] {
  return [...tags.values()].filter(({ write }) => write !== undefined).map(({ id }) => id)
}

/** A number with its unit is that number. */
function knownValue(source: unknown, [tag = '']: readonly string[], { tags }: LoadedParts): unknown {
  const meta = tags.get(tag)
  const united = meta === undefined ? undefined : valueWithUnit(meta, source)
  const value = united !== undefined && 'value' in united ? united.value : knownOf(source)
  return ['boolean', 'number', 'string'].includes(typeof value) ? value : unknown
}

/** The tag itself, and what is journalled of the command. */
function written(
  tags: readonly string[],
  value: unknown,
  { text, parts }: { readonly text: string; readonly parts: LoadedParts },
): readonly Act[] {
  const tolerance = Math.max(...tags.map((tag) => parts.tags.get(tag)?.write?.tolerance ?? 0))
  const subject = tags.length === 1 ? tags[0] : unknown
  const told = ['command.asked', 'command.done'].map((type): Act => ({ effect: { kind: 'event', type, subject, data: unknown }, text }))
  return [{ effect: { kind: 'tag', tags, value, tolerance }, text }, ...told]
}

function actorOfRoute(route: RouteConfig, parts: LoadedParts): Actor {
  const { from, where } = route
  const wanted = { where, place: 'flow' } as const
  const start =
    from.kind === 'tag'
      ? changeStart({ tag: from.tag, ...(where === undefined ? {} : { where }) })
      : from.kind === 'topic'
        ? topicStart(from.topic, wanted)
        : eventStart({ type: from.event, ...subjectOf(from) }, wanted)
  return { name: `(${route.route})`, starts: [start], acts: routed(route, parts) }
}

function routed(route: RouteConfig, parts: LoadedParts): readonly Act[] {
  const { to } = route
  const text = targetText(route)
  switch (to.kind) {
    case 'tag':
      return written([to.tag], unknown, { text, parts })
    case 'topic':
      return [{ effect: { kind: 'topic', levels: levelsOf(to.topic), payload: unknown }, text }]
    case 'flow':
      return [{ effect: { kind: 'flow', flow: to.flow }, text: '' }]
    case 'upstream':
    case 'service':
      return []
    default:
      return to satisfies never
  }
}
