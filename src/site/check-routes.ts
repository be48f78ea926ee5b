import { type RouteConfig, type RouteTarget, sourceText, targetText } from '../control/routes/config.ts'
import { compileCondition, compileExpression } from '../model/expression.ts'
import type { ExpressionProblem } from '../model/expression-problem.ts'
import type { ExpressionTypes } from '../model/expression-types.ts'
import type { TagMeta } from '../model/tag.ts'
import { compileTemplate } from '../model/template.ts'
import { isNumeric, scalarType, valueProblem } from './check-values.ts'
import { suggestion } from './did-you-mean.ts'
import type { LoadedParts, SitePart } from './loaded.ts'
import type { ProblemList } from './problems.ts'
import { routeLoops } from './route-loops.ts'
import type { Finding, Path, SourceFile } from './source.ts'

/** Routes lead from what there is to what there is, say what compiles, write what can be written, and do not feed themselves. */
export function checkRoutes(parts: LoadedParts, problems: ProblemList): void {
  const { site } = parts
  const { routes = [] } = site?.part.keys ?? {}
  if (site === undefined || routes.length === 0) return
  const context = { source: site.source, keys: site.part.keys, parts, problems }
  for (const [place, route] of routes.entries()) {
    const at = { ...context, path: ['routes', place] as Path }
    if (routes.findIndex((other) => other.route === route.route) < place) add(at, ['route'], duplicate(route.route))
    checkSource(route, at)
    checkExpressions(route, at)
    checkTarget(route, at)
  }
  checkLoops(routes, context)
}

interface SiteContext {
  readonly source: SourceFile
  readonly keys: SitePart['keys']
  readonly parts: LoadedParts
  readonly problems: ProblemList
}

interface Context extends SiteContext {
  readonly path: Path
}

function add({ problems, source, path }: Context, more: Path, finding: Finding, offset = 0): void {
  problems.add(source, { path: [...path, ...more], ...(offset === 0 ? {} : { offset }) }, finding)
}

function checkSource({ from }: RouteConfig, context: Context): void {
  const { parts, keys } = context
  if (from.kind === 'tag' && !/[*?]/.test(from.tag)) checkTag(from.tag, ['from', 'tag'], context)
  if (from.kind !== 'topic' || !parts.tags.has(tagOfTopic(from.topic, keys.site) ?? '')) return
  add(context, ['from', 'topic'], {
    code: 'route.topic-of-tag',
    message: `${from.topic} is the topic of a tag.`,
    remedy: `Let the route begin at the tag: \`from: { tag: ${tagOfTopic(from.topic, keys.site)} }\`.`,
  })
}

function tagOfTopic(topic: string, site: string | undefined): string | undefined {
  return site !== undefined && topic.startsWith(`${site}/`) ? topic.slice(site.length + 1) : undefined
}

function typesOf({ from }: RouteConfig, { parts }: Context): ExpressionTypes {
  const value = from.kind === 'tag' ? scalarType(parts.tags.get(from.tag)) : undefined
  return { tag: (name) => scalarType(parts.tags.get(name)), ...(value === undefined ? {} : { value }) }
}

function checkExpressions(route: RouteConfig, context: Context): void {
  const types = typesOf(route, context)
  const { where, key, map, to } = route
  if (where !== undefined) checkCompiled(compileCondition(where, 'flow', types), ['where'], where, context)
  if (key !== undefined) checkCompiled(compileExpression(key, 'flow', types), ['key'], key, context)
  if (map !== undefined && 'expression' in map) checkMapText(map.expression, types, context)
  if (map !== undefined && 'template' in map) checkTemplate(map.template, ['map'], types, context)
  if (to.kind === 'topic' || to.kind === 'upstream') checkTemplate(to.topic, ['to', 'topic'], types, context)
}

type CompiledText = ReturnType<typeof compileExpression>

