import { describe, expect, it } from 'vitest'
import { startTestApi } from './api-on-socket.ts'

const operator = { role: 'operator', isFromAnywhere: false } as const

describe('a write over HTTP', () => {
  it('asks the command road once, as who it is, and answers how it ended', async () => {
    await using server = await startTestApi({ anonymous: operator })
    const answer = await server.post('{"tag":"press/setpoint","value":180,"id":"job-1","expires":"2026-11-21T02:30:00Z"}')
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ tag: 'press/setpoint', id: 'job-1', status: 'done', tookMs: 3 })
    expect(server.asked).toEqual([
      {
        isTogether: false,
        commands: [
          {
            id: 'job-1',
            tag: 'press/setpoint',
            value: 180,
            by: { road: 'api', name: '127.0.0.1', role: 'operator' },
            expiresMs: Date.UTC(2026, 10, 21, 2, 30),
          },
        ],
      },
    ])
  })

  it('of many tags is one batch with a result for each', async () => {
    await using server = await startTestApi({ anonymous: operator })
    server.control.answer = ({ commands }) => [
      { id: commands[0]?.id ?? '', status: 'done', value: 2n ** 60n, tookMs: 1 },
      { id: commands[1]?.id ?? '', status: 'refused', code: 'command.range', message: 'No.', remedy: 'Less.', tookMs: 0 },
    ]
    const answer = await server.post(
      '{"together":true,"writes":[{"tag":"press/total","value":1152921504606846976},{"tag":"press/setpoint","value":999}]}',
    )
    expect(await answer.json()).toMatchObject({
      results: [
        { tag: 'press/total', status: 'done', value: '1152921504606846976' },
        { tag: 'press/setpoint', status: 'refused', code: 'command.range', remedy: 'Less.' },
      ],
    })
    expect(server.asked).toMatchObject([{ isTogether: true, commands: [{ value: 2n ** 60n }, { value: 999 }] }])
  })

  it('brings values as JSON has them into the type of the tag', async () => {
    await using server = await startTestApi({ anonymous: operator })
    await server.post(
      '{"writes":[{"tag":"press/motor/running","value":1},{"tag":"press/total","value":"18446744073709551615"},{"tag":"press/raw","value":"AQI="}]}',
    )
    const [batch] = server.asked
    expect(batch?.commands.map(({ value }) => value)).toEqual([true, 2n ** 64n - 1n, new Uint8Array([1, 2])])
  })

  it.each([
    ['{', 'it is no JSON'],
    ['', 'it is no JSON'],
    ['[]', 'expected object'],
    ['{"tag":"press/setpoint"}', 'value'],
    ['{"tag":"press/setpoint","value":1,"exipres":"x"}', 'exipres'],
    ['{"tag":"press/setpoint","value":1,"expires":"soon"}', 'is no moment'],
    ['{"tag":"press/setpoint","value":{"a":1}}', 'value'],
    ['{"tag":"press/setpoint","value":null}', 'value'],
    ['{"writes":[]}', 'writes'],
    [JSON.stringify({ writes: Array.from({ length: 201 }, () => ({ tag: 'a/b', value: 1 })) }), '200'],
    ['{"__proto__":{},"tag":"a/b","value":1}', '__proto__'],
  ])('that cannot be understood is a problem with a remedy, and asks nobody: %s', async (body, part) => {
    await using server = await startTestApi({ anonymous: operator })
    const answer = await server.post(body)
    expect(answer.status).toBe(400)
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(await answer.json()).toMatchObject({ code: 'api.bad-body', detail: expect.stringContaining(part), remedy: expect.any(String) })
    expect(server.asked).toEqual([])
  })

  it('is bounded in its size', async () => {
    await using server = await startTestApi({ anonymous: operator })
    expect((await server.post(`{"tag":"press/name","value":"${'x'.repeat(70_000)}"}`)).status).toBe(413)
  })

  it.each([
    [undefined, {}, 401, 'access.anonymous'],
    [operator, { authorization: 'Bearer x' }, 401, 'access.user-unknown'],
    [operator, { 'x-forwarded-for': '127.0.0.1' }, 403, 'access.anonymous-remote'],
    [operator, { origin: 'http://evil.example' }, 403, 'access.origin'],
    [operator, { 'content-type': 'text/plain' }, 415, expect.stringMatching(/^api\./)],
  ])('needs somebody who may come in: %j with %j', async (anonymous, headers, status, code) => {
    await using server = await startTestApi(anonymous === undefined ? {} : { anonymous })
    const answer = await server.post('{"tag":"press/setpoint","value":1}', headers)
    expect(answer.status).toBe(status)
    expect(await answer.json()).toMatchObject({ code, remedy: expect.any(String) })
    expect(server.asked).toEqual([])
  })

  it('may come from a page of the gateway itself', async () => {
    await using server = await startTestApi({ anonymous: operator })
    expect((await server.post('{"tag":"press/setpoint","value":1}', { origin: server.url })).status).toBe(200)
  })
})

describe('one tag over HTTP', () => {
  it('is told with all that is known of it', async () => {
    await using server = await startTestApi()
    const row = await (await fetch(`${server.url}/api/v1/tags/press/setpoint`)).json()
    expect(row).toMatchObject({ tag: 'press/setpoint', value: 42.5, quality: 'good', unit: 'bar', type: 'f32', writable: true })
    expect(row).toMatchObject({ write: { role: 'operator', min: 0, max: 220, step: 50, rate: 5, confirmMs: 500 } })
    expect(await (await fetch(`${server.url}/api/v1/tags/press/motor/running`)).json()).toMatchObject({ value: true })
  })

  it('that is not there is a problem', async () => {
    await using server = await startTestApi()
    const answer = await fetch(`${server.url}/api/v1/tags/press/nothing`)
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({ code: 'api.tag-unknown' })
  })
})
