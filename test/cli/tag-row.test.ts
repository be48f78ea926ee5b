import { describe, expect, it } from 'vitest'
import { shownValue, whyNotGood } from '../../src/cli/tag-row.ts'

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

describe('a value in the terminal', () => {
  it.each([
    [12_345_678.912, 'f64', '12345678.912'],
    [0.1 + 0.2, 'f64', '0.3'],
    [Math.fround(21.55), 'f32', '21.55'],
    [21.55, 'f32', '21.55'],
    [Math.fround(123_456.79), 'f32', '123456.79'],
    [1_234_567.891, undefined, '1234567.891'],
    [Math.fround(21.55), undefined, '21.55'],
    [1_234_567.125, undefined, '1234567.125'],
    [4_294_967_295, 'u32', '4294967295'],
    ['18446744073709551615', 'u64', '18446744073709551615'],
    [[0.5, 1_000_000.25], 'f64', '[0.5, 1000000.25]'],
  ])('%s of a tag of type %s is %s', (value, type, text) => {
    expect(shownValue(value, type)).toBe(text)
  })
})
