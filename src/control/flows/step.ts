import { backoffMs } from '../../base/chance.ts'
import { type CompiledStep, partKeys } from './compiled.ts'
import type { Effect, StepPlace } from './effect.ts'
import { EndedEarly, failureOf, StepFailure, Stopped, timedOut, unknownValue } from './faults.ts'
import { doneEnd, type Frame, failedEnd, keyIn, type Spot, type StepEnd, skippedEnd } from './frame.ts'
import { type Attempt, failedAttempt, once } from './once.ts'
import { placeOf as placeOfPart, type ToldFailure, toldFailure } from './past.ts'
import type { Run } from './run.ts'
import { scopeOf } from './scope.ts'
import { onAbort, sleep } from './stop.ts'
import { walkWay } from './ways.ts'

/** One step, from wherever the journal says it is to its end. Rejects where the run cannot go on. */
export async function doStep(run: Run, compiled: CompiledStep, frame: Frame): Promise<void> {
  const key = keyIn(frame, compiled.step.id)
  const end = await endOf(run, { compiled, frame, key })
  frame.steps[compiled.step.id] = end
  run.progressed()
  if (end.failed && typeof compiled.onFailure === 'object') await frame.walk(compiled.onFailure, frame)
}

async function endOf(run: Run, spot: Spot): Promise<StepEnd> {
  const { compiled, frame, key } = spot
  const known = run.past.part(key)
  if (known?.status === 'skipped') return skippedEnd
  const isOld = isKnown(run, spot)
  // A parallel whose way is known has ended by itself, but for what is still to be undone of it.
  if (isOld && compiled.way !== undefined && compiled.way.kind !== 'parallel' && run.past.isSkipped(key)) return skipped(run, key)
  try {
    if (!isOld) {
      await run.gate(frame)
      if (isLeftOut(run, spot)) return skipped(run, key)
      run.tell('step.started', key)
    }
    const result = await performed(run, spot)
    if (!isOld) run.tell('step.completed', key)
    return doneEnd(result)
  } catch (error) {
    if (isLeft(error, run, spot)) return skipped(run, key)
    if (!(error instanceof StepFailure)) throw error
    if (!isOld && compiled.way === undefined) run.tell('step.failed', key, { status: error.status, fault: error.fault })
    error.step ??= key
    if (compiled.onFailure === undefined) throw error
    const attempts = run.past.failedPart(error.step)?.attempts ?? 0
    return endedFailed(run, spot, toldFailure(error.step, { ...error, attempts }))
  }
}

/** A person has skipped it while it was under way, or while it was tried again. */
function isLeft(error: unknown, run: Run, { frame, key }: Spot): boolean {
  if (!run.past.isSkipped(key)) return false
  return error instanceof StepFailure || (error instanceof Stopped && !frame.stop.aborted)
}

/** Who comes next may look at why. Of several that have failed below it another life might meet another one first. */
function endedFailed(run: Run, { compiled, key }: Spot, met: ToldFailure): StepEnd {
  const known = run.past.failure(key)
  if (known === undefined && compiled.way !== undefined) run.decide(key, { order: 'failure', failure: met })
  return failedEnd(known ?? met)
}

/** How it ended stands in the journal: that is no beginning which a pause could hold up, and no news. */
function isKnown(run: Run, { compiled, key }: Spot): boolean {
  if (compiled.way !== undefined) return run.past.way(key) !== undefined
  return partKeys(compiled, key).every((part) => run.past.part(part)?.status !== undefined)
}

function isLeftOut(run: Run, { compiled: { when, step }, frame, key }: Spot): boolean {
  if (run.past.isSkipped(key)) return true
  if (when === undefined || run.past.part(key) !== undefined) return false
  const isWanted = when.evaluate(scopeOf(run, frame))
  if (typeof isWanted === 'boolean') return !isWanted
  const failure = failureOf(unknownValue(step.id, `its condition \`${when.text}\``))
  run.note({ kind: 'outcome', step: key, status: 'failed', data: JSON.stringify(failure.fault) })
  throw failure
}

function skipped(run: Run, key: string): StepEnd {
  run.note({ kind: 'outcome', step: key, status: 'skipped', data: '{}' })
  return skippedEnd
}

