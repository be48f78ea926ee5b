import { describe, expect, it } from 'vitest'
import { Feed } from '../../src/control/feed.ts'

interface Item {
  readonly key: string
  readonly item: number
}

function openFeed({ inflightMax = 4, answerEvery = 2 } = {}) {
  const told: (readonly Item[])[] = []
  const asked: { readonly batch: readonly Item[]; readonly answer: PromiseWithResolvers<void> }[] = []
  const state = { isThere: true }
  const feed = new Feed<string, Item>({
    keyOf: ({ key }) => key,
    inflightMax,
    answerEvery,
    tell: (batch) => {
      if (state.isThere) told.push(batch)
      return state.isThere
    },
    deliver: (batch) => {
      const answer = Promise.withResolvers<void>()
      asked.push({ batch, answer })
      return answer.promise
    },
  })
  const give = (key: string, item: number): void => {
    feed.take([{ key, item }])
  }
  return { feed, told, asked, state, give }
}

describe('a feed', () => {
  it('asks for an answer once in so many batches', () => {
    const { told, asked, give } = openFeed()
    for (const item of [1, 2, 3, 4]) give('a', item)
    expect([told.length, asked.length]).toEqual([2, 2])
  })

  it('stops when the far side is behind, keeps the latest of each key, and goes on with the first answer', async () => {
    const { feed, told, asked, give } = openFeed()
    for (const item of [1, 2, 3, 4, 5, 6]) give('a', item)
    expect([told.length, asked.length, feed.overtaken]).toEqual([2, 2, 1])
    asked[0]?.answer.resolve()
    await expect.poll(() => told.at(-1)).toEqual([{ key: 'a', item: 6 }])
    expect(feed.delivered).toBe(2)
  })

  it('holds back what nobody is there to hear, and what was refused', async () => {
    const { told, asked, state, give, feed } = openFeed()
    state.isThere = false
    give('a', 1)
    state.isThere = true
    give('b', 2)
    expect(told).toEqual([
      [
        { key: 'a', item: 1 },
        { key: 'b', item: 2 },
      ],
    ])
    give('c', 3)
    asked[0]?.answer.reject(new Error('closed'))
    await expect
      .poll(() => {
        feed.send()
        return told.at(-1)
      })
      .toEqual([{ key: 'c', item: 3 }])
  })

  it('sends nothing for an empty batch, and puts what comes behind what waits', async () => {
    const { feed, told, asked, give } = openFeed({ inflightMax: 1, answerEvery: 1 })
    feed.take([])
    expect([told.length, asked.length]).toEqual([0, 0])
    for (const item of [1, 2]) give('a', item)
    give('b', 3)
    asked[0]?.answer.resolve()
    await expect
      .poll(() => asked[1]?.batch)
      .toEqual([
        { key: 'a', item: 2 },
        { key: 'b', item: 3 },
      ])
  })

  it('counts what the far side did not take', async () => {
    const { feed, asked, state, give } = openFeed()
    state.isThere = false
    give('a', 1)
    expect(feed.rejected).toBe(1)
    state.isThere = true
    give('a', 2)
    give('a', 3)
    asked[0]?.answer.reject(new Error('closed'))
    await expect.poll(() => feed.rejected).toBe(2)
  })
})
