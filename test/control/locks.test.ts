import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Locks } from '../../src/control/locks.ts'

const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 4 })

describe('the turns of the tags', () => {
  it('come to everybody, in the order of asking, one at a time, whichever tags are wanted together', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ names, turns: fc.nat(3) }), { maxLength: 30 }), async (asks) => {
        const locks = new Locks({ waitingMax: 100 })
        const held = new Set<string>()
        const served = new Map<string, number[]>()
        await Promise.all(
          asks.map((ask, place) =>
            locks.hold(ask.names, async () => {
              for (const name of ask.names) {
                expect(held.has(name)).toBe(false)
                held.add(name)
                served.set(name, [...(served.get(name) ?? []), place])
              }
              for (let turn = 0; turn < ask.turns; turn += 1) await nextTurn()
              for (const name of ask.names) held.delete(name)
            }),
          ),
        )
        for (const order of served.values()) expect(order).toEqual(order.toSorted((one, other) => one - other))
        expect([...served.values()].flat()).toHaveLength(asks.flatMap((ask) => ask.names).length)
      }),
    )
  })

  it('go on after work that failed', async () => {
    const locks = new Locks({ waitingMax: 5 })
    const failing = locks.hold(['a'], () => Promise.reject(new Error('no')))
    expect(await locks.hold(['a'], async () => 'yes')).toBe('yes')
    await expect(failing).rejects.toThrow('no')
  })

  it('are refused to one too many, who then holds up nobody', async () => {
    const locks = new Locks({ waitingMax: 1 })
    const first = locks.hold(['a'], () => nextTurn())
    await expect(locks.hold(['b', 'a'], async () => {})).rejects.toMatchObject({ code: 'command.busy' })
    await locks.hold(['b'], async () => {})
    await first
  })
})
