import type { EpochMs } from '../base/clock.ts'
import { isoTime } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { Command } from '../model/command.ts'
import type { TagId, TagMeta, TagValue, WriteRules } from '../model/tag.ts'

/** Every way in which the command road says no, in the order of the road. docs/commands.md lists them, and a test compares. */

export function unknownTag(id: string): Fault {
  return new Fault('command.tag-unknown', `There is no tag ${shown(id)}.`, {
    remedy: 'Check the name: it is DEVICE/TAG, as in the device files.',
  })
}

export function deviceStarting(device: string): Fault {
  return new Fault('command.device-starting', `${device} is only being started.`, {
    remedy: 'Ask again in a few seconds.',
    isRetryable: true,
  })
}

export function readOnly({ id }: TagMeta): Fault {
  return new Fault('command.read-only', `${id} is read-only.`, {
    remedy: 'Give the tag a `write:` block in its device file if it may be written.',
  })
}

export function wrongRole({ by }: Command, { id }: TagMeta, { role }: WriteRules): Fault {
  return new Fault('command.role', `${shown(by.name)} is ${by.role}, and ${id} may be written from ${role} on.`, {
    remedy: 'Ask somebody with that role, or change `write: { role }` of the tag.',
  })
}

export function wrongType(meta: TagMeta, value: TagValue): Fault {
  const wanted = `${meta.type ?? 'another type'}${meta.length === undefined ? '' : `[${meta.length}]`}`
  return new Fault('command.type', `${quoted(value)} is no ${wanted}, which ${meta.id} takes.`, {
    remedy: `Write a value of type ${wanted}.`,
  })
}

export function typeRange(meta: TagMeta, value: TagValue, type: string): Fault {
  return new Fault('command.type-range', `${shown(value)} does not fit ${type} of ${meta.id}.`, { remedy: 'Write a value that fits.' })
}

/** `least` and `largest` in engineering units, as the device's place for it can hold them. */
export function beyondDevice(
  meta: TagMeta,
  value: TagValue,
  { least, largest }: { readonly least: number; readonly largest: number },
): Fault {
  const unit = meta.unit === undefined ? '' : ` ${meta.unit}`
  const span = `${rounded(least)} to ${rounded(largest)}${unit}`
  return new Fault('command.type-range', `${shown(value)} does not fit ${meta.id}: the device can hold ${span} there.`, {
    remedy: 'Write a value within what the device can hold; if it can hold more, correct `type` and `scale` of the tag.',
  })
}

/** As the driver has it: `why` speaks of the value as the device holds it. */
export function misfit(meta: TagMeta, value: TagValue, why: Fault): Fault {
  const raw = meta.scale === undefined ? '' : ' (unscaled)'
  return new Fault('command.type-range', `${quoted(value)} does not fit ${meta.id}${raw}: ${why.message}`, {
    remedy: why.remedy,
    cause: why,
  })
}

export function notAsked(device: string, limitMs: number): Fault {
  return new Fault('command.not-asked', `${device} did not say within ${limitMs} ms what it can hold, so nothing was written.`, {
    remedy: 'Look whether the device is overloaded or stopped, then ask again.',
    isRetryable: true,
  })
}

export function outOfRange(meta: TagMeta, value: TagValue, { min, max }: WriteRules): Fault {
  return new Fault('command.range', `${shown(value)} lies outside ${min ?? '-∞'} to ${max ?? '∞'} of ${meta.id}.`, {
    remedy: 'Write a value within the limits of the tag, or change `write: { min, max }` in its device file.',
  })
}

export function tooOften(meta: TagMeta, perSecondMax: number): Fault {
  return new Fault('command.rate', `${meta.id} takes ${perSecondMax} writes a second, and more were asked for.`, {
    remedy: 'Write less often, or raise `write: { rate }` of the tag.',
    isRetryable: true,
  })
}

export function standsTwice(id: TagId): Fault {
  return new Fault('command.twice', `${id} stands twice in one batch.`, {
    remedy: 'Ask for each tag once, or in one batch after the other.',
  })
}

export function idReused(command: Command): Fault {
  return new Fault('command.id-reused', `The id ${shown(command.id)} was used for another value of ${command.tag} a short while ago.`, {
    remedy: 'Give every wish an id of its own; only the same wish asked again keeps its id.',
  })
}

export function notTogether(other: TagId): Fault {
  return new Fault('command.together', `The batch was to be written together, and ${other} was refused.`, {
    remedy: 'Look at the refusal of the other tag; ask without `together` if each may be written for itself.',
  })
}

export function busyTag(waiting: number): Fault {
  return new Fault('command.busy', `${waiting} commands for this tag already wait.`, {
    remedy: 'Ask less often, or wait for each answer.',
    isRetryable: true,
  })
}

