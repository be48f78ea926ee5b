import { describe, expect, it } from 'vitest'
import { Settling } from '../../../src/control/routes/settling.ts'
import type { Consumed } from '../../../src/model/journal.ts'
import { startManualClock } from '../../support/manual-clock.ts'
import { keptLog } from '../../support/quiet-log.ts'

const consumer = 'route/a'
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

function started() {
  const calls: number[][] = []
  const clock = startManualClock()
  const answers: (() => void)[] = []
  const consumed = async (asks: readonly Consumed[]): Promise<void> => {
    calls.push(asks.flatMap(({ done }) => done))
    await new Promise<void>((resolve) => answers.push(resolve))
  }
  const settling = new Settling({ consumed, clock, log: keptLog() })
  return { settling, calls, clock, answer: () => answers.shift()?.() }
}

describe('what routes are done with', () => {
  it('goes to the store at the end of the turn where somebody waits for it, all in one call', async () => {
    const { settling, calls, answer } = started()
    const kept = [settling.settle({ consumer, done: [1] }), settling.settle({ consumer, done: [2] })]
    await turn()
    expect(calls).toEqual([[1, 2]])
    answer()
    await Promise.all(kept)
    await settling[Symbol.asyncDispose]()
  })

  it('goes along with what else is about to go to the disk, where nobody waits for it', async () => {
    const { settling, calls, answer } = started()
    const kept = settling.settle({ consumer, done: [1] }, 'soon')
    await turn()
    expect(calls).toEqual([])
    settling.hurry()
    await Promise.resolve() // within this turn: both calls reach the store together
    await Promise.resolve()
    expect(calls).toEqual([[1]])
    answer()
    await kept
    await settling[Symbol.asyncDispose]()
  })

  it('goes by itself after a moment, or when there is much of it', async () => {
    const { settling, calls, clock, answer } = started()
    const first = settling.settle({ consumer, done: [1] }, 'soon')
    await clock.advance(20)
    await turn()
    expect(calls).toEqual([[1]])
    answer()
    await first
    for (let id = 2; id <= 201; id += 1) void settling.settle({ consumer, done: [id] }, 'soon')
    await turn()
    expect(calls[1]).toHaveLength(200)
    answer()
    await settling[Symbol.asyncDispose]()
  })

  it('is told before the end, hurried or not', async () => {
    const { settling, calls, answer } = started()
    void settling.settle({ consumer, done: [7] }, 'soon')
    const ended = settling[Symbol.asyncDispose]()
    await turn()
    answer()
    await ended
    expect(calls).toEqual([[7]])
  })

  it('waits its turn while a call is under way, and follows in one', async () => {
    const { settling, calls, answer } = started()
    void settling.settle({ consumer, done: [1] })
    await turn()
    void settling.settle({ consumer, done: [2] }, 'soon')
    settling.hurry()
    void settling.settle({ consumer, done: [3] })
    await turn()
    expect(calls).toEqual([[1]])
    answer()
    await turn()
    expect(calls).toEqual([[1], [2, 3]])
    answer()
    await settling[Symbol.asyncDispose]()
  })
})
