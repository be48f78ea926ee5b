import { z } from 'zod'
import { durationSchema } from '../../base/units.ts'
import { nameSchema, tagIdSchema } from '../../model/name.ts'
import { asTagId, type TagId } from '../../model/tag.ts'
import { topicFilterSchema } from '../../model/topic-filter.ts'

/** One route of `lineside.yaml`. Plain data: expressions are still text, and `check` has seen that they compile. */
export interface RouteConfig {
  readonly route: string
  readonly from: RouteSource
  /** CEL: what it is not true of is passed over. */
  readonly where?: string
  readonly map?: RouteMap
  /** CEL: what has the same key stays in order. Absent: the subject. */
  readonly key?: string
  readonly to: RouteTarget
  /** Of a tag: every change is kept and routed; otherwise the latest value is what counts. */
  readonly isEvery: boolean
  readonly priority: RoutePriority
  readonly retry: RouteRetry
  /** What is older is not delivered any more. */
  readonly withinMs?: number
}

export const routePriorities = ['critical', 'high', 'normal', 'low'] as const
export type RoutePriority = (typeof routePriorities)[number]

export type RouteSource =
  /** A tag, or a pattern over tags. */
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'topic'; readonly topic: string }
  | { readonly kind: 'event'; readonly event: string; readonly subject?: string }

export type RouteTarget =
  | { readonly kind: 'topic'; readonly topic: string; readonly isRetained: boolean }
  | { readonly kind: 'tag'; readonly tag: TagId }
  | { readonly kind: 'flow'; readonly flow: string }
  | { readonly kind: 'upstream'; readonly upstream: string; readonly topic: string }
  | { readonly kind: 'service'; readonly service: string; readonly path: string; readonly method: 'POST' | 'PUT' | 'PATCH' }

/** A text is one expression; anything else is a template. */
export type RouteMap = { readonly expression: string } | { readonly template: unknown }

export interface RouteRetry {
  readonly attempts: number
  readonly waitMs: number
  readonly factor: number
  readonly maxMs: number
}

const expressionText = z.string().min(1).max(4_000)
/** A setpoint that waited longer may no longer fit the machine. */
const tagWithinMs = 30_000

const sourceSchema = z
  .strictObject({
    tag: z.string().min(1).max(255).optional().describe('DEVICE/TAG, or a pattern: press-*/speed, press-07/**.'),
    topic: topicFilterSchema.optional().describe('A topic filter at the embedded broker; what comes from an upstream counts as well.'),
    event: z
      .string()
      .max(255)
      .regex(/^(\*|[a-z0-9.-]+\*?)$/, 'an event is named device.lost, or a family of them flow.*')
      .optional()
      .describe('The type of events, or a family of types: device.lost, flow.*, *.'),
    subject: z.string().min(1).max(255).optional().describe('Of events: only of this subject; one that ends in * is all that begin so.'),
  })
  .refine(({ tag, topic, event }) => [tag, topic, event].filter((one) => one !== undefined).length === 1, {
    message: 'a route begins at one thing: tag, topic or event',
    when: ({ issues }) => issues.length === 0,
  })
  .refine(({ subject, event }) => subject === undefined || event !== undefined, {
    message: 'only events have a subject',
    path: ['subject'],
  })
  .transform(({ tag, topic, event = '*', subject }): RouteSource => {
    if (tag !== undefined) return { kind: 'tag', tag }
    if (topic !== undefined) return { kind: 'topic', topic }
    return { kind: 'event', event, ...(subject === undefined ? {} : { subject }) }
  })

const targetTopic = z.string().min(1).max(1_024).describe('A topic, whole; ${…} in it is an expression.')

