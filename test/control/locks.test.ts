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
            locks.hold({ mine: ask.names, looked: [] }, async () => {
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

  it('are shared by those who only look, and never by one who looks and one who has it', async () => {
    const ask = fc.record({
      mine: fc.subarray(['a', 'b']),
      looked: fc.subarray(['c', 'd']),
      isSwapped: fc.boolean(),
      turns: fc.nat(3),
      givesBack: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(ask, { maxLength: 30 }), async (asks) => {
        const locks = new Locks({ waitingMax: 100 })
        const owners = new Map<string, number>()
        const lookers = new Map<string, number>()
        const count = (in_: Map<string, number>, wanted: readonly string[], by: number): void => {
          for (const name of wanted) in_.set(name, (in_.get(name) ?? 0) + by)
        }
        const isSound = (): boolean =>
          ['a', 'b', 'c', 'd'].every((name) => (owners.get(name) ?? 0) <= 1 && (owners.get(name) !== 1 || (lookers.get(name) ?? 0) === 0))
        let done = 0
        await Promise.all(
          asks.map(({ mine, looked, isSwapped, turns, givesBack }) => {
            const turn = isSwapped ? { mine: looked, looked: mine } : { mine, looked }
            return locks.hold(turn, async (doneLooking) => {
              count(owners, turn.mine, 1)
              count(lookers, turn.looked, 1)
              expect(isSound()).toBe(true)
              for (let passed = 0; passed < turns; passed += 1) await nextTurn()
              expect(isSound()).toBe(true)
              count(lookers, turn.looked, -1)
              if (givesBack) {
                doneLooking()
                await nextTurn()
              }
              count(owners, turn.mine, -1)
              done += 1
            })
          }),
        )
        expect(done).toBe(asks.length)
      }),
    )
  })

  it('go on after work that failed', async () => {
    const locks = new Locks({ waitingMax: 5 })
    const failing = locks.hold({ mine: ['a'], looked: [] }, () => Promise.reject(new Error('no')))
    expect(await locks.hold({ mine: ['a'], looked: [] }, async () => 'yes')).toBe('yes')
    await expect(failing).rejects.toThrow('no')
  })

  it('are refused to one too many, who then holds up nobody', async () => {
    const locks = new Locks({ waitingMax: 1 })
    const first = locks.hold({ mine: ['a'], looked: [] }, () => nextTurn())
    await expect(locks.hold({ mine: ['b', 'a'], looked: [] }, async () => {})).rejects.toMatchObject({ code: 'command.busy' })
    await locks.hold({ mine: ['b'], looked: [] }, async () => {})
    await first
  })
})
