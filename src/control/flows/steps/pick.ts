import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect } from '../effect.ts'
import { evaluated } from '../evaluated.ts'
import { StepFailure } from '../faults.ts'
import type { DeviceChoice } from '../step-ports.ts'

/** result: { device }. */
export function pickEffect(step: StepOf<'pick'>, at: Compiling): Effect {
  const from = at.template(step.from ?? null)
  const turns = new Map<string, number>() // in which each was taken last, of all runs of this version together
  let turn = 0
  const take = (device: string): void => {
    turn += 1
    turns.set(device, turn)
  }
  return effect<readonly string[] | null>({
    intent: 'none',
    plan: ({ scope }) => evaluated(from, scope, { step: at.id, what: 'the devices to pick from' }) as readonly string[] | null,
    act: (allowed, { ports, run }) => {
      if (turn === 0) for (const device of ports.takenBefore?.(run.flow, at.id) ?? []) take(device)
      const choices = ports.devicesWith(step.capability).filter(({ device }) => allowed === null || allowed.includes(device))
      const healthy = choices.filter(({ isHealthy }) => isHealthy)
      const device = picked(healthy, step.by, turns)?.device ?? step.fallback
      if (device === undefined) throw nobodyThere(step, choices)
      take(device)
      return { device }
    },
    inDoubt: 'repeat',
  })
}

function picked(healthy: readonly DeviceChoice[], by: StepOf<'pick'>['by'], turns: ReadonlyMap<string, number>): DeviceChoice | undefined {
  switch (by) {
    case 'first-healthy':
      return healthy[0]
    case 'round-robin':
      // Whose turn is longest ago: also where the list changes, for some of them are away, or runs pick from different ones.
      return healthy.toSorted((one, other) => (turns.get(one.device) ?? 0) - (turns.get(other.device) ?? 0))[0]
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
