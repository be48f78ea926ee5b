import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { lineside } from '../support/lineside-program.ts'

const events = [1, 2, 3].map((sequence) => ({
  sequence: String(sequence),
  id: `e${sequence}`,
  type: 'device.lost',
  subject: 'press-07',
  time: `2026-11-21T02:30:0${sequence}.000Z`,
  data: {},
}))
const late = { code: 'flow.not-kept-yet', detail: 'Run r2 has not begun.', remedy: 'Look at the disk.' }
const broken = { code: 'door.closed', detail: 'It is being restarted.', remedy: 'Try again.' }

/** A gateway with three events, whose flow says no to an event as often as there are answers for it. */
async function startGateway(no: Readonly<Record<string, readonly object[]>>, old: readonly string[] = []) {
  const asked: string[] = []
  const server = createServer(async (request, response) => {
    const say = (status: number, body: object): unknown => response.writeHead(status).end(JSON.stringify(body))
    if (request.method === 'GET') return say(200, { items: request.url?.includes('newest') ? events.slice(-1) : events, cursor: '3' })
    const { event } = (await json(request)) as { readonly event: { readonly id: string } }
    const answer = no[event.id]?.[asked.filter((id) => id === event.id).length]
    asked.push(event.id)
    return answer === undefined ? say(200, { run: event.id, ...(old.includes(event.id) ? { isOld: true } : {}) }) : say(503, answer)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const replay = () => lineside(['events', 'replay', '--from', '2026-11-21T02:30:00Z', '--to', 'flow:fill', '--url', url])
  return { asked, replay, [Symbol.dispose]: () => void server.close() }
}

describe('lineside events replay', () => {
  it('waits for a disk that takes nothing at the event that it has come to, and says so once', async () => {
    using gateway = await startGateway({ e2: [late, late] })
    const { code, error } = await gateway.replay()
    expect([code, gateway.asked]).toEqual([0, ['e1', 'e2', 'e2', 'e2', 'e3']])
    expect(error).toBe(
      'The journal of the gateway takes nothing at the moment: this waits for it.\n3 events replayed, 3 of them to fill.\n',
    )
  })

  it('tells which events had begun their runs before, and counts one that has waited for the disk as begun', async () => {
    using one = await startGateway({}, ['e1'])
    expect((await one.replay()).error).toBe('3 events replayed, 2 of them to fill; 1 already had its run.\n')
    using gateway = await startGateway({ e2: [late] }, ['e1', 'e2', 'e3'])
    expect((await gateway.replay()).error).toMatch(/\n3 events replayed, 1 of them to fill; 2 already had their runs\.\n$/)
  })

  it('that cannot go on says from where to go on', async () => {
    using gateway = await startGateway({ e2: [broken] })
    const { code, error } = await gateway.replay()
    expect([code, gateway.asked]).toEqual([1, ['e1', 'e2']])
    expect(error).toContain(
      '1 event replayed, 1 of them to fill; it has stopped before what was at 2026-11-21T02:30:02.000Z: go on with --from 2026-11-21T02:30:02.000Z.\n',
    )
    expect(error).toContain('(door.closed)')
    using closed = await startGateway({ e1: [broken] })
    expect((await closed.replay()).error).toBe('It is being restarted.  (door.closed)\n    Try again.\n')
  })
})
