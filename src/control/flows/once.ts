import type { CompiledStep } from './compiled.ts'
import type { Effect, StepPlace } from './effect.ts'
import { failureOf, inDoubt, StepFailure, Stopped } from './faults.ts'
import { boundedText, revive } from './frozen.ts'
import type { Run } from './run.ts'
import { throughBreaker } from './through-breaker.ts'

export interface Attempt {
  readonly run: Run
  readonly compiled: CompiledStep
  readonly place: StepPlace
}

/** Keeps the intent, acts, keeps the outcome; what is known to be done is left alone, and what is in doubt is settled. */
export async function once(effect: Effect, attempt: Attempt): Promise<unknown> {
  const { run, place } = attempt
  const known = run.past.part(place.key)
  if (known?.status === 'done') return known.result
  if (known?.fault !== undefined) throw new StepFailure(known.status === 'unknown' ? 'unknown' : 'failed', known.fault)
  const wasBegun = known?.isInDoubt === true
  const what = known?.intent === undefined ? effect.plan(place) : revive(known.intent)
  // What undoes is tried whatever has failed before.
  const partner = place.isUndo ? undefined : effect.partner?.(what)
  const result = await throughBreaker(run.breakers, partner, async () => {
    if (!wasBegun) await keepIntent(effect, what, attempt)
    return wasBegun ? await settled(effect, what, attempt) : await effect.act(what, place)
  })
  if (!isSettled(run, place)) keepOutcome(effect, result, attempt)
  return result
}

async function keepIntent(effect: Effect, what: unknown, { run, place }: Attempt): Promise<void> {
  if (effect.intent === 'none') return
  const intent = { kind: 'intent', step: place.key, data: boundedText(what, place.key) } as const
  if (effect.intent === 'firm') await run.keep(intent)
  else run.note(intent)
}

/** An earlier life of the daemon began this, and did not see how it ended. */
async function settled(effect: Effect, what: unknown, { run, compiled, place }: Attempt): Promise<unknown> {
  if (effect.intent !== 'firm')
    return typeof effect.inDoubt === 'function' ? await effect.inDoubt(what, place) : await effect.act(what, place)
  const policy = compiled.step.inDoubt ?? effect.inDoubt
  if (policy === 'ask') return await asked(effect, what, { run, compiled, place })
  if (policy === 'fail') throw inDoubt(compiled.step.id, 'nobody can say how far it came')
  if (policy === 'repeat') return await again(effect, what, place)
  return await policy(what, place)
}

async function asked(effect: Effect, what: unknown, { compiled, place }: Attempt): Promise<unknown> {
  const text = `${compiled.step.id} was under way when the daemon stopped. Was it done?`
  const { verdict } = await place.ask({ kind: 'in-doubt', role: 'engineer', text, stop: place.stop })
  if (verdict === 'repeat') return await again(effect, what, place)
  if (verdict === 'done') return undefined
  throw inDoubt(compiled.step.id, 'it was said not to have been done')
}

/** Under another name: the command road remembers the first one, and would answer with what it knows of it. */
function again(effect: Effect, what: unknown, place: StepPlace): unknown {
  return effect.act(what, { ...place, attempt: place.step.kind === 'write' ? place.attempt + 1 : place.attempt })
}

function keepOutcome(effect: Effect, result: unknown, { run, place }: Attempt): void {
  const data = result === undefined ? '{}' : outcomeText(effect, result, place)
  run.note({ kind: 'outcome', step: place.key, status: 'done', data })
}

/** What has been done to the world and cannot be told of is to be undone, or looked at: `failed` would say that nothing was done. */
function outcomeText({ gives, intent, isLook = false }: Effect, result: unknown, place: StepPlace): string {
  try {
    return boundedText(gives === 'vars' ? { vars: result } : { result }, place.key)
  } catch (error) {
    if (intent === 'firm' && !isLook && error instanceof StepFailure) throw new StepFailure('unknown', error.fault)
    throw error
  }
}

/** Records how an attempt failed. A run that was stopped has not failed. */
export function failedAttempt(
  error: unknown,
  { run, compiled, place }: Attempt,
): { readonly failure: StepFailure; readonly isLast: boolean } {
  if (error instanceof Stopped) throw error
  const failure = failureOf(error)
  if (isSettled(run, place)) return { failure, isLast: true } // its time was over before
  const isLast = !isWorthAnother(failure) || place.attempt + 1 >= compiled.retry.attempts
  const status = isLast ? failure.status : 'retrying'
  run.note({ kind: 'outcome', step: place.key, status, data: JSON.stringify(failure.fault) })
  return { failure, isLast }
}

/** What the flow itself has found out will not be otherwise a moment later. */
function isWorthAnother({ status, fault }: StepFailure): boolean {
  if (status !== 'failed' || neverPasses.has(fault.code)) return false
  return fault.isRetryable || !fault.code.startsWith('flow.')
}

/** What is refused whatever the machine does meanwhile. An interlock, a pace or a busy device may let the next one pass. */
const neverPasses: ReadonlySet<string> = new Set([
  ...['tag-unknown', 'read-only', 'role', 'type', 'type-range', 'range', 'twice', 'id-reused', 'expired'].map((why) => `command.${why}`),
  'service.path',
])

function isSettled(run: Run, { key }: StepPlace): boolean {
  return run.past.part(key)?.status !== undefined
}
