import type { KeptRun } from '../../store/contract.ts'
import type { FlowDefinition, FlowStep, FlowTrigger, StepAction } from './definition.ts'
import { freeze, revive } from './frozen.ts'

/** What a run begins with: JSON, but for 64-bit integers of a message or a tag. */
export interface RunStart {
  readonly trigger: Readonly<Record<string, unknown>>
  readonly input: Readonly<Record<string, unknown>>
  /** The run that began it, and waits for it. */
  readonly parent?: Parent
  /** It only decides. */
  readonly mode?: 'shadow'
}

export interface Parent {
  readonly run: string
  readonly depth: number
  readonly holder: string
}

/** As the journal keeps it. */
export function startText(start: RunStart): string {
  return freeze(start)
}

export function startOf({ input }: Pick<KeptRun, 'input'>): RunStart {
  const kept = revive(input) as Readonly<Record<string, unknown>>
  // The first journals hold the trigger alone, which is always that of a tag.
  return 'input' in kept && 'trigger' in kept ? (kept as unknown as RunStart) : { trigger: { kind: 'tag', ...kept }, input: {} }
}

/** A definition as a journal holds it, whatever version of Lineside wrote it. */
export function definitionOf(text: string): FlowDefinition {
  const kept = JSON.parse(text) as FlowDefinition | FirstDefinition
  return 'priority' in kept ? kept : upgraded(kept)
}

/** As the first journals hold it: steps one after the other, triggers by tag, writes and messages. */
interface FirstDefinition {
  readonly flow: string
  readonly version: number
  readonly title?: string
  readonly on: readonly Omit<Extract<FlowTrigger, { readonly kind: 'tag' }>, 'kind'>[]
  readonly steps: readonly (Extract<StepAction, { readonly kind: 'write' | 'publish' }> & { readonly id: string })[]
}

function upgraded({ on, steps, ...rest }: FirstDefinition): FlowDefinition {
  return {
    ...rest,
    priority: 'normal',
    mode: 'live',
    input: {},
    concurrency: { limit: 1, overflow: 'queue', queueMax: 100 },
    locks: [],
    on: on.map((trigger) => ({ kind: 'tag', ...trigger })),
    steps: steps.map((step, place): FlowStep => {
      const before = steps[place - 1]
      return { ...step, needs: before === undefined ? [] : [before.id], undo: [] }
    }),
  }
}
