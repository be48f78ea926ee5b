import { once } from 'node:events'
import { STATUS_CODES } from 'node:http'
import { connect } from 'node:net'
import fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../../src/base/fault.ts'
import { answerErrors, errorOptions } from '../../../src/north/api/errors.ts'
import { problemOf } from '../../../src/north/api/problem.ts'

async function startServer() {
  const server = fastify({ logger: false, bodyLimit: 1_000, ...errorOptions })
  answerErrors(server)
  server.get('/things', () => ({ items: [] }))
  server.get('/things/:thing', () => ({}))
  server.post('/things', () => ({}))
  server.get('/slow', () => new Promise(() => {}))
  server.get('/bug', () => {
    throw new Error('secret path /etc/lineside')
  })
  await server.listen({ host: '127.0.0.1', port: 0 })
  const address = server.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { port, [Symbol.asyncDispose]: () => server.close() }
}

interface Answer {
  readonly status: number
  readonly headers: string
  readonly problem: Readonly<Record<string, unknown>>
}

/** Sends the bytes as they are and reads until the server closes. */
async function send(port: number, text: string): Promise<Answer> {
  const socket = connect(port, '127.0.0.1')
  let said = ''
  socket.on('data', (chunk) => {
    said += String(chunk)
  })
  socket.on('error', () => {})
  socket.write(text)
  await once(socket, 'close')
  const [headers = '', body = ''] = said.split('\r\n\r\n')
  return { status: Number(headers.split(' ')[1]), headers: headers.toLowerCase(), problem: JSON.parse(body) as Answer['problem'] }
}

const tail = 'host: h\r\nconnection: close\r\n'
const post = (body: string, type = 'application/json', length = body.length): string =>
  `POST /things HTTP/1.1\r\n${tail}content-type: ${type}\r\ncontent-length: ${length}\r\n\r\n${body}`

describe('a request that cannot be answered', () => {
  it.each<[string, string, number, string]>([
    ['with a path that leads nowhere', `GET /nothing HTTP/1.1\r\n${tail}\r\n`, 404, 'api.not-found'],
    ['with a path that cannot be decoded', `GET /things/%zz HTTP/1.1\r\n${tail}\r\n`, 400, 'api.bad-url'],
    ['with a part that is too long', `GET /things/${'x'.repeat(500)} HTTP/1.1\r\n${tail}\r\n`, 414, 'api.url-too-long'],
    ['with a method that the path has not', `DELETE /things HTTP/1.1\r\n${tail}\r\n`, 405, 'api.method'],
    ['with a method that a path with a name in it has not', `PUT /things/7?a=b HTTP/1.1\r\n${tail}\r\n`, 405, 'api.method'],
    ['to a proxy, which this is not', `CONNECT other:443 HTTP/1.1\r\n${tail}\r\n`, 405, 'api.method'],
    ['with a body that is no JSON', post('{"a":'), 400, 'api.bad-json'],
    ['with JSON that would change objects', post('{"__proto__":{"a":1}}'), 400, 'api.bad-json'],
    ['with an empty body', post(''), 400, 'api.bad-json'],
    ['with a body that is too large', post(`"${'x'.repeat(2_000)}"`), 413, 'api.body-too-large'],
    ['with a body of another type', post('<a/>', 'text/xml'), 415, 'api.media-type'],
    ['with headers that are too large', `GET /things HTTP/1.1\r\n${tail}x: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'api.headers-too-large'],
    ['with an address that is too long', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n${tail}\r\n`, 431, 'api.headers-too-large'],
    ['without a host', 'GET /things HTTP/1.1\r\nconnection: close\r\n\r\n', 400, 'api.host-missing'],
    ['with an expectation', `GET /things HTTP/1.1\r\n${tail}expect: a-miracle\r\n\r\n`, 417, 'api.expectation'],
    ['that is no HTTP', 'hello?\r\n\r\n', 400, 'api.malformed'],
    ['that is TLS', '\u0016\u0003\u0001\u0002\u0000', 400, 'api.malformed'],
    ['with two lengths', `POST /things HTTP/1.1\r\n${tail}content-length: 1\r\ncontent-length: 2\r\n\r\nab`, 400, 'api.malformed'],
  ])('is a problem with code and remedy: %s', async (_, text, status, code) => {
    await using server = await startServer()
    const answer = await send(server.port, text)
    expect(answer.problem).toEqual({
      ...{ type: 'about:blank', title: STATUS_CODES[status], status, code },
      ...{ detail: expect.stringMatching(/\w.*\.$/), remedy: expect.stringMatching(/\w.*\.$/) },
    })
    expect(answer.status).toBe(status)
    expect(answer.headers).toContain('content-type: application/problem+json')
  })

  it.each([
    [new Fault('access.role', 'No.', { remedy: 'Ask.' }), 403],
    [new Fault('device.absent', 'No.', { remedy: 'Wait.', isRetryable: true }), 503],
    [new Fault('flow.unknown', 'No.', { remedy: 'Look.' }), 404],
    [new Error('a bug'), 500],
  ])('has the phrase of its status for a title: %s', (error, status) => {
    expect(problemOf(error)).toMatchObject({ type: 'about:blank', title: STATUS_CODES[status], status })
  })

  it('is told which methods there are', async () => {
    await using server = await startServer()
    expect((await send(server.port, `DELETE /things HTTP/1.1\r\n${tail}\r\n`)).headers).toMatch(/^allow: get, head, post$/m)
  })

  it('because of a bug says nothing about the inside', async () => {
    await using server = await startServer()
    const { status, problem } = await send(server.port, `GET /bug HTTP/1.1\r\n${tail}\r\n`)
    expect([status, problem['code']]).toEqual([500, 'internal'])
    expect(JSON.stringify(problem)).not.toContain('/etc/lineside')
  })

  it('behind one that is being answered ends the connection, and breaks into no answer', async () => {
    await using server = await startServer()
    const socket = connect(server.port, '127.0.0.1')
    let said = ''
    socket.on('data', (chunk) => {
      said += String(chunk)
    })
    socket.write(`GET /slow HTTP/1.1\r\nhost: h\r\n\r\nhello?\r\n\r\n`)
    await once(socket, 'close')
    expect(said).not.toContain('api.malformed')
  })

  it('harms nobody: another one is answered', async () => {
    await using server = await startServer()
    for (const text of ['hello?\r\n\r\n', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n\r\n`]) await send(server.port, text)
    expect((await fetch(`http://127.0.0.1:${server.port}/things`)).status).toBe(200)
  })
})
