import { describe, expect, it } from 'vitest'
import { Slots } from '../../src/base/slots.ts'

describe('slots', () => {
  it('give each item back once, by its number, and the number to another one', () => {
    const slots = new Slots<string>()
    const [a, b] = [slots.add('a'), slots.add('b')]
    expect([a === b, slots.size]).toEqual([false, 2])
    expect([slots.take(a), slots.take(a), slots.size]).toEqual(['a', undefined, 1])
    expect(slots.add('c')).toBe(a)
    expect([slots.take(b), slots.take(a), slots.size]).toEqual(['b', 'c', 0])
  })

  it('know nothing of numbers that they never gave', () => {
    const slots = new Slots<string>()
    expect([slots.take(0), slots.take(-1), slots.take(1e9), slots.size]).toEqual([undefined, undefined, undefined, 0])
  })

  it('give back all at once, and begin anew', () => {
    const slots = new Slots<string>()
    for (const item of ['a', 'b', 'c']) slots.add(item)
    slots.take(1)
    expect(slots.takeAll()).toEqual(['a', 'c'])
    expect([slots.size, slots.takeAll(), slots.add('d'), slots.size]).toEqual([0, [], 0, 1])
  })
})
