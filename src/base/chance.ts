/** A number in [0, 1). Passed in wherever chance matters, so that a test can own it. */
export type Chance = () => number

export const systemChance: Chance = Math.random

export interface Backoff {
  readonly firstMs: number
  readonly maxMs: number
}

/**
 * How long to wait before try number `attempt` (1 is the first retry): doubles up to the maximum, of which the upper half is jitter,
 * so that fifty devices behind one switch do not come back in the same millisecond.
 */
export function backoffMs(backoff: Backoff, attempt: number, chance: Chance): number {
  const full = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(attempt - 1, 30))
  return full / 2 + (full / 2) * chance()
}
