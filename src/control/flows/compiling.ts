import type { Expression } from '../../model/expression.ts'
import type { NamedPlace } from '../../model/expression-environments.ts'
import type { Template } from '../../model/template.ts'

/** What a kind of step needs to make itself ready. */
export interface Compiling {
  readonly id: string
  readonly place: NamedPlace
  template(source: unknown): Template
  condition(text: string): Expression
}
