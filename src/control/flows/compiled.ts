import { checkedExpression, type Expression } from '../../model/expression.ts'
import type { NamedPlace } from '../../model/expression-environments.ts'
import { checkedTemplate, type Template } from '../../model/template.ts'
import type { Compiling } from './compiling.ts'
import type { FlowDefinition, FlowStep, Retry } from './definition.ts'
import type { Effect } from './effect.ts'
import { effectsOf } from './steps/kinds.ts'

/** A definition made ready to run: its expressions compiled, its graph drawn. Once for each version, however many runs it has. */
export interface CompiledFlow {
  readonly name: string
  readonly definition: FlowDefinition
  /** As the journal keeps it. */
  readonly text: string
  readonly per: Expression | undefined
  readonly steps: StepList
}

export interface StepList {
  readonly steps: readonly CompiledStep[]
  /** Each needs the one above and nothing else. */
  readonly isChain: boolean
  /** By place: how many others a step needs, and who needs it. */
  readonly needs: readonly number[]
  readonly dependents: readonly (readonly number[])[]
}

export interface CompiledStep {
  readonly step: FlowStep
  readonly when: Expression | undefined
  /** What it does by itself, one after the other. */
  readonly effects: readonly Effect[]
  /** What it has below itself. */
  readonly way: Way | undefined
  readonly undo: StepList
  readonly onFailure: 'continue' | StepList | undefined
  readonly retry: Retry
}

export type Way =
  | {
      readonly kind: 'switch'
      readonly cases: readonly { readonly name: string; readonly when: Expression; readonly steps: StepList }[]
      readonly otherwise: StepList
    }
  | {
      readonly kind: 'parallel'
      readonly branches: readonly { readonly name: string; readonly steps: StepList }[]
      /** How many of them must be done. */
      readonly wanted: number
    }
  | { readonly kind: 'each'; readonly items: Template; readonly as: string; readonly limit: number; readonly steps: StepList }

const once: Retry = { attempts: 1, waitMs: 0, factor: 1, maxMs: 0 }
/** What undoes must not fail for a moment's weakness of a line. */
const undoRetry: Retry = { attempts: 5, waitMs: 200, factor: 2, maxMs: 5_000 }

export function compileFlow(definition: FlowDefinition): CompiledFlow {
  const { per } = definition.concurrency
  return {
    name: definition.flow,
    definition,
    text: JSON.stringify(definition),
    per: per === undefined ? undefined : checkedExpression(per, 'start'),
    steps: compileList(definition.steps, { names: [], retry: definition.retry ?? once }),
  }
}

interface Surroundings {
  readonly names: readonly string[]
  /** For steps that have none of their own. */
  readonly retry: Retry
}

function compileList(steps: readonly FlowStep[], around: Surroundings): StepList {
  const places = new Map(steps.map(({ id }, place) => [id, place]))
  const dependents = steps.map((): number[] => [])
  for (const [place, { needs }] of steps.entries()) {
    for (const need of needs) dependents[places.get(need) ?? -1]?.push(place)
  }
  return {
    steps: steps.map((step) => compileStep(step, around)),
    isChain: steps.every(({ needs }, place) =>
      place === 0 ? needs.length === 0 : needs.length === 1 && needs[0] === steps[place - 1]?.id,
    ),
    needs: steps.map(({ needs }) => needs.length),
    dependents,
  }
}

function compileStep(step: FlowStep, around: Surroundings): CompiledStep {
  const place: NamedPlace = { place: 'step', names: around.names }
  const at: Compiling = {
    id: step.id,
    place,
    template: (source) => checkedTemplate(source, place),
    condition: (text) => checkedExpression(text, place),
  }
  const { onFailure } = step
  return {
    step,
    when: step.when === undefined ? undefined : at.condition(step.when),
    effects: effectsOf(step, at),
    way: wayOf(step, at, around),
    undo: compileList(step.undo, { ...around, retry: undoRetry }),
    onFailure: onFailure === undefined || onFailure === 'continue' ? onFailure : compileList(onFailure, around),
    retry: step.retry ?? around.retry,
  }
}

function wayOf(step: FlowStep, at: Compiling, around: Surroundings): Way | undefined {
  switch (step.kind) {
    case 'switch':
      return {
        kind: 'switch',
        cases: step.cases.map(({ name, when, steps }, place) => ({
          name: name ?? String(place),
          when: at.condition(when),
          steps: compileList(steps, around),
        })),
        otherwise: compileList(step.otherwise, around),
      }
    case 'parallel': {
      const { branches, join } = step
      const wanted = join === 'all' ? branches.length : join === 'any' ? 1 : join
      return { kind: 'parallel', branches: branches.map(({ name, steps }) => ({ name, steps: compileList(steps, around) })), wanted }
    }
    case 'each': {
      const names = [...around.names.filter((name) => name !== 'index' && name !== step.as), step.as, 'index']
      const { as, limit } = step
      return { kind: 'each', items: at.template(step.in), as, limit, steps: compileList(step.steps, { ...around, names }) }
    }
    default:
      return undefined
  }
}

/** The keys of what a step does by itself. */
export function partKeys({ step, effects }: CompiledStep, key: string): readonly string[] {
  return step.kind === 'write' ? effects.map((_, place) => `${key}/${place}`) : effects.map(() => key)
}
