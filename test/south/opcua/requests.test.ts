import { getEventListeners } from 'node:events'
import type { ClientSession } from 'node-opcua-client'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { Requests } from '../../../src/south/opcua/requests.ts'

const items = Array.from({ length: 10 }, (_, place) => place)

function requests(): Requests {
  return new Requests({ session: {} as ClientSession, clock: systemClock, timeoutMs: 5_000, ended: new AbortController().signal })
}

/** Answers each chunk a little later, and remembers the most that were under way at once, and the sizes. */
function server(sizeMax = Number.POSITIVE_INFINITY) {
  const seen = { atOnceMax: 0, sizes: [] as number[] }
  let underWay = 0
  const send = async (_: ClientSession, chunk: readonly number[]): Promise<readonly number[]> => {
    underWay += 1
    seen.atOnceMax = Math.max(seen.atOnceMax, underWay)
    seen.sizes.push(chunk.length)
    await systemClock.sleep(1)
    underWay -= 1
    if (chunk.length > sizeMax) throw new Error('serviceResult = BadTooManyOperations (0x80100000)')
    return chunk.map((item) => item * 2)
  }
  return { seen, send }
}

describe('the requests of a session', () => {
  it('hold no more nodes than the server allows, and keep their order', async () => {
    const { seen, send } = server()
    expect(await requests().chunked(items, { what: 'x', limit: 4, send })).toEqual(items.map((item) => item * 2))
    expect(seen.sizes).toEqual([4, 4, 2])
  })

  it('find the limit of a server that names none', async () => {
    const { seen, send } = server(3)
    expect(await requests().chunked(items, { what: 'x', limit: 0, send })).toEqual(items.map((item) => item * 2))
    expect(seen.sizes).toEqual([10, 5, 3, 3, 3, 1])
  })

  it('wait for each other where the server counts the nodes of all together', async () => {
    const both = async (one: Requests) => {
      const { seen, send } = server()
      await Promise.all([one.chunked(items, { what: 'x', limit: 5, send }), one.chunked(items, { what: 'y', limit: 5, send })])
      return seen.atOnceMax
    }
    expect(await both(requests())).toBe(2)
    const polite = requests()
    polite.takeTurns()
    expect(await both(polite)).toBe(1)
  })

  it('go on after one that failed', async () => {
    const polite = requests()
    polite.takeTurns()
    const failing = polite.askInTurn('x', () => Promise.reject(new Error('no')))
    const next = polite.askInTurn('y', async () => 5)
    await expect(failing).rejects.toMatchObject({ code: 'opcua.request-failed' })
    expect(await next).toBe(5)
  })

  it('leave nothing behind at the signals that outlive them', async () => {
    const [ended, signal] = [new AbortController().signal, new AbortController().signal]
    const all = new Requests({ session: {} as ClientSession, clock: systemClock, timeoutMs: 5_000, ended })
    const listeners = (): readonly number[] => [ended, signal].map((one) => getEventListeners(one, 'abort').length)
    const answer = Promise.withResolvers<number>()
    const asked = all.ask('x', () => answer.promise, signal)
    expect(listeners()).toEqual([1, 1])
    answer.resolve(5)
    expect(await asked).toBe(5)
    expect(listeners()).toEqual([0, 0])
    // A signal that is made of others is held by them until the next full collection.
    expect([ended, signal].flatMap((one) => Object.getOwnPropertySymbols(one).map(String)).join()).not.toContain('kDependantSignals')
  })

  it.each(['the connection', 'the asker'])('are given up when %s gives up', async (who) => {
    const [connection, asker] = [new AbortController(), new AbortController()]
    const all = new Requests({ session: {} as ClientSession, clock: systemClock, timeoutMs: 5_000, ended: connection.signal })
    const never = new Promise<number>(() => {})
    const asked = all.ask('x', () => never, asker.signal)
    const end = who === 'the connection' ? connection : asker
    end.abort(new Error(`${who} ended`))
    await expect(asked).rejects.toThrow(`${who} ended`)
    await expect(all.ask('y', () => never, asker.signal)).rejects.toThrow(`${who} ended`)
  })
})
