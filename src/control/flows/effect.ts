import type { Log } from '../../base/log.ts'
import type { ExpressionScope } from '../../model/expression.ts'
import type { FlowStep } from './definition.ts'
import type { Again } from './done-again.ts'
import type { Answer } from './past.ts'
import type { StepPorts } from './step-ports.ts'

/**
 * One thing that a step does. The run keeps the intent, acts, keeps the outcome; what is in doubt after a crash is settled as the effect says, or as
 * the step declares.
 */
export interface Effect {
  /** firm: on the disk before the act. noted: it goes with what is kept next. none: an act that changes nothing. */
  readonly intent: 'firm' | 'noted' | 'none'
  /** What is going to be done, computed once. Throws `flow.unknown-value`. */
  plan(place: StepPlace): unknown
  /** Gives the result, which must be safe as JSON. */
  act(what: unknown, place: StepPlace): unknown
  /** The act was begun in an earlier life, and nobody knows how it ended. */
  readonly inDoubt: 'repeat' | 'fail' | ((what: unknown, place: StepPlace) => Promise<unknown>)
  /** Whom the act needs, `device press-07`: where that one has failed too often, it is left alone for a while. */
  partner?(what: unknown): string
  /** Where the result goes: into the variables of the run, or to its step. */
  readonly gives?: 'vars'
  /** Whether the act may be left at any moment, as a wait may. */
  readonly isPatient?: boolean
  /** Whether it only looks at the world, though its intent is kept: what it gives and cannot be kept leaves nothing to be undone. */
  readonly isLook?: boolean
}

/** Where in which run an effect is. */
export interface StepPlace {
  readonly run: RunFacts
  readonly step: FlowStep
  /** Unique in the run, and the same in each life of it. */
  readonly key: string
  /** From 0. */
  readonly attempt: number
  readonly again: Again
  readonly isUndo: boolean
  readonly scope: ExpressionScope
  readonly ports: StepPorts
  /** Ends what may end at any moment. */
  readonly stop: AbortSignal
  /** Resolves when a person has answered, which is kept by then. */
  ask(question: Question): Promise<Answer>
  /** Calls back whenever a step of this run has ended. */
  onProgress(look: () => void): Disposable
}

/** By it a service or receiver knows what it has done already: the same for all attempts, and another one where a person has it done again that was done. */
export function keyOf({ run, key, again }: StepPlace): string {
  return `${run.id}/${key}${again.done === 0 ? '' : `+${again.done}`}`
}

/** Of what is asked once and answered: each attempt is a wish of its own, and so is each time that a person has it done again. */
export function wishOf({ run, key, again, attempt }: StepPlace): string {
  return `${run.id}/${key}${again.times === 0 ? '' : `+${again.times}`}${attempt === 0 ? '' : `#${attempt}`}`
}

export interface RunFacts {
  readonly id: string
  readonly flow: string
  readonly version: number
  /** Of runs that wait for runs. */
  readonly depth: number
  /** In whose name locks are held. */
  readonly holder: string
  readonly log: Log
}

export interface Question {
  /** Who may answer. */
  readonly role: 'viewer' | 'operator' | 'engineer' | 'admin'
  readonly text: string
  readonly kind: 'approve' | 'in-doubt'
  readonly stop: AbortSignal
}

/** The types of what is planned stay together here; to the run all effects are alike. */
export function effect<What>(typed: {
  readonly intent: Effect['intent']
  readonly plan: (place: StepPlace) => What
  readonly act: (what: What, place: StepPlace) => unknown
  readonly inDoubt: 'repeat' | 'fail' | ((what: What, place: StepPlace) => Promise<unknown>)
  readonly partner?: (what: What) => string
  readonly gives?: 'vars'
  readonly isPatient?: boolean
  readonly isLook?: boolean
}): Effect {
  return typed as Effect
}
