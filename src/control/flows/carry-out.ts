import { EndedEarly, failureOf, Stopped, timedOut } from './faults.ts'
import { type Frame, rootFrame } from './frame.ts'
import type { Cause } from './past.ts'
import type { Run } from './run.ts'
import type { RunEnd } from './run-end.ts'
import { onAbort } from './stop.ts'
import { undoAll, undoable } from './unwind.ts'
import { walkList } from './walk.ts'

/**
 * Carries a run from where its journal says it is to its end, forward or backward. Rejects with `Stopped` when the daemon ends: the run then goes on
 * in its next life. `endBelow` ends the runs that it waits for, which a run that was paused when the power failed has not come to in this life: they go
 * back before it does.
 */
export async function carryOut(run: Run, endBelow: () => Promise<void> = async () => {}): Promise<RunEnd> {
  const forward = run.past.cause ?? (await goForward(run))
  if ('isUndone' in forward) await endBelow()
  const end = 'isUndone' in forward ? await goBack(run, forward) : finished(run, forward)
  await run.end(end)
  return end
}

async function goForward(run: Run): Promise<Cause | { readonly output?: unknown }> {
  using _life = onAbort(run.life, () => run.stop())
  using _limit = limitOf(run)
  try {
    await walkList(run, run.flow.steps, root(run, run.forward))
    return {}
  } catch (error) {
    if (error instanceof EndedEarly) return error.output === null ? {} : { output: error.output }
    if (run.life.aborted) throw new Stopped()
    return decidedCause(run, error)
  }
}

function root(run: Run, stop: AbortSignal): Frame {
  return rootFrame(stop, (list, frame) => walkList(run, list, frame))
}

function decidedCause(run: Run, error: unknown): Cause {
  const cause = run.cancelled ?? causeOf(error)
  run.decide('*', { order: 'unwind', cause })
  return cause
}

function causeOf(error: unknown): Cause {
  const { step, fault } = failureOf(error)
  return { state: 'failed', fault, isUndone: true, ...(step === undefined ? {} : { step }) }
}

/** By the wall clock: its time goes on while the daemon is away, and stands still while it is paused. */
function limitOf(run: Run): Disposable | undefined {
  const { timeoutMs } = run.flow.definition
  if (timeoutMs === undefined) return undefined
  const cause: Cause = { state: 'failed', fault: timedOut(run.flow.name, timeoutMs, false).fault, isUndone: true }
  const end = (): void => void run.cancel(cause, { by: 'the clock', why: 'timeout' }).catch(() => {})
  return afterMoving(run, run.past.time.leftMs(timeoutMs, run.ports.clock.now()), end)
}

/** Calls back after so much time in which the run was not paused. */
function afterMoving(run: Run, ms: number, then: () => void): Disposable {
  const { clock } = run.ports
  const movedMs = (): number => clock.elapsed() - run.heldMs
  const untilMs = movedMs() + ms
  const parts = new DisposableStack()
  const look = (): void => {
    if (parts.disposed) return
    const leftMs = untilMs - movedMs()
    if (run.past.time.isPaused) void run.resumed.then(look)
    else if (leftMs > 0) parts.use(clock.after(leftMs, look))
    else then()
  }
  parts.use(clock.after(ms, look))
  return parts
}

async function goBack(run: Run, cause: Cause): Promise<RunEnd> {
  const { state, step, fault, isUndone } = cause
  if (isUndone) {
    await undoAll(run, undoable(run, run.flow.steps, root(run, run.life)))
    if (run.life.aborted) throw new Stopped()
  }
  return ended(run, { state, ...(step === undefined ? {} : { step }), ...(fault === undefined ? {} : { fault }) })
}

function finished(run: Run, { output }: { readonly output?: unknown }): RunEnd {
  return ended(run, { state: 'completed', ...(output === undefined ? {} : { output }) })
}

function ended(run: Run, end: RunEnd): RunEnd {
  return run.left.length === 0 ? end : { ...end, state: 'unsettled', left: run.left }
}
