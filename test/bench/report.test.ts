import { describe, expect, it } from 'vitest'
import { markdown, median, quantile, renewed, reportOf, rowOf, table } from '../../bench/report.ts'

describe('a row of the bench', () => {
  it('says what was asked, whether it was met, and how the peer compares', () => {
    const row = rowOf({ name: 'p99', value: 50, unit: 'ms', limit: { atMost: 105 }, peer: 'Node-RED', peerValue: 100 })
    expect(row).toEqual({ name: 'p99', value: 50, unit: 'ms', asked: '<= 105', met: true, peer: 'Node-RED', peerValue: 100, ratio: 0.5 })
  })

  it.each([
    [106, { atMost: 105 }, false],
    [106, { atLeast: 105 }, true],
    [undefined, { atMost: 105 }, false], // what could not be measured was not reached
  ])('judges %s against %o as %s', (value, limit, isMet) => {
    expect(rowOf({ name: 'a', value, unit: 'ms', limit }).met).toBe(isMet)
  })

  it('asks nothing where nothing was asked', () => {
    expect(rowOf({ name: 'a', value: 1, unit: 'ms' })).toMatchObject({ asked: null, met: null, ratio: null })
  })

  it('stands in the table with its ratio first', () => {
    const rows = [rowOf({ name: 'p99', value: 50, unit: 'ms', peer: 'Node-RED', peerValue: 100 })]
    expect(table(rows).split('\n')[1]).toMatch(/^0\.5 +p99 +50 /)
    expect(markdown(reportOf(rows, 'npm run bench line'))).toMatch(
      /^\| 0\.5 \| p99 \| 50 \| ms \| – \| – \| Node-RED \| 100 \| \d{4}-\d\d-\d\d \d\d:\d\d \|$/m,
    )
  })
})

describe('a recorded table', () => {
  it('takes the rows of a later run in the place of those of the same names, and new ones at its end', () => {
    const of = (...names: readonly string[]): string =>
      markdown({
        ...reportOf(
          names.map((name, place) => rowOf({ name, value: place, unit: 'ms' })),
          'bench',
        ),
        date,
      })
    let date = '2026-11-21T21:06:07.123Z'
    const before = of('a', 'b', 'c')
    date = '2026-11-22T00:30:01.000Z'
    const both = renewed(before, of('d', 'b'))
    expect(both.split('\n').filter((line) => line.startsWith('| – '))).toEqual([
      '| – | a | 0 | ms | – | – | – | – | 2026-11-21 21:06 |',
      '| – | b | 1 | ms | – | – | – | – | 2026-11-22 00:30 |',
      '| – | c | 2 | ms | – | – | – | – | 2026-11-21 21:06 |',
      '| – | d | 0 | ms | – | – | – | – | 2026-11-22 00:30 |',
    ])
    const first = of('a')
    expect(renewed('', first)).toBe(first)
  })
})

describe('a quantile', () => {
  it('is a value that was seen', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
    expect([quantile(hundred, 0.5), quantile(hundred, 0.99), median([3, 1, 2]), median([])]).toEqual([50, 99, 2, undefined])
  })
})
