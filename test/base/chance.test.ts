import { describe, expect, it } from 'vitest'
import { backoffMs } from '../../src/base/chance.ts'

describe('the pause before the next try', () => {
  const backoff = { firstMs: 100, maxMs: 1_000 }

  it.each([
    [1, 50, 100],
    [2, 100, 200],
    [4, 400, 800],
    [5, 500, 1_000],
    [100_000, 500, 1_000],
  ])('doubles with each try up to its limit, and half of it is chance: try %i, from %i to %i ms', (attempt, least, most) => {
    expect(backoffMs(backoff, attempt, () => 0)).toBe(least)
    expect(backoffMs(backoff, attempt, () => 1)).toBe(most)
  })
})
