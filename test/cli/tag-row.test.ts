import { describe, expect, it } from 'vitest'
import { whyNotGood } from '../../src/cli/tag-row.ts'

const device = {
  device: 'plc',
  state: 'degraded',
  lastFault: { code: 'opcua.nodes-missing', message: 'The server does not give 1 of 9 tags.' },
}
const devices = new Map([['plc', device]])

describe('why a tag is not good', () => {
  it('is what the device says of this very tag, where it says something, and not what ails another one', () => {
    expect(whyNotGood({ tag: 'plc/level', value: 1, quality: 'uncertain', status: 0x4092_0000 }, devices)).toBe(
      'a first value that nobody has measured',
    )
    expect(whyNotGood({ tag: 'plc/gone', value: null, quality: 'bad', status: 0x8034_0000 }, devices)).not.toContain('1 of 9')
  })

  it('is what ails its device, where it is stale or was never read', () => {
    const why = 'The server does not give 1 of 9 tags. (opcua.nodes-missing)'
    expect(whyNotGood({ tag: 'plc/level', value: 1, quality: 'stale', status: 0x4092_0000 }, devices)).toBe(why)
    expect(whyNotGood({ tag: 'plc/level', value: null, quality: 'bad', status: 0x8032_0000 }, devices)).toBe(why)
  })
})
