import { describe, expect, it } from 'vitest'
import { parseFieldPath } from '../../../src/south/opcua/field.ts'

describe('a path into a structure', () => {
  it.each([
    ['speed', ['speed']],
    ['motor.speed', ['motor', 'speed']],
    ['axes[2].position', ['axes', 2, 'position']],
    ['[3]', [3]],
    ['[0][1].x_1', [0, 1, 'x_1']],
  ])('%s is read step by step', (text, steps) => {
    expect(parseFieldPath(text)).toEqual(steps)
  })

  it.each(['', '.', 'a.', '.a', 'a..b', 'a[', 'a[]', 'a[-1]', 'a[1', '1a', 'a[1]b', Array.from({ length: 17 }, () => 'a').join('.')])(
    '"%s" is none',
    (text) => {
      expect(parseFieldPath(text)).toBeUndefined()
    },
  )
})
