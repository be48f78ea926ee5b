import type { PlainFault } from '../../../base/fault.ts'
import type { Command, CommandResult } from '../../../model/command.ts'
import { asTagId, type TagId, type TagValue } from '../../../model/tag.ts'
import { payloadText } from '../../../model/template.ts'
import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect, type StepPlace, wishOf } from '../effect.ts'
import { evaluated } from '../evaluated.ts'
import { failed, inDoubt, StepFailure, timedOut } from '../faults.ts'
import { isTagValue } from '../frozen.ts'

interface Write {
  readonly tag: TagId
  readonly value: TagValue
}

/** A bare value is what the journals of before hold: the tag is then the one of the definition. */
type Planned = Write | TagValue

/** One effect a tag: what of a step was done before a crash is then known tag by tag. */
export function writeEffects(step: StepOf<'write'>, at: Compiling): readonly Effect[] {
  return step.writes.map(({ tag, value }) => {
    const tagTemplate = at.template(tag)
    const valueTemplate = at.template(value)
    const writeOf = (what: Planned): Write => (isTagValue(what) ? { tag: asTagId(tag), value: what } : what)
    return effect<Planned>({
      intent: 'firm',
      plan: ({ scope }) => {
        const name = asTagId(String(evaluated(tagTemplate, scope, { step: at.id, what: `the tag of \`${tag}\`` })))
        const asked = evaluated(valueTemplate, scope, { step: at.id, what: `what is written to ${name}` })
        if (!isTagValue(asked))
          throw failed('flow.wrong-type', `${at.id} would write ${payloadText(asked)} to ${name}.`, 'Write a value or a list of values.')
        return tagTemplate.isConstant ? asked : { tag: name, value: asked }
      },
      act: (what, place) => write(writeOf(what), { step, place }),
      inDoubt: (what, place) => settle(writeOf(what), { step, place }),
      partner: (what) => `device ${writeOf(what).tag.split('/')[0]}`,
    })
  })
}

interface WritePlace {
  readonly step: StepOf<'write'>
  readonly place: StepPlace
}

function commandOf({ tag, value }: Write, place: StepPlace): Command {
  const { run } = place
  // Flows are files of the controls engineer; what they may write is decided by whoever may change those files.
  const by = { road: 'flow', name: `${run.flow}/${run.id}`, role: 'engineer' } as const
  return { id: wishOf(place), tag, value, by }
}

async function write(what: Write, { step, place }: WritePlace): Promise<undefined> {
  const { key, ports } = place
  const { tag } = what
  const result = ports.write(commandOf(what, place))
  if (step.confirmMs === undefined) return settleResult(step, await result)
  const late = Promise.withResolvers<never>()
  const { confirmMs } = step
  using _limit = ports.clock.after(confirmMs, () => late.reject(timedOut(`${key} (confirmation of ${tag})`, confirmMs, true)))
  return settleResult(step, await Promise.race([result, late.promise]))
}

function settleResult(step: StepOf<'write'>, result: CommandResult): undefined {
  if (result.status === 'done' || (result.status === 'unknown' && !step.isConfirmed)) return
  const fault: PlainFault = {
    code: result.code ?? `command.${result.status}`,
    message: result.message ?? `The write ended ${result.status}.`,
    remedy: result.remedy ?? 'Look at the device.',
    isRetryable: result.status === 'failed' && result.code?.startsWith('command.') !== true,
  }
  throw new StepFailure(result.status === 'unknown' ? 'unknown' : 'failed', fault)
}

/**
 * The road may have written down how it ended, which a tag does not tell that the machine itself sets back. Else it is read, never written again on
 * its own account: the machine may be in another state by now. What undoes is wanted in any state.
 */
async function settle(what: Write, { step, place }: WritePlace): Promise<undefined> {
  const { ports, isUndo, attempt } = place
  const known = await ports.outcomeOf(commandOf(what, place))
  if (known?.status === 'done' || known?.status === 'failed') return settleResult(step, known)
  const reads = await ports.readsNow(what.tag, what.value)
  if (reads === true) return
  if (isUndo) return await write(what, { step, place: { ...place, attempt: attempt + 1 } })
  throw inDoubt(step.id, reads === undefined ? `${what.tag} cannot be read` : `${what.tag} does not read as intended`)
}
