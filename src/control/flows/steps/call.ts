import { plainFault } from '../../../base/fault.ts'
import { jsonValue } from '../../../model/payload.ts'
import type { TagValue } from '../../../model/tag.ts'
import { payloadText } from '../../../model/template.ts'
import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect } from '../effect.ts'
import { evaluated } from '../evaluated.ts'
import { failed, StepFailure } from '../faults.ts'
import { isTagValue } from '../frozen.ts'

interface Call {
  readonly device: string
  readonly object: string
  readonly method: string
  readonly args: readonly TagValue[]
}

/** result: { outputs }. A method may do anything: one that is in doubt is never called again unless the step says so. */
export function callEffect(step: StepOf<'call'>, at: Compiling): Effect {
  const [device, object, method] = [step.device, step.object ?? '', step.method].map((text) => at.template(text))
  const inputs = at.template(step.inputs)
  return effect<Call>({
    intent: 'firm',
    plan: ({ scope }) => {
      const [deviceName, objectName, methodName] = [device, object, method].map((template) =>
        String(template && evaluated(template, scope, { step: at.id, what: 'what it calls' })),
      )
      const args = evaluated(inputs, scope, { step: at.id, what: 'what it gives to the method' })
      if (!Array.isArray(args) || !args.every(isTagValue))
        throw failed('flow.wrong-type', `${at.id} would give ${payloadText(args)} to a method.`, 'Give values, or lists of values.')
      return { device: deviceName ?? '', object: objectName ?? '', method: methodName ?? '', args }
    },
    act: async ({ device: name, ...call }, { ports, stop }) => {
      const outcome = await ports.call(name, call, stop)
      if (outcome.outcome === 'done') return { outputs: outcome.values.map((value) => (value === null ? null : jsonValue(value))) }
      throw new StepFailure(outcome.outcome, plainFault(outcome.fault))
    },
    inDoubt: 'fail',
    partner: ({ device: name }) => `device ${name}`,
  })
}
