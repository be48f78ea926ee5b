import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect } from '../effect.ts'
import { evaluated } from '../evaluated.ts'
import { StepFailure } from '../faults.ts'
import type { DeviceChoice } from '../step-ports.ts'

/** result: { device }. */
export function pickEffect(step: StepOf<'pick'>, at: Compiling): Effect {
  const from = at.template(step.from ?? null)
  let turn = 0 // of all runs of this version together
  return effect<readonly string[] | null>({
    intent: 'none',
    plan: ({ scope }) => evaluated(from, scope, { step: at.id, what: 'the devices to pick from' }) as readonly string[] | null,
    act: (allowed, { ports }) => {
      const choices = ports.devicesWith(step.capability).filter(({ device }) => allowed === null || allowed.includes(device))
      const healthy = choices.filter(({ isHealthy }) => isHealthy)
      turn += 1
      const device = picked(healthy, step.by, turn)?.device ?? step.fallback
      if (device === undefined) throw nobodyThere(step, choices)
      return { device }
    },
    inDoubt: 'repeat',
  })
}

function picked(healthy: readonly DeviceChoice[], by: StepOf<'pick'>['by'], turn: number): DeviceChoice | undefined {
  switch (by) {
    case 'first-healthy':
      return healthy[0]
    case 'round-robin':
      return healthy[(turn - 1) % Math.max(1, healthy.length)]
    case 'least-busy':
      return healthy.toSorted((one, other) => one.load - other.load)[0]
    default:
      by satisfies never
      return undefined
  }
}

function nobodyThere({ id, capability }: StepOf<'pick'>, choices: readonly DeviceChoice[]): StepFailure {
  const asked = choices.length === 0 ? 'there is none' : `none of ${choices.map(({ device }) => device).join(', ')} answers`
  return new StepFailure('failed', {
    code: 'flow.no-device',
    message: `${id} looks for a device that is a ${capability}, and ${asked}.`,
    remedy: 'Look at those devices, or give the step a `fallback`.',
    isRetryable: true,
  })
}
