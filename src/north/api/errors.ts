import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyHttpOptions, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type HttpProblem, problemOf, requestProblem } from './problem.ts'

const problemType = 'application/problem+json'

/** For fastify itself: what it would answer in its own words is answered in ours. */
export const errorOptions = {
  frameworkErrors: (error: unknown, _request: FastifyRequest, reply: FastifyReply) => sendProblem(reply, problemOf(error)),
  clientErrorHandler: (error: { readonly code?: string }, socket: Duplex) => answerClientError(error, socket),
  return503OnClosing: false, // a request that is under way when we stop is answered as ever
  http: { requireHostHeader: false }, // said below: Node would end the connection without a word
} satisfies FastifyHttpOptions<Server>

/** Every error of the server is an RFC 9457 problem with `code` and `remedy`, wherever it arises. To be called before the routes are made. */
export function answerErrors(server: FastifyInstance): void {
  const routes = new Routes(server)
  server.setErrorHandler((error, _request, reply) => sendProblem(reply, problemOf(error)))
  server.setNotFoundHandler((request, reply) => {
    const [path = ''] = request.url.split('?')
    const methods = routes.methodsOf(path)
    if (methods.length === 0) return sendProblem(reply, notFound(request.url))
    reply.header('allow', methods.join(', '))
    return sendProblem(
      reply,
      requestProblem(405, { detail: `${request.method} cannot be done to ${path.slice(0, 200)}.`, remedy: `Use ${methods.join(' or ')}.` }),
    )
  })
  server.addHook('onRequest', async (request, reply) => {
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1') return sendProblem(reply, requestProblem(400, withoutHost))
  })
  answerOddRequests(server.server)
}

/** RFC 9112, 3.2: a server must refuse it. */
const withoutHost = {
  code: 'api.host-missing',
  detail: 'The request has no Host header.',
  remedy: 'Send the header Host, as HTTP/1.1 demands.',
}

function sendProblem(reply: FastifyReply, problem: HttpProblem): FastifyReply {
  if (problem.status === 401) reply.header('www-authenticate', 'Basic realm="Lineside", charset="UTF-8"') // RFC 7617
  return reply.code(problem.status).type(problemType).send(problem)
}

function notFound(url: string): HttpProblem {
  return requestProblem(404, { detail: `There is nothing at ${url.slice(0, 200)}.`, remedy: 'See /api/v1/tags for what is there.' })
}

/** The routes of the server, so that a wrong method can be told from a wrong path. */
class Routes {
  readonly #routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = []

  constructor(server: FastifyInstance) {
    server.addHook('onRoute', ({ url, method }) => {
      this.#routes.push({ pattern: patternOf(url), methods: [method].flat() })
    })
  }

  methodsOf(path: string): readonly string[] {
    return [...new Set(this.#routes.flatMap(({ pattern, methods }) => (pattern.test(path) ? methods : [])))]
  }
}

function patternOf(url: string): RegExp {
  const source = url.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(/:\w+/g, '[^/]+')
  return new RegExp(`^${source.replaceAll('*', '.*')}$`)
}

/** What Node ends on its own account, before any route is looked for. */
function answerOddRequests(server: Server): void {
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    const detail = `${request.method} cannot be done here: this is no proxy.`
    endWith(socket, requestProblem(405, { detail, remedy: 'Use GET or POST.' }))
  })
  server.on('checkExpectation', (_request, response) => {
    const problem = requestProblem(417, {
      detail: 'The expectation of the request is not known here.',
      remedy: 'Leave the header Expect away.',
    })
    const body = JSON.stringify(problem)
    response
      .writeHead(problem.status, { 'content-type': problemType, 'content-length': Buffer.byteLength(body), connection: 'close' })
      .end(body)
  })
}

/** What is no HTTP, or too much of it: there is no request yet that could be replied to. For Node's event `clientError`. */
export function answerClientError({ code = '' }: { readonly code?: string }, socket: Duplex): void {
  // An answer that has begun must not be broken into, and one that stands before this one not be mistaken for it.
  const isAnswering = '_httpMessage' in socket && socket._httpMessage !== null
  if (socket.destroyed || !socket.writable || isAnswering) socket.destroy()
  else endWith(socket, clientProblem(code))
}

function clientProblem(code: string): HttpProblem {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return requestProblem(431, { detail: 'Address and headers have more than 16 KiB together.', remedy: 'Send fewer or shorter headers.' })
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return requestProblem(408, { detail: 'The request did not arrive in time.', remedy: 'Send it in one go.' })
  }
  return requestProblem(400, { detail: 'This is no HTTP/1.1.', remedy: 'Check that the client speaks HTTP, without TLS, to this port.' })
}

function endWith(socket: Duplex, problem: HttpProblem): void {
  const body = JSON.stringify(problem)
  const head = `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\ncontent-type: ${problemType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`
  socket.on('error', () => {}) // it may be gone before it has read this
  socket.end(head + body, () => socket.destroy())
}
