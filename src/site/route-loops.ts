import type { RouteConfig, RouteSource } from '../control/routes/config.ts'
import { pathGlob } from '../model/path-glob.ts'
import { isOfType, levelsOf, meets } from './feeding.ts'

/** Each circle of routes in which one may begin at what the one before it does, found once; the shortest that each route lies on. */
export function routeLoops(routes: readonly RouteConfig[]): readonly (readonly RouteConfig[])[] {
  const next = new Map(routes.map((route) => [route, routes.filter((other) => mayStart(route, other.from))]))
  const loops: (readonly RouteConfig[])[] = []
  const seen = new Set<RouteConfig>()
  for (const route of routes) {
    if (seen.has(route)) continue
    const loop = shortestBack(route, next)
    if (loop === undefined) continue
    loops.push(loop)
    for (const one of loop) seen.add(one)
  }
  return loops
}

/** Breadth first, from a route back to itself. */
function shortestBack(start: RouteConfig, next: ReadonlyMap<RouteConfig, readonly RouteConfig[]>): readonly RouteConfig[] | undefined {
  const from = new Map<RouteConfig, RouteConfig | undefined>([[start, undefined]])
  for (const route of from.keys()) {
    for (const follower of next.get(route) ?? []) {
      if (follower === start) return pathTo(route, from)
      if (!from.has(follower)) from.set(follower, route)
    }
  }
  return undefined
}

function pathTo(end: RouteConfig, from: ReadonlyMap<RouteConfig, RouteConfig | undefined>): readonly RouteConfig[] {
  const path: RouteConfig[] = []
  for (let route: RouteConfig | undefined = end; route !== undefined; route = from.get(route)) path.unshift(route)
  return path
}

/** Whether what this route does can be what a route begins at. */
function mayStart({ to }: RouteConfig, from: RouteSource): boolean {
  switch (to.kind) {
    case 'tag':
      if (from.kind === 'event')
        return ['command.asked', 'command.done'].some((type) => isOfType(type, from.event)) && isOfSubject(to.tag, from)
      return from.kind === 'tag' && (from.tag === to.tag || pathGlob(from.tag).matches(to.tag.split('/')))
    case 'topic':
      return from.kind === 'topic' && meets(levelsOf(to.topic), from.topic.split('/'))
    case 'flow':
      return (
        from.kind === 'event' && ['flow.started', 'flow.completed'].some((type) => isOfType(type, from.event)) && isOfSubject(to.flow, from)
      )
    case 'upstream':
    case 'service':
      return false
    default:
      return to satisfies never
  }
}

function isOfSubject(subject: string, { subject: pattern }: Extract<RouteSource, { kind: 'event' }>): boolean {
  return pattern === undefined || isOfType(subject, pattern)
}
