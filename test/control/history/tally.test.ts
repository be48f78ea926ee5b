import { describe, expect, it } from 'vitest'
import { type Aggregate, Tallies } from '../../../src/control/history/tally.ts'

const minute = 60_000

/** Values as they came, minute by minute, over spans of so many minutes. */
function tallied(values: readonly (readonly [minute: number, value: number])[], ...lengths: readonly number[]) {
  let fromMs = 0
  const tallies = new Tallies(
    lengths.map((length) => {
      const span = { fromMs, untilMs: fromMs + length * minute }
      fromMs = span.untilMs
      return span
    }),
  )
  for (const [at, value] of values) tallies.take(at * minute, value)
  tallies.end()
  const of = (aggregate: Aggregate) => tallies.all.map((tally) => tally.result(aggregate))
  return { of, known: tallies.all.map(({ knownMs }) => knownMs / minute) }
}

const unknown = Number.NaN

describe('what is made of a history', () => {
  it('weighs each value by how long it was so', () => {
    const { of } = tallied(
      [
        [-5, 10],
        [9, 110],
      ],
      10,
    )
    expect(of('avg')).toEqual([20])
    expect([of('min'), of('max'), of('first'), of('last'), of('delta')]).toEqual([[10], [110], [10], [110], [100]])
    expect([of('count'), of('sum')]).toEqual([[1], [110]])
  })

  it('leaves out the time in which the value was not good', () => {
    const { of, known } = tallied(
      [
        [-1, 4],
        [2, unknown],
        [8, 8],
      ],
      10,
    )
    expect([of('avg'), known]).toEqual([[6], [4]])
    expect([of('first'), of('last'), of('delta'), of('count')]).toEqual([[4], [8], [4], [1]])
  })

  it('says nothing where nothing is known', () => {
    const { of, known } = tallied(
      [
        [-5, 3],
        [-1, unknown],
        [15, 5],
      ],
      10,
      10,
    )
    expect(known).toEqual([0, 5])
    for (const aggregate of ['avg', 'min', 'max', 'first', 'last', 'sum', 'count', 'delta', 'seconds'] as const)
      expect(of(aggregate)[0]).toBeUndefined()
    expect([of('avg')[1], of('count')[1]]).toEqual([5, 1])
  })

  it('tells how long it was true', () => {
    expect(
      tallied(
        [
          [-1, 0],
          [2, 1],
          [5, 0],
          [9, 1],
        ],
        10,
      ).of('seconds'),
    ).toEqual([240])
  })

  it('shares the time out among spans, a value that stays in each of them', () => {
    const { of } = tallied(
      [
        [0, 1],
        [5, 2],
        [25, 3],
      ],
      10,
      10,
      10,
    )
    expect([of('avg'), of('first'), of('count')]).toEqual([
      [1.5, 2, 2.5],
      [1, 2, 2],
      [2, 0, 1],
    ])
  })

  it('is not confused by a clock that was set back', () => {
    const { of, known } = tallied(
      [
        [0, 1],
        [6, 2],
        [4, 3],
      ],
      10,
    )
    expect([of('avg'), known]).toEqual([[(6 * 1 + 4 * 3) / 10], [10]])
  })
})
