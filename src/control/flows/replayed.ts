import { Fault } from '../../base/fault.ts'
import { roleAllows } from '../../model/tag.ts'
import type { PastEvent, StartAsk } from '../contract.ts'
import type { FlowDefinition } from './definition.ts'
import { alarmListener, eventListener, type Fire, type Listener } from './triggers/told.ts'

type Trigger = Readonly<Record<string, unknown>>

/** What flows make of events of the past that they are given once more: the same as if these had just happened. */
export class Replayed {
  readonly #judges = new Map<string, (event: PastEvent) => Trigger | undefined>()

  /** Throws where the flow does not begin with it, or who asks may not do so. */
  triggerFor(definition: FlowDefinition, { event, by }: StartAsk & { readonly event: PastEvent }): Trigger {
    const { flow } = definition
    if (!roleAllows(by.role, 'engineer')) throw notFor(by, flow)
    const judge = this.#judges.get(flow) ?? judgeOf(definition)
    this.#judges.set(flow, judge)
    const trigger = judge(event)
    if (trigger === undefined) throw unwanted(flow, event)
    return { ...trigger, replayedBy: by.name }
  }
}

function judgeOf({ on }: FlowDefinition): (event: PastEvent) => Trigger | undefined {
  let found: Trigger | undefined
  const fire: Fire = async (trigger) => {
    found ??= trigger
  }
  const listeners = on.flatMap((trigger): readonly Listener[] => {
    if (trigger.kind === 'event') return [eventListener(trigger, fire)]
    return trigger.kind === 'alarm' ? [alarmListener(trigger, fire)] : []
  })
  return (event) => {
    found = undefined
    for (const listener of listeners) void listener.hear(event, { key: event.uid, isRepeated: true })
    return found
  }
}

function unwanted(flow: string, { type, subject }: PastEvent): Fault {
  return new Fault('flow.event-unwanted', `${flow} does not begin with ${type} of ${subject}.`, {
    remedy: 'Look at `- event:` and `- alarm:` under `on:` in its file.',
  })
}

function notFor({ name, role }: StartAsk['by'], flow: string): Fault {
  return new Fault('access.role', `"${name}" comes as ${role}, and events are played to ${flow} by engineers.`, {
    remedy: 'Ask somebody with that role.',
  })
}
