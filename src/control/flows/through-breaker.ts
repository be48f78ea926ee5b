import { Fault, plainFault } from '../../base/fault.ts'
import type { BreakerPool } from '../breaker-pool.ts'
import { StepFailure, Stopped } from './faults.ts'

/**
 * Does the work unless its partner has failed again and again: then it rejects with `flow.breaker-open` at once, and holds no time, no turn and no
 * line that others need.
 */
export async function throughBreaker<Result>(pool: BreakerPool, partner: string | undefined, work: () => Promise<Result>): Promise<Result> {
  if (partner === undefined) return await work()
  const breaker = pool.of(partner)
  if (!breaker.tryNow()) throw leftAlone(partner)
  try {
    const result = await work()
    breaker.succeeded()
    return result
  } catch (error) {
    if (error instanceof Stopped) breaker.abandoned()
    else if (isTrouble(error)) breaker.failed(error instanceof StepFailure ? error.fault : plainFault(error))
    else breaker.succeeded() // it is there, and says no
    throw error
  }
}

/** That it is away or does not answer. */
function isTrouble(error: unknown): boolean {
  const { fault, isUnknown } =
    error instanceof StepFailure ? { fault: error.fault, isUnknown: error.status === 'unknown' } : { fault: error, isUnknown: false }
  if (error instanceof StepFailure || error instanceof Fault) {
    const { code, isRetryable } = fault as { readonly code: string; readonly isRetryable: boolean }
    return isUnknown || (isRetryable && code !== 'flow.unknown-value')
  }
  return false
}

function leftAlone(partner: string): Fault {
  return new Fault('flow.breaker-open', `The ${partner} has failed again and again, and is left alone for a while.`, {
    remedy: 'Look at it: it is tried again by itself.',
    isRetryable: true,
  })
}
