import type { Clock } from '../../../base/clock.ts'
import type { Door } from '../../../base/door.ts'
import { errorFields, type Log } from '../../../base/log.ts'
import { firstFailure, type Running, startLoop } from '../../../base/running.ts'
import type { JournalEvent } from '../../../model/journal.ts'
import type { StoreCalls } from '../../../store/contract.ts'
import { Lane } from '../../routes/lane.ts'
import { Settling } from '../../routes/settling.ts'
import { untilAnswered } from '../ports.ts'

export interface FollowingOptions {
  readonly types: readonly string[]
  /** Resolves when the runs that begin with it are kept. */
  readonly take: (event: JournalEvent) => Promise<void>
  readonly store: Door<StoreCalls>
  /** Where to be told that the journal has grown. */
  readonly journalled: (() => void)[]
  readonly clock: Clock
  readonly log: Log
  readonly life: AbortSignal
}

/** All flows together are one consumer of the journal: a flow that is new hears what happens from then on. */
const consumer = 'flows'
/** Events of which the runs are not kept yet. */
const openMax = 500
/** The store and the runtime journal events of their own, of which nobody tells. */
const lookPauseMs = 1_000

/**
 * Events begin runs as they stand in the journal, and the place up to which they have is kept: what was journalled before the power failed begins
 * its run after it. Where it had begun already, its key says so. Ready when nothing is missed any more.
 */
export async function followJournal(options: FollowingOptions): Promise<Running> {
  await register(options)
  const { types, store, journalled, clock, log } = options
  const parts = new AsyncDisposableStack()
  const settling = parts.use(new Settling({ consumed: (asks) => store.call('consumed', asks), clock, log }))
  let open = 0
  const take = async (event: JournalEvent): Promise<void> => {
    open += 1
    try {
      await options.take(event)
      lane.done(event.id)
      void settling.settle({ consumer, cursor: lane.cursor() })
    } catch (error) {
      log.debug('An event waits for the next life to begin its run.', { type: event.type, ...errorFields(error) })
    } finally {
      open -= 1
      if (open === openMax - 1) lane.ring()
    }
  }
  const lane: Lane = parts.use(
    new Lane({
      start: () => store.call('consumerCursor', { consumer }),
      fetch: (cursor, rowsMax) => store.call('eventsPage', { types, order: 'oldest', cursor, rowsMax }),
      take: (events) => {
        for (const event of events) void take(event)
      },
      room: () => openMax - open,
      clock,
      log,
    }),
  )
  journalled.push(() => lane.ring())
  const looking = parts.use(startLoop((signal) => lookForever(() => lane.ring(), clock, signal)))
  return { failure: firstFailure([settling, lane, looking]), [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

/** Its first place in the journal is kept before anything can happen. */
async function register({ store, clock, log, life }: FollowingOptions): Promise<void> {
  const what = 'The store does not tell yet from where on flows hear events.'
  await untilAnswered(
    async () => {
      const cursor = await store.call('consumerCursor', { consumer })
      if (cursor.isNew === true) await store.call('consumed', [{ consumer, done: [], dead: [], cursor }])
    },
    { clock, log, stop: life, what },
  )
}

async function lookForever(look: () => void, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(lookPauseMs, signal)
    look()
  }
}
