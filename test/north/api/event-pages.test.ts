import fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import type { RouteRow } from '../../../src/control/contract.ts'
import type { EventsAsk } from '../../../src/model/journal.ts'
import { answerErrors, errorOptions } from '../../../src/north/api/errors.ts'
import { routeEvents } from '../../../src/north/api/events.ts'

/** As a journal gives them that was begun anew after a damaged one: above all that were given before. */
const first = Date.UTC(2026, 10, 22) * 1_000 + 1

const row: RouteRow = { route: 'a', from: 'tag x', to: 'topic y', breaker: 'closed', waiting: 0, counts: {} }

async function startServer(deadCounts: () => Promise<Readonly<Record<string, number>>> = async () => ({})) {
  const asked: EventsAsk[] = []
  const afterIds: number[] = []
  const server = fastify({ logger: false, ...errorOptions })
  answerErrors(server)
  const event = { id: first, uid: 'u', type: 'device.lost', subject: 'press', timeMs: epochMs(0), data: {} }
  const journal = {
    page: async (ask: EventsAsk) => {
      asked.push(ask)
      return { events: [event], cursor: first, isEnd: false }
    },
    dead: async ({ afterId }: { readonly afterId: number }) => {
      afterIds.push(afterId)
      return []
    },
    deadCounts,
    orderDead: async () => 0,
    routes: async () => [row],
  }
  routeEvents(server, { journal, site: 'a/b', node: 'n' }, () => ({ seesAll: true, mayRead: () => true }))
  const get = async (path: string) => {
    const answer = await server.inject(path)
    const body: Readonly<Record<string, unknown>> = answer.json()
    return { status: answer.statusCode, body }
  }
  return { get, asked, afterIds, [Symbol.asyncDispose]: () => server.close() }
}

describe('the events of a journal that was begun anew', () => {
  it('are paged through by their large numbers', async () => {
    await using server = await startServer()
    const { next } = (await server.get('/api/v1/events?limit=1')).body
    expect(next).toBe(String(first))
    expect(await server.get(`/api/v1/events?limit=1&cursor=${String(next)}`)).toMatchObject({
      status: 200,
      body: { items: [{ sequence: next }] },
    })
    expect(server.asked.at(-1)?.cursor).toBe(first)
    expect(await server.get(`/api/v1/events/dead?cursor=${String(next)}`)).toMatchObject({ status: 200 })
    expect(server.afterIds).toEqual([first])
  })

  it('are not looked for behind a number that is none', async () => {
    await using server = await startServer()
    for (const cursor of ['9007199254740992', '17958204800000000', '1e3', '-1', ''])
      expect(await server.get(`/api/v1/events?cursor=${cursor}`)).toMatchObject({ status: 400, body: { code: 'api.bad-query' } })
    expect(server.asked).toEqual([])
  })
})

describe('the routes of a gateway', () => {
  it('have the dead letters that the store has of each', async () => {
    await using server = await startServer(async () => ({ 'route/a': 2, 'route/b': 1 }))
    expect((await server.get('/api/v1/routes')).body).toEqual({ items: [{ ...row, deadLetters: 2 }] })
  })

  it('are told while the store is away, and then nothing of dead letters', async () => {
    await using server = await startServer(() => Promise.reject(new Error('away')))
    expect(await server.get('/api/v1/routes')).toEqual({ status: 200, body: { items: [row] } })
  })
})
