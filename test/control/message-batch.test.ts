import { describe, expect, it } from 'vitest'
import type { LocalMessage } from '../../src/control/contract.ts'
import { MessageBatch } from '../../src/control/message-batch.ts'

const message = (topic: string): LocalMessage => ({ topic, payload: '', qos: 1, isRetained: false })

describe('messages of one turn of the loop', () => {
  it('go in one call, in their order, and the next ones in another', async () => {
    const calls: string[][] = []
    const batch = new MessageBatch(async (messages) => void calls.push(messages.map(({ topic }) => topic)))
    await Promise.all([batch.publish(message('a')), batch.publish(message('b'))])
    await batch.publish(message('c'))
    expect(calls).toEqual([['a', 'b'], ['c']])
  })

  it('are all told when the call has failed, and what comes after them goes on', async () => {
    let isAway = true
    const batch = new MessageBatch(async () => {
      if (isAway) throw new Error('away')
    })
    const both = await Promise.allSettled([batch.publish(message('a')), batch.publish(message('b'))])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    isAway = false
    await expect(batch.publish(message('c'))).resolves.toBeUndefined()
  })

  it('are cut where they are many', async () => {
    const sizes: number[] = []
    const batch = new MessageBatch(async (messages) => void sizes.push(messages.length))
    await Promise.all(Array.from({ length: 450 }, (_, place) => batch.publish(message(`t${place}`))))
    expect(sizes).toEqual([200, 200, 50])
  })
})
