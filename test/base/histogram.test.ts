import { describe, expect, it } from 'vitest'
import { Histogram } from '../../src/base/histogram.ts'
import { prometheusText } from '../../src/base/metric.ts'

describe('a histogram', () => {
  it('counts what is at most each bound, and everything, under one head', () => {
    const histogram = new Histogram([0.5, 2])
    for (const value of [0.25, 0.5, 1, 4]) histogram.observe(value)
    const text = prometheusText(histogram.metrics({ name: 'late_seconds', help: 'Late.', labels: { device: 'a' } }))
    expect(text.split('\n')).toEqual([
      '# HELP late_seconds Late.',
      '# TYPE late_seconds histogram',
      'late_seconds_bucket{device="a",le="0.5"} 2',
      'late_seconds_bucket{device="a",le="2"} 3',
      'late_seconds_bucket{device="a",le="+Inf"} 4',
      'late_seconds_sum{device="a"} 5.75',
      'late_seconds_count{device="a"} 4',
      '',
    ])
  })
})
