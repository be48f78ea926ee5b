import { createRequire } from 'node:module'
import type * as Cel from '@marcbachmann/cel-js'
import { type Operators, registerMixedNumbers } from './expression-numbers.ts'

/** `device`: `tags['…']` only. `flow`: also `value`, `quality` and `trigger`. */
export type ExpressionPlace = 'device' | 'flow'

/** What expressions are parsed, typed and run in. */
export interface CelEnvironments {
  readonly of: Readonly<Record<ExpressionPlace, Cel.Environment>>
  /** Cloned for each expression whose types are known. */
  readonly typed: Cel.Environment
  readonly run: Cel.Environment
}

/** Far above what a person writes; a text past them is an accident or an attack. */
const limits = { maxAstNodes: 500, maxDepth: 40, maxListElements: 100, maxMapEntries: 50, maxCallArguments: 8 } as const

let environments: CelEnvironments | undefined

/** Made with the first expression: the library takes some 4 MB, which a site without any need not spend. */
export function celEnvironments(): CelEnvironments {
  environments ??= makeEnvironments()
  return environments
}

function makeEnvironments(): CelEnvironments {
  const { Environment } = createRequire(import.meta.url)('@marcbachmann/cel-js') as typeof Cel
  const withVariables = (variables: readonly string[]): Cel.Environment => {
    const made = withMixedNumbers(new Environment({ limits, homogeneousAggregateLiterals: false }))
    made.registerVariable('tags', 'map')
    for (const name of variables) made.registerVariable(name, 'dyn')
    return made
  }
  return {
    of: { device: withVariables([]), flow: withVariables(['value', 'quality', 'trigger']) },
    typed: withVariables(['quality', 'trigger']),
    run: withMixedNumbers(new Environment({ limits, unlistedVariablesAreDyn: true, homogeneousAggregateLiterals: false })),
  }
}

function withMixedNumbers(environment: Cel.Environment): Cel.Environment {
  registerMixedNumbers(environment as unknown as Operators)
  return environment
}
