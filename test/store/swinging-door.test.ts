import { describe, expect, it } from 'vitest'
import { swingingDoor, type TrendPoint } from '../../src/store/swinging-door.ts'

const line = (values: readonly number[]): readonly TrendPoint[] => values.map((value, place) => ({ timeMs: place * 1_000, value }))

/** How far the straight lines between the kept points pass by the others. */
function largestError(points: readonly TrendPoint[], kept: readonly number[]): number {
  let largest = 0
  for (let segment = 1; segment < kept.length; segment += 1) {
    const [from, to] = [points[kept[segment - 1] ?? 0], points[kept[segment] ?? 0]]
    if (from === undefined || to === undefined) continue
    for (const { timeMs, value } of points.slice(kept[segment - 1], kept[segment])) {
      const share = (timeMs - from.timeMs) / (to.timeMs - from.timeMs)
      largest = Math.max(largest, Math.abs(from.value + share * (to.value - from.value) - value))
    }
  }
  return largest
}

describe('a swinging door', () => {
  it('keeps the ends of a straight line, and each of its corners', () => {
    expect(swingingDoor(line([0, 1, 2, 3, 4]), 0.1)).toEqual([0, 4])
    expect(swingingDoor(line([0, 1, 2, 3, 2, 1, 0]), 0.1)).toEqual([0, 3, 6])
    expect(swingingDoor(line([5, 5, 5, 9, 5, 5, 5]), 0.1)).toEqual([0, 2, 3, 4, 6])
  })

  it('is never off by more than twice its deviation, whatever the curve', () => {
    let seed = 7
    const chance = (): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return seed / 2 ** 31
    }
    for (let round = 0; round < 50; round += 1) {
      let value = 0
      const points = line(
        Array.from({ length: 300 }, () => {
          value += chance() - 0.5
          return value
        }),
      )
      const kept = swingingDoor(points, 0.5)
      expect(kept.length).toBeLessThan(points.length)
      expect(largestError(points, kept)).toBeLessThanOrEqual(1)
    }
  })

  it('keeps both sides of a clock that went back, and has nothing to say of nothing', () => {
    const points = [0, 1_000, 500, 1_500].map((timeMs) => ({ timeMs, value: 1 }))
    expect(swingingDoor(points, 1)).toEqual([0, 1, 2, 3])
    expect(swingingDoor([], 1)).toEqual([])
    expect(swingingDoor(line([1]), 1)).toEqual([0])
  })
})