function checkCompiled(compiled: CompiledText, path: Path, text: string, context: Context): void {
  if ('problem' in compiled) report(compiled.problem, path, context)
  for (const name of compiled.tags) checkTag(name, path, context, Math.max(0, text.indexOf(name)))
}

function checkMapText(text: string, types: ExpressionTypes, context: Context): void {
  const compiled = compileExpression(text, 'flow', types)
  if ('problem' in compiled && text.includes('${')) {
    const remedy = `Write it without the braces, as one expression: a template is a map or a list with \${…} in its texts.`
    add(context, ['map'], { code: 'expression.invalid', message: 'A text is one expression here, and no template.', remedy })
  } else checkCompiled(compiled, ['map'], text, context)
}

function checkTemplate(source: unknown, path: Path, types: ExpressionTypes, context: Context): void {
  const compiled = compileTemplate(source, 'flow', types)
  if ('problems' in compiled) for (const problem of compiled.problems) report(problem, [...path, ...problem.path], context)
  for (const name of compiled.tags) checkTag(name, path, context)
}

function report({ offset, message, remedy }: ExpressionProblem, path: Path, context: Context): void {
  add(context, path, { code: 'expression.invalid', message, remedy }, offset)
}

function checkTag(id: string, path: Path, context: Context, offset = 0): boolean {
  const { parts } = context
  if (parts.tags.has(id)) return true
  // While a device file is broken its tags are not known, and are not asked for.
  if (!parts.isIncomplete) add(context, path, unknown('tag', id, parts.tags.keys()), offset)
  return false
}

function checkTarget(route: RouteConfig, context: Context): void {
  const { to } = route
  const { parts, keys } = context
  const known = (kind: string, name: string, names: Iterable<string>): void => {
    if (![...names].includes(name)) add(context, ['to', kind], unknown(kind, name, names))
  }
  switch (to.kind) {
    case 'tag':
      checkTargetTag(route, to.tag, context)
      return
    case 'topic':
      checkTargetTopic(to, context)
      return
    case 'upstream':
      if (keys.upstreams !== undefined) known('upstream', to.upstream, Object.keys(keys.upstreams))
      if (keys.upstreams?.[to.upstream]?.format === 'sparkplug') add(context, ['to', 'upstream'], sparkplug(to.upstream))
      return
    case 'service':
      if (keys.services !== undefined) known('service', to.service, Object.keys(keys.services))
      return
    case 'flow':
      known(
        'flow',
        to.flow,
        parts.flows.flatMap(({ part }) => part.flow ?? []),
      )
      return
    default:
      to satisfies never
  }
}

