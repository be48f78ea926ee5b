import type { Clock } from '../../base/clock.ts'
import { Fault, type PlainFault, plainFault } from '../../base/fault.ts'
import type { Command, CommandResult } from '../../model/command.ts'
import type { ExpressionScope } from '../../model/expression.ts'
import { asTagId, type TagId, type TagValue } from '../../model/tag.ts'
import { checkedTemplate, payloadText } from '../../model/template.ts'
import type { OpenRun, RunRecord } from '../../store/contract.ts'
import type { FlowConfig, FlowStep, PublishStep, WriteStep } from './config.ts'
import type { TagView } from './trigger.ts'

/** What a run does to the world. */
export interface RunPorts {
  /** Resolves when the records are on disk; waits for as long as the store is away. */
  readonly keep: (records: readonly RunRecord[]) => Promise<void>
  readonly write: (command: Command) => Promise<CommandResult>
  /** Resolves when the message is kept for every upstream that wants it, and the broker has it. */
  readonly publish: (message: { readonly topic: string; readonly payload: string; readonly isRetained: boolean }) => Promise<void>
  /** Whether the tag reads this value now; undefined when its device cannot be heard for a while. */
  readonly readsNow: (tag: TagId, value: TagValue) => Promise<boolean | undefined>
  readonly tags: TagView
  readonly clock: Clock
}

/** One run: which flow (as it was when the run began), by what, and how far it has come. */
export interface Run {
  readonly id: string
  readonly flow: FlowConfig
  readonly trigger: Readonly<Record<string, unknown>>
  /** Whether it began in an earlier life of the daemon. */
  readonly isResumed: boolean
  /** The records of that earlier life; empty for a new run. */
  readonly past: OpenRun['records']
}

export interface RunEnd {
  readonly state: 'completed' | 'failed' | 'unsettled'
  readonly step?: string
  readonly fault?: PlainFault
}

/** A step that ended otherwise than done. */
class StepEnd extends Error {
  readonly state: 'failed' | 'unsettled'
  readonly fault: PlainFault

  constructor(state: 'failed' | 'unsettled', fault: PlainFault) {
    super(fault.message)
    this.state = state
    this.fault = fault
  }
}

/** Runs the steps that are not known done, each with its intent kept before the effect and its outcome after. */
export async function executeRun(run: Run, ports: RunPorts): Promise<RunEnd> {
  for (const step of run.flow.steps) {
    try {
      await (step.kind === 'write' ? writeAll(run, step, ports) : publishOnce(run, step, ports))
    } catch (error) {
      const end = stepEnd(step, error)
      await ports.keep([{ kind: 'ended', run: run.id, timeMs: ports.clock.now(), state: end.state, data: JSON.stringify(end) }])
      return end
    }
  }
  await ports.keep([{ kind: 'ended', run: run.id, timeMs: ports.clock.now(), state: 'completed', data: '{}' }])
  return { state: 'completed' }
}

function stepEnd(step: FlowStep, error: unknown): RunEnd & { readonly state: 'failed' | 'unsettled' } {
  if (error instanceof StepEnd) return { state: error.state, step: step.id, fault: error.fault }
  return { state: 'failed', step: step.id, fault: plainFault(error) }
}

async function writeAll(run: Run, step: WriteStep, ports: RunPorts): Promise<void> {
  for (const [place, { tag, value }] of step.writes.entries()) {
    await once(run, `${step.id}/${place}`, ports, {
      begin: () => evaluate(run, value, ports) as TagValue,
      act: async (asked) => settleWrite(step, await ports.write(command(run, `${step.id}/${place}`, { tag, value: asked }))),
      inDoubt: async (asked) => {
        if ((await ports.readsNow(tag, asked)) === true) return
        throw new StepEnd('unsettled', plainFault(inDoubt(step.id, tag)))
      },
    })
  }
}

async function publishOnce(run: Run, step: PublishStep, ports: RunPorts): Promise<void> {
  const act = async (payload: TagValue): Promise<void> =>
    await ports.publish({ topic: step.topic, payload: String(payload), isRetained: step.isRetained })
  await once(run, step.id, ports, {
    begin: () => payloadText(evaluate(run, step.payload, ports)),
    act,
    inDoubt: act, // a message may come twice, but must not be missing: at least once
  })
}

