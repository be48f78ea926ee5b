import { type EpochMs, epochMs } from '../../../base/clock.ts'
import { errorFields } from '../../../base/log.ts'
import { type Patience, untilAnswered } from '../ports.ts'
import type { FollowingOptions } from './journal.ts'
import type { TimedTrigger } from './timed.ts'

export type MomentBookOptions = Pick<FollowingOptions, 'store' | 'clock' | 'log' | 'life'>

/** Up to which moment a cron or an interval is done, whatever came of it: what passes while the gateway is off can be told from what has passed before. */
export interface MomentBook {
  readonly doneMs: EpochMs
  /** Its runs are kept. A power cut before this is on the disk does no harm: a moment has one run. */
  done(dueMs: EpochMs): void
}

/** A trigger that is here for the first time has missed nothing. Another text, or another zone, is another trigger. */
export async function openMomentBook(flow: string, trigger: TimedTrigger, options: MomentBookOptions): Promise<MomentBook> {
  const { store, clock, log } = options
  const consumer = `clock ${flow} ${trigger.kind === 'cron' ? `${trigger.cron} ${trigger.zone ?? ''}` : `${trigger.everyMs} ms`}`
  const write = (ms: EpochMs) => store.call('consumed', [{ consumer, done: [], dead: [], cursor: { lastId: ms, ahead: [] } }])
  const { lastId, isNew } = await patiently(() => store.call('consumerCursor', { consumer }), options)
  const doneMs = isNew === true ? clock.now() : epochMs(lastId)
  if (isNew === true) await patiently(() => write(doneMs), options)
  return {
    doneMs,
    done: (dueMs) => {
      write(dueMs).catch((error: unknown) =>
        log.debug('The moment of a flow was not noted; the next one is.', { flow, ...errorFields(error) }),
      )
    },
  }
}

async function patiently<Answer>(ask: () => Promise<Answer>, { clock, log, life }: MomentBookOptions): Promise<Answer> {
  const patience: Patience = { clock, log, stop: life, what: 'The store does not tell yet up to when the clock has begun flows.' }
  return await untilAnswered(ask, patience)
}
