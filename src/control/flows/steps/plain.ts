import { jsonSafe, payloadText } from '../../../model/template.ts'
import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect } from '../effect.ts'
import { evaluated } from '../evaluated.ts'
import { EndedEarly, failed } from '../faults.ts'
import { boundedText } from '../frozen.ts'

export function setEffect(step: StepOf<'set'>, at: Compiling): Effect {
  const variables = at.template(step.variables)
  return effect<unknown>({
    intent: 'none',
    plan: ({ scope }) => evaluated(variables, scope, { step: at.id, what: 'what it sets' }),
    act: (what) => what,
    inDoubt: 'repeat',
    gives: 'vars',
  })
}

export function logEffect(step: StepOf<'log'>, at: Compiling): Effect {
  const text = at.template(step.text)
  const data = at.template(step.data ?? {})
  return effect<{ readonly text: string; readonly data: unknown }>({
    intent: 'none',
    plan: ({ scope }) => ({
      text: payloadText(evaluated(text, scope, { step: at.id, what: 'its text' })),
      data: evaluated(data, scope, { step: at.id, what: 'its data' }),
    }),
    act: (what, { run }) => {
      run.log[step.level]('A flow says something.', { flow: run.flow, run: run.id, step: at.id, text: what.text, data: what.data })
    },
    inDoubt: 'repeat',
  })
}

export function failEffect(step: StepOf<'fail'>, at: Compiling): Effect {
  const text = at.template(step.text)
  return effect<string>({
    intent: 'none',
    plan: ({ scope }) => payloadText(evaluated(text, scope, { step: at.id, what: 'its text' })),
    act: (what, { key }) => {
      boundedText(what, key)
      throw failed('flow.failed', what, `Look at the flow: its step ${at.id} ends it here.`)
    },
    inDoubt: 'fail',
  })
}

export function endEffect(step: StepOf<'end'>, at: Compiling): Effect {
  const output = at.template(step.output ?? null)
  return effect<unknown>({
    intent: 'none',
    // As JSON carries it: it is told in an event, and asked for by whoever started the flow.
    plan: ({ scope }) => jsonSafe(evaluated(output, scope, { step: at.id, what: 'its output' })),
    act: (what, { key }) => {
      boundedText(what, key) // nothing but the end of the run keeps it
      throw new EndedEarly(what)
    },
    inDoubt: 'repeat',
  })
}