interface Effect {
  /** What is going to be done, computed once: a resumed run must not compute it anew from other values. */
  readonly begin: () => TagValue
  readonly act: (what: TagValue) => Promise<void>
  /** The intent was kept and the outcome was not: it may or may not have been done. */
  readonly inDoubt: (what: TagValue) => Promise<void>
}

/** Keeps the intent, acts, keeps the outcome; a part known done is left alone. */
async function once(run: Run, part: string, ports: RunPorts, effect: Effect): Promise<void> {
  const intent = run.past.find((record) => record.kind === 'intent' && record.step === part)
  const outcome = run.past.find((record) => record.kind === 'outcome' && record.step === part)
  if (outcome?.kind === 'outcome') return settled(outcome)
  const what = intent === undefined ? effect.begin() : revive(intent.data)
  if (intent === undefined) await ports.keep([{ kind: 'intent', run: run.id, step: part, timeMs: ports.clock.now(), data: freeze(what) }])
  try {
    await (intent === undefined ? effect.act(what) : effect.inDoubt(what))
  } catch (error) {
    const status = error instanceof StepEnd && error.state === 'unsettled' ? 'unknown' : 'failed'
    const data = JSON.stringify(error instanceof StepEnd ? error.fault : plainFault(error))
    await ports.keep([{ kind: 'outcome', run: run.id, step: part, timeMs: ports.clock.now(), status, data }])
    throw error
  }
  await ports.keep([{ kind: 'outcome', run: run.id, step: part, timeMs: ports.clock.now(), status: 'done', data: '{}' }])
}

/** What an earlier life of the run has kept of a part: done, or how it ended the run. */
function settled(outcome: Extract<RunRecord, { kind: 'outcome' }>): void {
  if (outcome.status === 'done') return
  throw new StepEnd(outcome.status === 'unknown' ? 'unsettled' : 'failed', JSON.parse(outcome.data) as PlainFault)
}

/** JSON has no 64-bit integers and no bytes; what was meant must come back as it was. */
function freeze(value: TagValue): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? { bigint: item.toString() } : item))
}

function revive(text: string): TagValue {
  return JSON.parse(text, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && 'bigint' in item ? BigInt(String(item.bigint)) : item,
  ) as TagValue
}

function settleWrite(step: WriteStep, result: CommandResult): void {
  if (result.status === 'done' || (result.status === 'unknown' && !step.isConfirmed)) return
  const fault: PlainFault = {
    code: result.code ?? `command.${result.status}`,
    message: result.message ?? `The write ended ${result.status}.`,
    remedy: result.remedy ?? 'Look at the device.',
    isRetryable: false,
  }
  throw new StepEnd(result.status === 'unknown' ? 'unsettled' : 'failed', fault)
}

function command(run: Run, part: string, write: { readonly tag: TagId; readonly value: TagValue }): Command {
  // Flows are files of the controls engineer; what they may write is decided by whoever may change those files.
  return { id: `${run.id}/${part}`, ...write, by: { road: 'flow', name: `${run.flow.flow}/${run.id}`, role: 'engineer' } }
}

function evaluate(run: Run, source: unknown, ports: RunPorts): unknown {
  const scope: ExpressionScope = { tag: (name) => ports.tags.sampleOf(asTagId(name)), trigger: run.trigger, ...triggerScope(run) }
  const value = checkedTemplate(source, 'flow').evaluate(scope)
  if (value === undefined) throw unknownValue(run)
  return value
}

function triggerScope(run: Run): Pick<ExpressionScope, 'value'> {
  const value = run.trigger['value']
  return value === undefined || value === null ? {} : { value: value as TagValue }
}

function unknownValue(run: Run): Fault {
  return new Fault('flow.unknown-value', `A value that ${run.flow.flow} needs is missing or not good.`, {
    remedy: 'Look at the quality of the tags that the step uses.',
  })
}

function inDoubt(step: string, tag: TagId): Fault {
  return new Fault('flow.in-doubt', `The daemon stopped while ${step} wrote ${tag}, and the tag does not read as intended.`, {
    remedy: 'Look at the machine, bring it into the right state by hand, and start the flow again if it is still wanted.',
  })
}
