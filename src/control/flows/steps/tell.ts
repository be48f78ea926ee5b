import { createHash } from 'node:crypto'
import { jsonSafe } from '../../../model/template.ts'
import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect, keyOf, type StepPlace } from '../effect.ts'
import { evaluated } from '../evaluated.ts'

interface Telling {
  readonly subject: string
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * Events are told at least once, and under one id: where the power fails before their step is known to be done they come once more, and whoever has heard
 * them, a flow that they began among them, can tell.
 */
export function emitEffect(step: StepOf<'emit'>, at: Compiling): Effect {
  const subject = step.subject === undefined ? undefined : at.template(step.subject)
  const data = at.template(step.data)
  return telling(step.event, ({ scope, run }) => ({
    subject: subject === undefined ? run.flow : String(evaluated(subject, scope, { step: at.id, what: 'its subject' })),
    data: asMap(jsonSafe(evaluated(data, scope, { step: at.id, what: 'its data' }))),
  }))
}

export function raiseEffect(step: StepOf<'raise'>, at: Compiling): Effect {
  const text = step.text === undefined ? undefined : at.template(step.text)
  return telling('alarm.raised', ({ scope }) => ({
    subject: step.alarm,
    data: {
      ...(step.severity === undefined ? {} : { severity: step.severity }),
      ...(text === undefined ? {} : { text: String(evaluated(text, scope, { step: at.id, what: 'its text' })) }),
    },
  }))
}

export function clearEffect(step: StepOf<'clear'>): Effect {
  return telling('alarm.cleared', () => ({ subject: step.alarm, data: {} }))
}

function telling(type: string, plan: (place: StepPlace) => Telling): Effect {
  return effect<Telling>({
    intent: 'firm',
    plan,
    act: ({ subject, data }, place) => {
      const { ports, run, key } = place
      ports.record({
        uid: uidOf(place),
        type,
        subject,
        timeMs: ports.clock.now(),
        data: { ...data, flow: run.flow, run: run.id, step: key },
      })
    },
    inDoubt: 'repeat',
  })
}

function uidOf(place: StepPlace): string {
  return createHash('sha256').update(keyOf(place)).digest('base64url').slice(0, 22)
}

function asMap(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : { value }
}
