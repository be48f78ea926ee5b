import type { Clock } from '../../base/clock.ts'
import type { Door } from '../../base/door.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { Command, CommandResult } from '../../model/command.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { TagId, TagMeta, TagValue } from '../../model/tag.ts'
import type { OpenRun, StoreCalls } from '../../store/contract.ts'
import type { NorthCalls } from '../contract.ts'
import { isSameValue, type TagTable } from '../tag-table.ts'
import type { FlowConfig } from './config.ts'
import type { Run, RunPorts } from './run.ts'

export interface FlowsOptions {
  readonly data: { readonly site: string; readonly flows: readonly FlowConfig[]; readonly tags: readonly TagMeta[] }
  readonly table: TagTable
  readonly road: { write(command: Command): Promise<CommandResult> }
  readonly store: Door<StoreCalls>
  readonly north: Door<NorthCalls>
  readonly outbox: { acceptMessage(topic: string, payload: string): Promise<void> }
  readonly record: (event: SiteEvent) => void
  readonly clock: Clock
  readonly log: Log
}

const retryPauseMs = 200
/** A publish that the broker has not taken by then fails its step. */
const publishMs = 30_000
/** How long a resumed run waits for the device that can tell what happened. */
const settleMs = 30_000

export async function openRuns({ store, clock, log }: FlowsOptions, stop: AbortSignal): Promise<readonly OpenRun[]> {
  return await untilAnswered(() => store.call('openRuns', null), { clock, log, stop, what: 'The store does not tell the open runs yet.' })
}

export function runPorts({ data, table, road, store, north, outbox, clock, log }: FlowsOptions, stop: AbortSignal): RunPorts {
  return {
    tags: table,
    clock,
    write: (command) => road.write(command),
    keep: async (records) => {
      await untilAnswered(() => store.call('recordRuns', records), {
        clock,
        log,
        stop,
        what: 'The journal does not answer; runs wait for it.',
      })
    },
    publish: async ({ topic, payload, isRetained }) => {
      const fullTopic = `${data.site}/${topic}`
      await outbox.acceptMessage(fullTopic, payload)
      const limit = clock.elapsed() + publishMs
      await untilAnswered(() => north.call('publish', [{ topic: fullTopic, payload, qos: 1, isRetained }]), {
        clock,
        log,
        stop,
        limit,
        what: 'The broker does not answer; a flow waits for it.',
      })
    },
    readsNow: (tag, value) => readsNow(tag, { value, table, clock, stop }),
  }
}

interface Patience {
  readonly clock: Clock
  readonly log: Log
  readonly stop: AbortSignal
  readonly what: string
  /** Moment of the monotonic clock after which the fault is passed on. */
  readonly limit?: number
}

/** Asks again while the fault says that it may help, telling the log once. */
async function untilAnswered<Answer>(ask: () => Promise<Answer>, { clock, log, stop, what, limit }: Patience): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask()
    } catch (error) {
      const isLate = limit !== undefined && clock.elapsed() > limit
      if (!(error instanceof Fault) || !error.isRetryable || isLate) throw error
      if (attempt === 1) log.warn(what, errorFields(error))
      await clock.sleep(retryPauseMs, stop)
    }
  }
}

/** After a start, devices need a moment: a resumed run must not fail because it was faster than they. */
export async function devicesHeard(
  run: Run,
  { table, clock, stop }: { readonly table: TagTable; readonly clock: Clock; readonly stop: AbortSignal },
): Promise<void> {
  const limit = clock.elapsed() + settleMs
  const tags = run.flow.steps.flatMap((step) => (step.kind === 'write' ? step.writes.map(({ tag }) => tag) : []))
  while (clock.elapsed() < limit && tags.some((tag) => !isHeard(table, tag))) await clock.sleep(retryPauseMs, stop)
}

/** Waits until the device can be heard, then compares. */
async function readsNow(
  tag: TagId,
  context: { readonly value: unknown; readonly table: TagTable; readonly clock: Clock; readonly stop: AbortSignal },
): Promise<boolean | undefined> {
  const { table, clock, stop } = context
  const limit = clock.elapsed() + settleMs
  while (clock.elapsed() < limit) {
    if (isHeard(table, tag)) return isSameValue(table.sampleOf(tag)?.value ?? null, context.value as TagValue)
    await clock.sleep(retryPauseMs, stop)
  }
  return undefined
}

function isHeard(table: TagTable, tag: TagId): boolean {
  const quality = table.sampleOf(tag)?.quality
  return quality === 'good' || quality === 'uncertain'
}
