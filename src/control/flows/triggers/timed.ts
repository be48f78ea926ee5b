import { type Clock, type EpochMs, epochMs, isoTime } from '../../../base/clock.ts'
import { type Running, startLoop } from '../../../base/running.ts'
import type { FlowTrigger, Missed } from '../definition.ts'

export type TimedTrigger = Extract<FlowTrigger, { readonly kind: 'cron' | 'interval' }>

export interface TimedOptions {
  readonly trigger: TimedTrigger
  readonly clock: Clock
  /** Up to here all moments are done with; undefined where that is not known. */
  readonly doneMs: EpochMs | undefined
  /** Told of moments that have come, oldest first. */
  readonly fire: (moments: readonly EpochMs[]) => void
}

/** Moments that passed while nobody was there and are caught up at once, at most. */
const missedMax = 100
/** How much is gone through at once in looking for them, and how long a time is looked at first. */
const walkedMax = 500
const firstLookMs = 3_600_000
/** The wall clock may jump: it is looked at again this often. */
const lookEveryMs = 30_000
/** What comes later than this was missed: the machine slept, or its clock was wrong and has been set right. */
const lateMsMax = 2 * lookEveryMs

/** Tells each moment that a cron text or an interval names. Of those that have passed unseen, as many as the trigger declares. */
export async function startTimed({ trigger, clock, doneMs, fire }: TimedOptions): Promise<Running> {
  const next = await momentsOf(trigger)
  const missed = doneMs === undefined ? [] : missedOf(trigger.missed, next, { fromMs: doneMs, untilMs: clock.now() })
  if (missed.length > 0) fire(missed)
  return startLoop(async (signal) => {
    for (let dueMs = next(clock.now()); dueMs !== undefined; dueMs = next(epochMs(Math.max(dueMs, clock.now())))) {
      for (let leftMs = dueMs - clock.now(); leftMs > 0; leftMs = dueMs - clock.now()) {
        await clock.sleep(Math.min(leftMs, lookEveryMs), signal)
        if (clock.now() < dueMs - 2 * lookEveryMs) dueMs = next(clock.now()) ?? dueMs // the clock was set back
      }
      const isLate = clock.now() - dueMs > lateMsMax
      const span = { fromMs: epochMs(dueMs - 1), untilMs: clock.now() }
      const moments = isLate ? missedOf(trigger.missed, next, span) : [dueMs]
      if (moments.length > 0) fire(moments)
    }
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  })
}

/** Gives the first moment after another one. */
type Moments = (after: EpochMs) => EpochMs | undefined

/** Intervals stand on a grid of the wall clock: a restart does not shift them. */
async function momentsOf(trigger: TimedTrigger): Promise<Moments> {
  if (trigger.kind === 'interval') return (after) => epochMs((Math.floor(after / trigger.everyMs) + 1) * trigger.everyMs)
  const { Cron } = await import('croner')
  const cron = new Cron(trigger.cron, { paused: true, timezone: trigger.zone ?? 'UTC' })
  return (after) => {
    const next = cron.nextRun(isoTime(after))
    return next === null ? undefined : epochMs(next.getTime())
  }
}

interface Span {
  readonly fromMs: EpochMs
  readonly untilMs: EpochMs
}

/** Those that a trigger wants made up for, of all after `fromMs` and up to `untilMs`. */
function missedOf(missed: Missed, next: Moments, span: Span): readonly EpochMs[] {
  switch (missed) {
    case 'skip':
      return []
    case 'once':
      return lastOf(next, span, 1)
    case 'all':
      return lastOf(next, span, missedMax)
    default:
      missed satisfies never
      return []
  }
}

/**
 * The last of them, looked for from the end: there may be a million behind a summer in which the gateway was off or its clock was wrong, and to find
 * the next moment of a cron takes a tenth of a millisecond, in which no poll is made.
 */
function lastOf(next: Moments, { fromMs, untilMs }: Span, most: number): readonly EpochMs[] {
  let tooShortMs = 0
  let tooLongMs = Number.POSITIVE_INFINITY
  for (let lengthMs = firstLookMs; ; ) {
    const beginMs = epochMs(Math.max(fromMs, untilMs - lengthMs))
    const moments = passed(next, { fromMs: beginMs, untilMs })
    if (moments.length <= walkedMax && (moments.length >= most || beginMs === fromMs)) return moments.slice(-most)
    if (moments.length > walkedMax) tooLongMs = lengthMs
    else tooShortMs = lengthMs
    lengthMs = Math.floor(tooLongMs === Number.POSITIVE_INFINITY ? lengthMs * 4 : (tooShortMs + tooLongMs) / 2)
  }
}

function passed(next: Moments, { fromMs, untilMs }: Span): readonly EpochMs[] {
  const moments: EpochMs[] = []
  for (let dueMs = next(fromMs); dueMs !== undefined && dueMs <= untilMs; dueMs = next(dueMs)) {
    if (moments.push(dueMs) > walkedMax) break
  }
  return moments
}
