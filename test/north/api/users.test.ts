import { describe, expect, it, vi } from 'vitest'
import { addUser, removeUser } from '../../../src/runtime/users.ts'
import { startTestApi } from './api-on-socket.ts'

const right = 'correct horse: battery'

function basic(user: string, password = right): { readonly authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}

async function startWithUsers(own?: Parameters<typeof startTestApi>[0]) {
  const server = await startTestApi(own)
  const { folder } = server
  await addUser(folder, { name: 'boss', role: 'admin', password: right })
  await addUser(folder, { name: 'anna', role: 'operator', password: right })
  await addUser(folder, {
    name: 'scale',
    role: 'engineer',
    read: ['acme/line-1/press/motor/#'],
    write: ['acme/line-1/press/name/set'],
    password: right,
  })
  const get = (path: string, headers: Readonly<Record<string, string>> = {}) => fetch(`${server.url}${path}`, { headers })
  return { ...server, get }
}

const closed = { own: false } as const

describe('a user over HTTP', () => {
  it('is known by his password, and reads and writes as who he is', async () => {
    await using server = await startWithUsers(closed)
    const answer = await server.get('/api/v1/tags', basic('anna'))
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ items: { length: 7 } })
    expect((await server.post('{"tag":"press/setpoint","value":1}', basic('anna'))).status).toBe(200)
    expect(server.asked).toMatchObject([{ commands: [{ by: { road: 'api', name: 'anna', role: 'operator' } }] }])
  })

  it('costs one look at his password, however many requests he sends', async () => {
    await using server = await startWithUsers(closed)
    await Promise.all(Array.from({ length: 200 }, () => server.get('/api/v1/tags?limit=1', basic('anna'))))
    const metric = server.list.metrics().find(({ name }) => name === 'lineside_access_passwords_checked_total')
    expect(metric?.value).toBe(1)
  })

  it.each(['/api/v1/tags', '/api/v1/tags/press/setpoint', '/api/v1/tags/live', '/api/v1/devices', '/api/v1/upstreams', '/metrics'])(
    'is asked for credentials where nobody comes in without: %s',
    async (path) => {
      await using server = await startWithUsers(closed)
      for (const headers of [{}, basic('anna', 'wrong'), basic('nobody'), { authorization: 'Bearer x' }, { authorization: 'Basic ???' }]) {
        const answer = await server.get(path, headers)
        expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="Lineside", charset="UTF-8"'])
        expect(answer.headers.get('content-type')).toContain('application/problem+json')
        expect(await answer.json()).toMatchObject({ code: expect.stringMatching(/^access\./), remedy: expect.any(String) })
      }
    },
  )

  it('leaves the probes of a supervisor alone, but shows it no device', async () => {
    await using server = await startWithUsers(closed)
    expect((await server.get('/health/live')).status).toBe(200)
    expect(await (await server.get('/health/ready')).json()).toEqual({ status: 'ready', rooms: {} })
    expect(await (await server.get('/health/ready', basic('anna'))).json()).toMatchObject({ devices: { length: 2 } })
  })

  it('with rules of his own sees what they cover, live too, and is told where they end', async () => {
    await using server = await startWithUsers(closed)
    const tags = (await (await server.get('/api/v1/tags', basic('scale'))).json()) as { items: { tag: string }[] }
    expect(tags.items.map(({ tag }) => tag)).toEqual(['press/motor/running'])
    expect(await (await server.get('/api/v1/devices', basic('scale'))).json()).toEqual({ items: [] })
    for (const path of ['/api/v1/tags/press/setpoint', '/metrics']) {
      const answer = await server.get(path, basic('scale'))
      expect(answer.status).toBe(403)
      expect(await answer.json()).toMatchObject({ code: 'access.read', remedy: expect.stringContaining('user list') })
    }
    const live = await server.get('/api/v1/tags/live', basic('scale'))
    const first = new TextDecoder().decode((await live.body?.getReader().read())?.value)
    expect(first).toContain('press/motor/running')
    expect(first).not.toContain('press/setpoint')
  })

  it('writes nothing where his own rules forbid one of a batch', async () => {
    await using server = await startWithUsers(closed)
    const both = '{"writes":[{"tag":"press/name","value":"a"},{"tag":"press/setpoint","value":1}]}'
    const answer = await server.post(both, basic('scale'))
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject({ code: 'access.write', detail: expect.stringContaining('press/setpoint') })
    expect(server.asked).toEqual([])
    expect(server.refused).toMatchObject([{ tag: 'press/setpoint', value: 1, code: 'access.write', by: { road: 'api', name: 'scale' } }])
    expect((await server.post('{"tag":"press/name","value":"a"}', basic('scale'))).status).toBe(200)
  })

  it('who was removed loses his live stream', { timeout: 20_000 }, async () => {
    await using server = await startWithUsers(closed)
    const reader = (await server.get('/api/v1/tags/live', basic('anna'))).body?.getReader()
    await reader?.read()
    await removeUser(server.folder, 'anna')
    await expect(
      (async () => {
        for (let end = false; !end; ) end = (await reader?.read())?.done ?? true
        throw new Error('ended')
      })(),
    ).rejects.toThrow(/ended|terminated/)
    expect((await server.get('/api/v1/tags', basic('anna'))).status).toBe(401)
  })

  it('is known where reading is open to all as well, so that a wrong password is not taken for none', async () => {
    await using server = await startWithUsers()
    expect((await server.get('/api/v1/tags')).status).toBe(200)
    expect((await server.get('/api/v1/tags', basic('anna', 'wrong'))).status).toBe(401)
  })

  it('is not needed where the site says so, for what it says', async () => {
    await using server = await startWithUsers({ own: { role: 'operator', isFromAnywhere: false } })
    expect((await server.get('/api/v1/tags')).status).toBe(200)
    expect((await server.post('{"tag":"press/setpoint","value":1}')).status).toBe(200)
    const proxied = await server.get('/api/v1/tags', { 'x-forwarded-for': '127.0.0.1' })
    expect(proxied.status).toBe(403)
    expect(await proxied.json()).toMatchObject({ code: 'access.anonymous-remote', remedy: expect.stringContaining('`api: {') })
  })

  it('who guesses is told to wait, and is one event and one line of the log', async () => {
    await using server = await startWithUsers(closed)
    const guess = () => server.get('/api/v1/tags', basic('anna', 'wrong'))
    await vi.waitFor(async () => expect((await guess()).status).toBe(429), { timeout: 20_000, interval: 5 })
    expect(server.events).toMatchObject([
      { type: 'access.refused', subject: 'api', data: { address: '127.0.0.1', user: 'anna', code: 'access.user-unknown', times: 1 } },
    ])
    expect(server.log.lines.filter(({ message }) => message === 'Somebody was not let in.')).toHaveLength(1)
  })
})
