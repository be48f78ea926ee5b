import { describe, expect, it } from 'vitest'
import { DropOldestQueue, KeepLatestQueue } from '../../src/base/queue.ts'

describe('a queue that drops its oldest', () => {
  it('keeps the newest when full, and counts what it dropped', () => {
    const queue = new DropOldestQueue<number>({ sizeMax: 10 })
    for (let item = 1; item <= 25; item += 1) queue.push(item)
    expect(queue.take(100)).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 24, 25])
    expect(queue.dropped).toBe(15)
  })

  it('never holds more than a tenth above its size', () => {
    const queue = new DropOldestQueue<number>({ sizeMax: 100 })
    for (let item = 0; item < 10_000; item += 1) {
      queue.push(item)
      expect(queue.size).toBeLessThanOrEqual(110)
    }
  })

  it('puts back in front what could not be delivered', () => {
    const queue = new DropOldestQueue<number>({ sizeMax: 10 })
    for (const item of [1, 2, 3]) queue.push(item)
    queue.unshift(queue.take(2))
    expect(queue.take(10)).toEqual([1, 2, 3])
  })
})

describe('a queue that keeps the latest', () => {
  it('holds one item a key, and counts what was overtaken', () => {
    const queue = new KeepLatestQueue<string, number>()
    queue.push('a', 1)
    queue.push('b', 1)
    queue.push('a', 2)
    expect([...queue.takeAll()]).toEqual([
      ['a', 2],
      ['b', 1],
    ])
    expect(queue.overtaken).toBe(1)
  })

  it('prefers what came meanwhile over what is put back', () => {
    const queue = new KeepLatestQueue<string, number>()
    queue.push('a', 1)
    queue.push('b', 1)
    const undelivered = queue.takeAll()
    queue.push('a', 2)
    queue.restore(undelivered)
    expect([...queue.takeAll()]).toEqual([
      ['a', 2],
      ['b', 1],
    ])
  })
})
