import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NumberMap } from '../../src/base/number-map.ts'

const key = fc.oneof(
  fc.integer({ min: -20, max: 20 }),
  fc.maxSafeInteger(),
  fc.integer({ min: 0, max: 40 }).map((n) => n * 2 ** 33),
)
const deed = fc.record({ kind: fc.constantFrom('set', 'set', 'delete', 'get'), key, item: fc.nat() })

describe('a map of numbers', () => {
  it('does what a Map does, whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 400 }), (deeds) => {
        const [ours, model] = [new NumberMap<number>(), new Map<number, number>()]
        for (const { kind, key, item } of deeds) {
          if (kind === 'set') {
            ours.set(key, item)
            model.set(key, item)
          } else if (kind === 'delete') expect(ours.delete(key)).toBe(model.delete(key))
          expect([ours.get(key), ours.has(key), ours.size]).toEqual([model.get(key), model.has(key), model.size])
        }
        expect(ours.values()).toEqual([...model].toSorted(([one], [other]) => one - other).map(([, item]) => item))
      }),
    )
  })

  it('holds a window over growing numbers, large and small, and gives the room back', () => {
    const map = new NumberMap<string>()
    for (let next = 0; next < 20_000; next += 1) {
      map.set(next, `${next}`)
      if (next >= 5_000) expect(map.delete(next - 5_000)).toBe(true)
    }
    expect([map.size, map.get(15_000), map.get(14_999)]).toEqual([5_000, '15000', undefined])
    expect(map.values().at(-1)).toBe('19999')
    for (let key = 15_000; key < 20_000; key += 1) map.delete(key)
    expect([map.size, map.values()]).toEqual([0, []])
  })
})
