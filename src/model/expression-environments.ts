import { createRequire } from 'node:module'
import type * as Cel from '@marcbachmann/cel-js'
import { loadedLibrary } from '../base/library.ts'
import { type Operators, registerMixedNumbers } from './expression-numbers.ts'

/** Where an expression stands decides what it may look at, beside `tags['…']`. */
const variablesOf = {
  device: [],
  /** The condition of a trigger. */
  flow: ['value', 'quality', 'trigger'],
  /** What a trigger brings: a message, an event, an alarm. */
  message: ['trigger'],
  /** A run that is to begin. */
  start: ['trigger', 'input'],
  /** Anything in a step. */
  step: ['value', 'quality', 'trigger', 'input', 'vars', 'steps', 'run'],
} as const

export type ExpressionPlace = keyof typeof variablesOf

/** A place with variables of its own: the item of an `each`, and its index. */
export interface NamedPlace {
  readonly place: ExpressionPlace
  readonly names: readonly string[]
}

/** What expressions are parsed, typed and run in. */
export interface CelEnvironments {
  of(place: ExpressionPlace | NamedPlace): Cel.Environment
  /** To be given the types that are known. */
  typed(names: readonly string[]): Cel.Environment
  readonly run: Cel.Environment
}

/** Far above what a person writes; a text past them is an accident or an attack. */
const limits = { maxAstNodes: 500, maxDepth: 40, maxListElements: 100, maxMapEntries: 50, maxCallArguments: 8 } as const

let environments: CelEnvironments | undefined

/** Made with the first expression: the library takes some 4 MB, which a site without any need not spend. Throws the Fault `install.library`. */
export function celEnvironments(): CelEnvironments {
  environments ??= makeEnvironments()
  return environments
}

export function namesOf(place: ExpressionPlace | NamedPlace): readonly string[] {
  return typeof place === 'string' ? [] : place.names
}

/** All that an expression may say there, beside tags and functions. */
export function variablesAt(place: ExpressionPlace | NamedPlace): readonly string[] {
  return [...variablesOf[typeof place === 'string' ? place : place.place], ...namesOf(place)]
}

function makeEnvironments(): CelEnvironments {
  const { Environment } = loadedLibrary('cel-js', () => createRequire(import.meta.url)('@marcbachmann/cel-js') as typeof Cel)
  const withVariables = (variables: readonly string[]): Cel.Environment => {
    const made = withMixedNumbers(new Environment({ limits, homogeneousAggregateLiterals: false }))
    made.registerVariable('tags', 'map')
    return registered(made, variables)
  }
  const places = new Map<ExpressionPlace, Cel.Environment>()
  const of = (place: ExpressionPlace): Cel.Environment => {
    const made = places.get(place) ?? withVariables(variablesOf[place])
    places.set(place, made)
    return made
  }
  const typed = withVariables(variablesOf.step.filter((name) => name !== 'value'))
  return {
    of: (place) => (typeof place === 'string' ? of(place) : registered(of(place.place).clone(), place.names)),
    typed: (names) => registered(typed.clone(), names),
    run: withMixedNumbers(new Environment({ limits, unlistedVariablesAreDyn: true, homogeneousAggregateLiterals: false })),
  }
}

function registered(environment: Cel.Environment, names: readonly string[]): Cel.Environment {
  for (const name of names) environment.registerVariable(name, 'dyn')
  return environment
}

function withMixedNumbers(environment: Cel.Environment): Cel.Environment {
  registerMixedNumbers(environment as unknown as Operators)
  return environment
}
