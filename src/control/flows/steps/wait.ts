import type { Expression } from '../../../model/expression.ts'
import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect, type StepPlace } from '../effect.ts'
import { failed, Stopped } from '../faults.ts'
import { onAbort, sleep } from '../stop.ts'

interface Waiting {
  /** Wall clock: a wait goes on while the daemon is away. Absent: for as long as it takes. */
  readonly untilMs?: number
}

export function waitEffect(step: StepOf<'wait'>, at: Compiling): Effect {
  const condition = step.until === undefined ? undefined : at.condition(step.until)
  const spanMs = step.forMs ?? step.untilMs
  const act = (what: Waiting, place: StepPlace): Promise<void> =>
    condition === undefined
      ? sleep(remainingMs(what, spanMs, place) ?? 0, { clock: place.ports.clock, stop: place.stop })
      : waitUntil(condition, remainingMs(what, spanMs, place), place)
  return effect<Waiting>({
    intent: 'noted',
    plan: ({ ports }) => (spanMs === undefined ? {} : { untilMs: ports.clock.now() + spanMs }),
    act,
    inDoubt: act,
    isPatient: true,
  })
}

/** No longer than was asked, whatever the wall clock has done meanwhile. */
function remainingMs({ untilMs }: Waiting, spanMs: number | undefined, { ports }: StepPlace): number | undefined {
  if (untilMs === undefined || spanMs === undefined) return undefined
  return Math.min(spanMs, Math.max(0, untilMs - ports.clock.now()))
}

async function waitUntil(condition: Expression, ms: number | undefined, place: StepPlace): Promise<void> {
  const { ports, stop, scope, step } = place
  if (condition.isTrue(scope)) return
  const over = Promise.withResolvers<void>()
  const look = (): void => {
    if (condition.isTrue(scope)) over.resolve()
  }
  using _stopped = onAbort(stop, () => over.reject(new Stopped()))
  using _tags = ports.watch(condition.tags, look)
  using _steps = place.onProgress(look)
  const late = (): void =>
    over.reject(
      failed(
        'flow.wait-timeout',
        `${step.id} waited ${step.kind === 'wait' ? step.untilMs : ms} ms for \`${condition.text}\`, in vain.`,
        'Look at the machine: what the flow waits for did not come.',
      ),
    )
  using _timer = ms === undefined ? undefined : ports.clock.after(ms, late)
  await over.promise
}
