import { describe, expect, it } from 'vitest'
import { prometheusText } from '../../src/base/metric.ts'

describe('the Prometheus text', () => {
  it('puts rows of one name under one head and escapes labels', () => {
    const row = { name: 'a_total', help: 'What.', type: 'counter' } as const
    const text = prometheusText([
      { ...row, value: 1, labels: { device: 'x"y\\z\n' } },
      { name: 'b', help: 'B.', type: 'gauge', value: 0.5 },
      { ...row, value: 2 },
    ])
    expect(text).toBe(
      '# HELP a_total What.\n# TYPE a_total counter\na_total{device="x\\"y\\\\z\\n"} 1\na_total 2\n# HELP b B.\n# TYPE b gauge\nb 0.5\n',
    )
  })
})