const targetSchema = z
  .strictObject({
    topic: targetTopic.optional(),
    retain: z.boolean().optional().describe('Of a topic: whether the broker keeps it for those who subscribe later.'),
    tag: tagIdSchema.optional(),
    flow: nameSchema.optional().describe('A flow of this site, which is started.'),
    upstream: nameSchema.optional().describe('An upstream of this site; `topic` says where to, there.'),
    service: nameSchema.optional().describe('One of `services:`.'),
    path: z
      .string()
      .max(1_024)
      .regex(/^\/\S*$/, 'a path begins with /')
      .optional()
      .describe('Of a service: below its url. Default: /.'),
    method: z.enum(['POST', 'PUT', 'PATCH']).optional().describe('Of a service. Default: POST.'),
  })
  .refine(({ topic, tag, flow, upstream, service }) => targetsIn({ topic, tag, flow, upstream, service }) === 1, {
    message: 'a route leads to one thing: topic, tag, flow, upstream (with its topic) or service',
    when: ({ issues }) => issues.length === 0,
  })
  .refine(({ upstream, topic }) => upstream === undefined || topic !== undefined, {
    message: 'an upstream needs a topic',
    path: ['upstream'],
  })
  .refine(({ path, method, service }) => (path ?? method) === undefined || service !== undefined, {
    message: 'path and method belong to a service',
    path: ['service'],
  })
  .refine(({ retain, topic, upstream }) => retain === undefined || (topic !== undefined && upstream === undefined), {
    message: 'only a topic of the embedded broker is retained by this',
    path: ['retain'],
  })
  .transform(({ topic = '', retain = false, tag, flow, upstream, service, path = '/', method = 'POST' }): RouteTarget => {
    if (tag !== undefined) return { kind: 'tag', tag: asTagId(tag) }
    if (flow !== undefined) return { kind: 'flow', flow }
    if (upstream !== undefined) return { kind: 'upstream', upstream, topic }
    if (service !== undefined) return { kind: 'service', service, path, method }
    return { kind: 'topic', topic, isRetained: retain }
  })

function targetsIn({ topic, upstream, ...others }: Readonly<Record<'topic' | 'tag' | 'flow' | 'upstream' | 'service', unknown>>): number {
  return [topic ?? upstream, ...Object.values(others)].filter((one) => one !== undefined).length
}

const retrySchema = z
  .strictObject({
    attempts: z.int().min(1).max(1_000).default(5).describe('Tries in all; then the item is a dead letter.'),
    wait: durationSchema({ min: '1ms', max: '1h' }).default(200).describe('Before the second try.'),
    factor: z.number().min(1).max(10).default(2).describe('So much longer before each further one.'),
    max: durationSchema({ min: '1ms', max: '1d' }).default(30_000).describe('And never longer than this.'),
  })
  .prefault({})
  .transform(({ attempts, wait, factor, max }): RouteRetry => ({ attempts, waitMs: wait, factor, maxMs: max }))

const mapSchema = z
  .json()
  .describe('What is delivered: a text is one CEL expression; a map or list is a template, in which each ${…} is an expression.')

const routeSchema = z
  .strictObject({
    route: nameSchema.describe('The name of the route, unique in its site.'),
    from: sourceSchema.describe('Where it begins: one of tag, topic and event.'),
    where: expressionText.optional().describe('CEL over `value`, `quality`, `trigger` and tags[…]; what it is not true of is passed over.'),
    map: mapSchema.optional(),
    key: expressionText.optional().describe('CEL: what has the same key stays in order. Default: the tag, topic or subject.'),
    to: targetSchema.describe('Where it leads: one of topic, tag, flow, upstream and service.'),
    every: z
      .boolean()
      .optional()
      .describe('Of a tag: every change is kept and routed. Without it the latest value is what counts, and a slow target skips some.'),
    priority: z.enum(routePriorities).default('normal').describe('Who goes first when the gateway has more to route than time.'),
    retry: retrySchema.describe('What happens when a target does not take an item.'),
    within: durationSchema({ min: '1s' })
      .optional()
      .describe('What is older is not delivered any more: it becomes a dead letter. Default: 30s to a tag, else any age.'),
  })
  .refine(({ every, from }) => every === undefined || from.kind === 'tag', {
    message: 'every message and event is routed anyway',
    path: ['every'],
  })
  .transform(({ every = false, where, map, key, within, ...route }): RouteConfig => {
    const withinMs = within ?? (route.to.kind === 'tag' ? tagWithinMs : undefined)
    return {
      ...route,
      isEvery: every,
      ...(where === undefined ? {} : { where }),
      ...(map === undefined ? {} : { map: typeof map === 'string' ? { expression: map } : { template: map } }),
      ...(key === undefined ? {} : { key }),
      ...(withinMs === undefined ? {} : { withinMs }),
    }
  })

/** `routes:` of lineside.yaml. */
export const routesSchema = z.array(routeSchema).max(200)

/** For people: `topic cell/+/temperature`. */
export function sourceText({ from }: RouteConfig): string {
  return from.kind === 'tag' ? `tag ${from.tag}` : from.kind === 'topic' ? `topic ${from.topic}` : `event ${from.event}`
}

export function targetText({ to }: RouteConfig): string {
  switch (to.kind) {
    case 'topic':
      return `topic ${to.topic}`
    case 'upstream':
      return `upstream ${to.upstream}, topic ${to.topic}`
    case 'service':
      return `service ${to.service}${to.path === '/' ? '' : to.path}`
    case 'tag':
      return `tag ${to.tag}`
    case 'flow':
      return `flow ${to.flow}`
    default:
      return to satisfies never
  }
}