function checkTargetTopic({ topic }: Extract<RouteTarget, { kind: 'topic' }>, context: Context): void {
  const { parts, keys } = context
  const tag = tagOfTopic(topic, keys.site)?.replace(/\/set(\/result)?$/, '')
  if (tag !== undefined && parts.tags.has(tag)) {
    const remedy = `Let the route lead to the tag: \`to: { tag: ${tag} }\`; or use a topic of your own.`
    add(context, ['to', 'topic'], { code: 'route.topic-of-tag', message: `${topic} is a topic of the tag ${tag}.`, remedy })
  } else if (/[+#]/.test(topic.replaceAll(/\$\{[^}]*\}/g, '')) || /^(\$(?!\{)|lineside\/)/.test(topic)) {
    const remedy = 'Name one topic of your own: no + and no #, and not below lineside/ or $.'
    add(context, ['to', 'topic'], { code: 'route.topic', message: `Nothing can be published to ${topic} by a route.`, remedy })
  }
}

function checkTargetTag(route: RouteConfig, id: string, context: Context): void {
  if (!checkTag(id, ['to', 'tag'], context)) return
  const tag = context.parts.tags.get(id)
  if (tag === undefined) return
  const path = ['to', 'tag']
  if (tag.write === undefined) {
    const remedy = 'Add `write: {}` to the tag in its device file, or write to another.'
    add(context, path, { code: 'route.tag-read-only', message: `${id} is read-only.`, remedy })
    return
  }
  const constant = constantOf(route)
  const refused = constant === undefined ? undefined : valueProblem(tag, constant)
  if (refused !== undefined) add(context, ['map'], { ...refused, code: refused.code.replace('flow.', 'route.') })
  const source = route.from.kind === 'tag' && route.map === undefined ? context.parts.tags.get(route.from.tag) : undefined
  const finding = source === undefined ? undefined : (typeFinding(source, tag) ?? rangeFinding(source, tag))
  if (finding !== undefined) add(context, path, finding)
}

/** What a map gives whatever comes. */
function constantOf({ map }: RouteConfig): boolean | number | string | undefined {
  if (map === undefined || 'template' in map) return undefined
  const compiled = compileExpression(map.expression, 'flow')
  const value = 'problem' in compiled ? undefined : compiled.expression.evaluate({ tag: () => undefined })
  return typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string' ? value : undefined
}

function typeFinding(source: TagMeta, target: TagMeta): Finding | undefined {
  if (source.type === undefined || target.type === undefined) return undefined
  const isSame = kindOf(source) === kindOf(target) && source.length === target.length
  if (isSame) return undefined
  return {
    code: 'route.value-type',
    message: `${source.id} is ${typeText(source)}, and ${target.id} takes ${typeText(target)}.`,
    remedy: 'Say with `map` what is to be written: `map: value ? 1.0 : 0.0`.',
  }
}

function kindOf({ type = 'f64' }: TagMeta): string {
  return isNumeric(type) ? 'number' : type
}

function typeText({ type, length }: TagMeta): string {
  return length === undefined ? `${type}` : `a list of ${length} ${type}`
}

function rangeFinding(source: TagMeta, target: TagMeta): Finding | undefined {
  const [low, high] = source.range ?? []
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = target.write ?? {}
  if (low === undefined || high === undefined || (low >= min && high <= max)) return undefined
  const isNever = high < min || low > max
  return {
    code: 'route.value-range',
    message: `${source.id} goes from ${low} to ${high}, and ${target.id} takes ${min} to ${max}: ${isNever ? 'all of it' : 'what lies outside'} is refused.`,
    remedy: 'Bring it into these limits with `map`, or pass it over with `where`.',
    severity: isNever ? 'error' : 'warning',
  }
}

function checkLoops(routes: readonly RouteConfig[], context: SiteContext): void {
  for (const loop of routeLoops(routes)) {
    const drawn = [...loop, ...loop.slice(0, 1)].map((route) => `${sourceText(route)} → (${route.route}) → ${targetText(route)}`)
    const isGuarded = loop.some(({ where }) => where !== undefined)
    const place = Math.min(...loop.map((route) => routes.indexOf(route)))
    const finding: Finding = {
      code: 'route.loop',
      message: `Routes feed themselves: ${drawn.slice(0, -1).join('; ')}; and again.`,
      remedy: isGuarded
        ? 'Make sure that `where` ends it.'
        : 'Take one of them away, let it lead elsewhere, or say with `where` what must not go round.',
      severity: isGuarded ? 'warning' : 'error',
    }
    context.problems.add(context.source, { path: ['routes', place, 'to'] }, finding)
  }
}

function duplicate(route: string): Finding {
  return { code: 'route.duplicate', message: `There is a route \`${route}\` above.`, remedy: 'Give each route a name of its own.' }
}

function unknown(kind: string, name: string, names: Iterable<string>): Finding {
  const message = `There is no ${kind} \`${name.slice(0, 200)}\` in this site.`
  return { code: `route.${kind}-unknown`, message, remedy: suggestion(name, names) }
}

function sparkplug(upstream: string): Finding {
  return {
    code: 'route.sparkplug',
    message: `${upstream} speaks Sparkplug, which has tags and no messages.`,
    remedy: 'Use an upstream with `format: uns`.',
  }
}
