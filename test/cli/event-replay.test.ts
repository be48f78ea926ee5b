import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { lineside } from '../support/lineside-program.ts'
import { makeStateFolder } from '../support/state-folder.ts'

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
async function startGateway(no: Readonly<Record<string, readonly object[]>>, old: readonly string[] = [], held = events) {
  const asked: string[] = []
  const server = createServer(async (request, response) => {
    const say = (status: number, body: object): unknown => response.writeHead(status).end(JSON.stringify(body))
    if (request.method === 'GET') return say(200, { items: request.url?.includes('newest') ? held.slice(-1) : held, cursor: '3' })
    const { event } = (await json(request)) as { readonly event: { readonly id: string } }
    const answer = no[event.id]?.[asked.filter((id) => id === event.id).length]
    asked.push(event.id)
    return answer === undefined ? say(200, { run: event.id, ...(old.includes(event.id) ? { isOld: true } : {}) }) : say(503, answer)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const replay = () => lineside(['events', 'replay', '--from', '2026-11-21T02:30:00Z', '--to', 'flow:fill', '--url', url])
  return { asked, url, replay, [Symbol.dispose]: () => void server.close() }
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
  it('leaves no file where nothing was played, and one that is there alone', async () => {
    using folder = makeStateFolder()
    const file = join(folder.path, 'all.jsonl')
    const to = (url: string, ...more: readonly string[]) =>
      lineside(['events', 'replay', '--from', '2026-11-21T02:30:00Z', '--to', `file:${file}`, '--url', url, ...more])
    expect(await to('http://127.0.0.1:1')).toMatchObject({ code: 3 })
    expect(existsSync(file)).toBe(false)
    using none = await startGateway({}, [], [])
    expect(await to(none.url)).toMatchObject({ code: 1, error: '0 events replayed.\n' })
    expect(existsSync(file)).toBe(false)
    using gateway = await startGateway({})
    expect(await to(gateway.url)).toMatchObject({ code: 0, error: '3 events replayed.\n' })
    const written = await readFile(file, 'utf8')
    expect(written.trim().split('\n')).toHaveLength(3)
    expect(await to(gateway.url)).toMatchObject({ code: 1, error: expect.stringContaining('EEXIST') })
    expect(await readFile(file, 'utf8')).toBe(written)
  })
})
