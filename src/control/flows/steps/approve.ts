import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect, type StepPlace } from '../effect.ts'
import { evaluated } from '../evaluated.ts'
import { failed, Stopped } from '../faults.ts'

interface Asked {
  readonly text: string
  readonly untilMs: number
}

/** result: { approved, by, comment }. */
export function approveEffect(step: StepOf<'approve'>, at: Compiling): Effect {
  const text = at.template(step.text)
  const act = (what: Asked, place: StepPlace): Promise<unknown> => approval(what, { step, place })
  return effect<Asked>({
    intent: 'noted',
    plan: ({ scope, ports }) => ({
      text: String(evaluated(text, scope, { step: at.id, what: 'its text' })),
      untilMs: ports.clock.now() + step.withinMs,
    }),
    act,
    inDoubt: act,
    isPatient: true,
  })
}

async function approval({ text, untilMs }: Asked, of: { readonly step: StepOf<'approve'>; readonly place: StepPlace }): Promise<unknown> {
  const { step, place } = of
  const { clock } = place.ports
  const over = new AbortController()
  const late = Promise.withResolvers<undefined>()
  using _timer = clock.after(Math.min(step.withinMs, Math.max(0, untilMs - clock.now())), () => late.resolve(undefined))
  try {
    const answer = await Promise.race([
      place.ask({ kind: 'approve', role: step.role, text, stop: AbortSignal.any([place.stop, over.signal]) }),
      late.promise,
    ])
    if (answer !== undefined) return { approved: answer.verdict === 'approved', by: answer.by, comment: answer.why ?? '' }
    if (place.stop.aborted) throw new Stopped()
    if (step.default === 'fail')
      throw failed(
        'flow.not-approved',
        `Nobody answered ${step.id} within ${step.withinMs} ms.`,
        'Start the flow again when somebody is there to approve.',
      )
    return { approved: step.default === 'approve', by: 'nobody', comment: 'in time' }
  } finally {
    over.abort()
  }
}
