import { describe, expect, it } from 'vitest'
import { checkSize } from '../../src/control/value-size.ts'
import { asTagId, type Scalar, type TagMeta } from '../../src/model/tag.ts'

const text: TagMeta = { id: asTagId('press/name'), device: 'press', path: 'name', type: 'string', scan: 'normal', sizeBytes: 4 }

describe('the size of a value', () => {
  it.each<[Scalar]>([['abcd'], ['éé'], [''], [Uint8Array.of(1, 2, 3, 4)]])('is right: %o', (value) => {
    expect(() => checkSize(value, text)).not.toThrow()
  })

  it.each<[Scalar]>([['abcde'], ['ééé'], [Uint8Array.of(1, 2, 3)], [Uint8Array.of(1, 2, 3, 4, 5)]])(
    'is refused, with what would fit: %o',
    (value) => {
      expect(() => checkSize(value, text)).toThrow(
        expect.objectContaining({ code: 'command.length', remedy: expect.stringContaining('4 bytes') }),
      )
    },
  )

  it('does not matter where the device has no fixed place for it', () => {
    const { sizeBytes: _, ...boundless } = text
    expect(() => checkSize('x'.repeat(1_000), boundless)).not.toThrow()
  })
})
