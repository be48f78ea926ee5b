import type { ExpressionScope } from '../../model/expression.ts'
import type { Template } from '../../model/template.ts'
import { unknownValue } from './faults.ts'

export function evaluated(template: Template, scope: ExpressionScope, of: { readonly step: string; readonly what: string }): unknown {
  const value = template.evaluate(scope)
  if (value === undefined) throw unknownValue(of.step, of.what)
  return value
}
