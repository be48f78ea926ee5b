import { checkedExpression, type ExpressionScope } from '../../model/expression.ts'
import { checkedTemplate } from '../../model/template.ts'
import type { TagTable } from '../tag-table.ts'
import type { RouteConfig } from './config.ts'
import { type RoutedEvent, scopeOf } from './item.ts'
import type { Outgoing, Target } from './targets.ts'

/** What is to be done with an item: pass it over, or deliver this in the order of this key; unknown where an operand is missing or not good. */
export type Verdict = 'passOver' | 'unknown' | { readonly key: string; readonly outgoing: Omit<Outgoing, 'event'> }

/** `where`, `map` and `key` of a route, compiled once. */
export function judgeOf(
  config: RouteConfig,
  { target, table }: { readonly target: Target; readonly table: TagTable },
): (event: RoutedEvent) => Verdict {
  const where = expression(config.where)
  const key = expression(config.key)
  const map = mapOf(config.map)
  return (event) => {
    const scope = scopeOf(event, table)
    if (where !== undefined && !where.isTrue(scope)) return 'passOver'
    const mapped = map?.(scope)
    if (map !== undefined && mapped === undefined) return 'unknown'
    const outgoing = target.prepare(event, scope, mapped)
    if (outgoing === undefined) return 'unknown'
    // What goes in batches goes in the order of the route, which is the order of every key.
    return { key: target.batchMax > 1 ? '' : String(key?.evaluate(scope) ?? event.subject), outgoing }
  }
}

function expression(text: string | undefined): ReturnType<typeof checkedExpression> | undefined {
  return text === undefined ? undefined : checkedExpression(text, 'flow')
}

function mapOf(map: RouteConfig['map']): ((scope: ExpressionScope) => unknown) | undefined {
  if (map === undefined) return undefined
  const compiled = 'expression' in map ? checkedExpression(map.expression, 'flow') : checkedTemplate(map.template, 'flow')
  return (scope) => compiled.evaluate(scope)
}