export function busyRoad(underWayMax: number): Fault {
  return new Fault('command.road-full', `${underWayMax} commands are under way already.`, {
    remedy: 'Ask less often, or wait for each answer.',
    isRetryable: true,
  })
}

export function busyDevice(device: string, waiting: number): Fault {
  return new Fault('command.device-busy', `${waiting} commands for ${device} are under way already.`, {
    remedy: 'Ask less often, or wait for each answer; look at the state of the device if it takes long.',
    isRetryable: true,
  })
}

export function stopping(): Fault {
  return new Fault('command.stopping', 'The gateway is stopping.', { remedy: 'Ask again when it is back.', isRetryable: true })
}

export function expired(expiresMs: EpochMs): Fault {
  return new Fault('command.expired', `The command was valid until ${isoTime(expiresMs)} and came too late.`, {
    remedy: 'Ask again; if this happens often, compare the clocks of both machines.',
  })
}

/** `written` in the same batch, `unsettled` by a write before. */
export type InterlockState =
  | { readonly state: false }
  | { readonly state: 'unknown'; readonly written: readonly string[]; readonly unsettled: readonly string[] }

export function interlocked(meta: TagMeta, interlock: string, found: InterlockState): Fault {
  const { why, remedy } = whyInterlocked(found)
  return new Fault('command.interlock', `The interlock of ${meta.id} ${why}: ${interlock}`, { remedy })
}

function whyInterlocked(found: InterlockState): { readonly why: string; readonly remedy: string } {
  if (found.state === false) {
    return { why: 'is not true', remedy: 'Bring the machine into the state that the interlock asks for, then ask again.' }
  }
  if (found.written.length > 0) {
    const names = found.written.join(', ')
    return {
      why: `cannot be known, because the same batch writes ${names}`,
      remedy: `Ask for ${names} first, and for this one when that is done.`,
    }
  }
  if (found.unsettled.length > 0) {
    const names = found.unsettled.join(', ')
    return {
      why: `cannot be known, because a write of ${names} may still arrive`,
      remedy: `Look at the machine and at ${names}, then ask again.`,
    }
  }
  return {
    why: 'cannot be known, because a value it needs is missing or not good',
    remedy: 'Bring the machine into the state that the interlock asks for, then ask again.',
  }
}

export function currentUnknown(meta: TagMeta, cause: unknown): Fault {
  return new Fault('command.current-unknown', `What ${meta.id} holds now cannot be read, and its step or ramp needs it.`, {
    remedy: 'Look at the quality of the tag and the state of its device, then ask again.',
    isRetryable: true,
    cause,
  })
}

export function stepTooLarge(meta: TagMeta, { change, stepMax }: { readonly change: number; readonly stepMax: number }): Fault {
  return new Fault('command.step', `This would change ${meta.id} by ${rounded(change)}, and ${stepMax} is the largest step.`, {
    remedy: 'Go there in smaller steps, or change `write: { step }` in its device file.',
  })
}

export function rampTooSteep(meta: TagMeta, { change, left }: { readonly change: number; readonly left: number }): Fault {
  return new Fault('command.ramp', `This would change ${meta.id} by ${rounded(change)}, and its ramp leaves ${rounded(left)} for now.`, {
    remedy: 'Wait, or go there in smaller steps; or change `write: { ramp }` in its device file.',
    isRetryable: true,
  })
}

export function timedOut(tags: string, limitMs: number): Fault {
  return new Fault('command.timeout', `The write to ${shown(tags)} was not answered within ${limitMs} ms.`, {
    remedy: 'Read the tag before asking again.',
  })
}

export function notReadBack(meta: TagMeta): Fault {
  return new Fault('command.not-read-back', `${meta.id} was written, but could not be read back.`, {
    remedy: 'Read the tag before asking again.',
  })
}

export function notConfirmed(meta: TagMeta, asked: TagValue, seen: TagValue): Fault {
  return new Fault('command.not-confirmed', `${meta.id} was written as ${shown(asked)} but reads ${shown(seen)}.`, {
    remedy: 'Look whether the device limits or overwrites the value; widen `tolerance` or `confirm` if it is only slow.',
  })
}

export function inDoubt(tag: TagId): Fault {
  return new Fault('command.in-doubt', `The gateway ended while it wrote ${tag}, and what the tag reads now does not settle it.`, {
    remedy: 'Look at the machine, and ask again if the write is still wanted.',
  })
}

/** A text as JSON has it: one that holds quotes is not to be read as two. */
function quoted(value: TagValue): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : shown(value)
}

function shown(value: unknown): string {
  return String(value).slice(0, 80)
}

/** 0.1 + 0.2 is for machines; the last digit of 32 bits is not. */
function rounded(value: number): number {
  return Number(value.toPrecision(12))
}
