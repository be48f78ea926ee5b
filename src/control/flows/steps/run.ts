import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect, wishOf } from '../effect.ts'
import { evaluated } from '../evaluated.ts'
import { failed, StepFailure } from '../faults.ts'
import { idFrom } from '../id-from.ts'

/** Runs that wait for runs that wait for runs: deeper than any flow that was meant so. */
const depthMax = 8

/** result: the output of that run, or { run } where it is not awaited. Its id follows from ours: asked for again after a crash, it is the same run. */
export function runEffect(step: StepOf<'run'>, at: Compiling): Effect {
  const input = at.template(step.input)
  return effect<Readonly<Record<string, unknown>>>({
    intent: 'firm',
    plan: ({ scope, run }) => {
      if (run.depth >= depthMax)
        throw failed(
          'flow.too-deep',
          `${run.flow} would begin ${step.flow} below ${depthMax} other runs.`,
          'Look whether flows begin each other in a circle.',
        )
      return evaluated(input, scope, { step: at.id, what: 'the input of the other flow' }) as Readonly<Record<string, unknown>>
    },
    act: async (what, place) => {
      const { ports, run, stop } = place
      const id = idFrom(wishOf(place))
      const parent = { run: run.id, depth: run.depth, holder: run.holder }
      const end = await ports.runFlow({ id, flow: step.flow, input: what, isAwaited: step.isAwaited, parent }, stop)
      if (end === undefined) return { run: id }
      if (end.state === 'completed') return end.output
      throw new StepFailure('failed', {
        code: `flow.run-${end.state}`,
        message: `The run ${id} of ${step.flow} ended ${end.state}${end.fault === undefined ? '' : `: ${end.fault.message.replace(/\.$/, '')}`}.`,
        remedy: end.fault?.remedy ?? 'Look at that run.',
        isRetryable: false,
      })
    },
    inDoubt: 'repeat',
  })
}