/** Within the time of the step. What is late is left alone: it may still happen, and nobody will hear of it. */
async function performed(run: Run, spot: Spot): Promise<unknown> {
  const { compiled, frame } = spot
  const { timeoutMs } = compiled.step
  if (timeoutMs === undefined && !isLeavable(compiled)) return await performedUntil(run, spot, frame.stop)
  const limit = new AbortController()
  const late = Promise.withResolvers<never>()
  late.promise.catch(() => {}) // told by the race, unless the step has ended before
  let isLate = false
  const end = (ms: number): void => {
    isLate = true
    limit.abort()
    if (compiled.way === undefined) late.reject(lateFailure(run, spot, ms))
  }
  using _timer = timeoutMs === undefined ? undefined : run.ports.clock.after(timeoutMs, () => end(timeoutMs))
  using _leave = run.leavable(spot.key, () => limit.abort())
  using _outer = onAbort(frame.stop, () => limit.abort())
  try {
    return await Promise.race([performedUntil(run, spot, limit.signal), late.promise])
  } catch (error) {
    // What was below has ended by now, and was told only to stop.
    if (error instanceof Stopped && isLate && timeoutMs !== undefined && !frame.stop.aborted) throw lateFailure(run, spot, timeoutMs)
    throw error
  }
}

/** Whether it ends where it is told to stop. What is under way at a device or service is awaited: it takes as long as that may. */
function isLeavable({ way, effects, step }: CompiledStep): boolean {
  return way !== undefined || step.kind === 'run' || effects.some(({ isPatient }) => isPatient === true)
}

function lateFailure(run: Run, { compiled, key }: Spot, ms: number): StepFailure {
  const open = partKeys(compiled, key).find((part) => run.past.part(part)?.status === undefined)
  const isFirm = compiled.effects.some(({ intent, isPatient }) => intent === 'firm' && isPatient !== true)
  const isUnknown = isFirm && open !== undefined && run.past.part(open)?.isInDoubt === true
  const failure = timedOut(compiled.step.id, ms, isUnknown)
  if (open !== undefined) run.note({ kind: 'outcome', step: open, status: failure.status, data: JSON.stringify(failure.fault) })
  return failure
}

async function performedUntil(run: Run, spot: Spot, stop: AbortSignal): Promise<unknown> {
  const { compiled, frame, key } = spot
  if (compiled.way !== undefined) return await walkWay(run, compiled.way, { ...spot, frame: { ...frame, stop } })
  const failedBefore = run.past.part(key)
  if (failedBefore?.status === 'failed' && failedBefore.fault !== undefined) throw new StepFailure('failed', failedBefore.fault)
  const keys = partKeys(compiled, key)
  let result: unknown
  for (const [place, effect] of compiled.effects.entries()) {
    if (place > 0 && run.past.isSkipped(key)) throw new Stopped()
    result = await withRetries(effect, { run, compiled, place: placeOf(run, spot, { key: keys[place] ?? key, stop }) })
  }
  return result
}

function placeOf(run: Run, { compiled, frame }: Spot, { key, stop }: { readonly key: string; readonly stop: AbortSignal }): StepPlace {
  const part = run.past.part(key)
  return {
    run: run.facts,
    step: compiled.step,
    key,
    attempt: part?.attempts ?? 0,
    again: run.past.again(key),
    isUndo: frame.prefix !== '',
    scope: scopeOf(run, frame),
    ports: run.ports,
    stop,
    ask: (question) => run.ask(key, question),
    onProgress: (look) => run.onProgress(look),
  }
}

/** Before another attempt, which a person may want left out. */
async function restFor(ms: number, { run, place }: Attempt): Promise<void> {
  const key = placeOfPart(place.key)
  const left = new AbortController()
  if (run.past.isSkipped(key)) left.abort()
  using _leave = run.leavable(key, () => left.abort())
  using _outer = onAbort(place.stop, () => left.abort())
  await sleep(ms, { clock: run.ports.clock, stop: left.signal })
}

async function withRetries(effect: Effect, first: Attempt): Promise<unknown> {
  for (let attempt = first; ; ) {
    try {
      return await once(effect, attempt)
    } catch (error) {
      const { run, compiled, place } = attempt
      if (error instanceof EndedEarly) throw error
      const { failure, isLast } = failedAttempt(error, attempt)
      if (isLast) throw failure
      const { waitMs, maxMs, factor } = compiled.retry
      const full = Math.min(Math.max(maxMs, waitMs), waitMs * factor ** place.attempt)
      await restFor(backoffMs({ firstMs: full, maxMs: full }, 1, run.ports.chance), attempt)
      attempt = { ...attempt, place: { ...place, attempt: place.attempt + 1 } }
    }
  }
}
