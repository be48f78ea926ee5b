import type { Socket } from 'node:net'
import fastify, { type FastifyInstance } from 'fastify'
import { type Clock, isoTime } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import { type Metric, prometheusText } from '../../base/metric.ts'
import type { Running } from '../../base/running.ts'
import type { Health } from '../../base/thread.ts'
import type { BatchRoad, LiveTags } from '../../control/contract.ts'
import type { DeviceStatus } from '../../model/device.ts'
import { asTagId } from '../../model/tag.ts'
import { type ApiAccess, askerOf } from './asker.ts'
import type { ApiConfig } from './config.ts'
import { answerErrors, errorOptions } from './errors.ts'
import { LiveStreams } from './live-streams.ts'
import { type PrivateSocket, startPrivateSocket } from './private-socket.ts'
import { plainQuery } from './query.ts'
import { tagDetail, tagRows } from './tags.ts'

export interface ApiOptions {
  readonly config: ApiConfig
  readonly tags: LiveTags
  readonly devices: () => readonly DeviceStatus[]
  readonly health: () => Promise<Health>
  readonly metrics: () => Promise<readonly Metric[]>
  /** Each upstream with its connection and its books. */
  readonly upstreams: () => Promise<readonly Readonly<Record<string, unknown>>[]>
  readonly commands: BatchRoad
  readonly access: ApiAccess
  /** Of the Unix socket for the gateway's own machine. */
  readonly socketPath: string
  /** Takes over who wants to speak MQTT on it. */
  readonly onMqtt?: (socket: Socket) => void
  readonly clock: Clock
  readonly log: Log
}

export interface Api extends Running {
  readonly port: number
  metrics(): readonly Metric[]
}

const requestTimeoutMs = 10_000
const bodyBytesMax = 64 * 1024

/** Requests are checked by zod: fastify's own validator and serializer are 120 files that nothing here would call. */
const noCompiler = () => () => {
  throw new Error('a route brought a JSON schema, which nothing compiles here')
}

/** Starts the HTTP API; ready when it listens. */
export async function startApi(options: ApiOptions): Promise<Api> {
  const { config } = options
  const server = fastify({
    logger: false,
    bodyLimit: bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 500 },
    ...errorOptions,
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
  })
  const streams = new LiveStreams({ tags: options.tags, clock: options.clock })
  server.addHook('onSend', async (_request, reply) => {
    reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
  })
  answerErrors(server)
  routeHealth(server, options)
  routeTags(server, options.tags)
  server.get('/api/v1/devices', () => ({ items: options.devices().map(deviceRow) }))
  server.get('/api/v1/upstreams', async () => ({ items: await options.upstreams() }))
  server.get('/api/v1/tags/live', (request, reply) => {
    const { filter } = plainQuery(request.query, ['filter']) // may throw, so before the reply is taken over
    reply.hijack()
    streams.open({ response: reply.raw, filter })
  })
  let local: PrivateSocket | undefined
  routeWrites(server, options, (socket) => local?.has(socket) ?? false)
  await listen(server, config)
  local = await openSocket(server, options)
  const failed = Promise.withResolvers<never>()
  server.server.on('error', failed.reject)
  const address = server.server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : config.port,
    failure: failed.promise,
    metrics: () => streams.metrics(),
    [Symbol.asyncDispose]: async () => {
      streams[Symbol.dispose]()
      await local?.[Symbol.asyncDispose]()
      await server.close()
    },
  }
}

/** Without it the gateway does all it has to, and the command line says why it cannot come in. */
async function openSocket(server: FastifyInstance, { socketPath, onMqtt, log }: ApiOptions): Promise<PrivateSocket | undefined> {
  try {
    return await startPrivateSocket(socketPath, (request, response) => server.routing(request, response), { onMqtt })
  } catch (error) {
    log.warn('There is no private socket: the command line needs --url.', errorFields(error))
    return undefined
  }
}

async function listen(server: FastifyInstance, { host, port }: ApiConfig): Promise<void> {
  try {
    await server.listen({ host, port })
  } catch (cause) {
    throw new Fault('api.cannot-listen', `The HTTP API cannot listen on ${host}:${port}.`, {
      remedy: 'End what uses this port (`ss -ltnp` names it), or set `api: { port, host }` in lineside.yaml.',
      cause,
    })
  }
}

function routeHealth(server: FastifyInstance, options: ApiOptions): void {
  server.get('/health/live', () => ({ status: 'live' }))
  server.get('/health/ready', async (_request, reply) => {
    const health = await options.health()
    reply.code(health.isReady ? 200 : 503)
    return { status: health.isReady ? 'ready' : 'starting', rooms: health.rooms, devices: options.devices().map(deviceRow) }
  })
  server.get('/metrics', async (_request, reply) => {
    reply.type('text/plain; version=0.0.4; charset=utf-8')
    return prometheusText(await options.metrics())
  })
}

function deviceRow({ sinceMs, ...status }: DeviceStatus): Readonly<Record<string, unknown>> {
  return { ...status, since: isoTime(sinceMs) }
}

function routeTags(server: FastifyInstance, tags: LiveTags): void {
  server.get('/api/v1/tags', (request) => tagRows(tags, plainQuery(request.query, ['filter', 'cursor', 'limit'])))
  server.get('/api/v1/tags/*', (request) => {
    const { '*': id = '' } = request.params as { readonly '*'?: string }
    return tagDetail(tags, asTagId(id))
  })
}

/** In a scope of its own: here a body is read as it came, for numbers beyond 2^53 must arrive as they are. */
function routeWrites(server: FastifyInstance, options: ApiOptions, isPrivate: (socket: object) => boolean): void {
  const { tags, commands, access } = options
  server.register(async (scope) => {
    scope.removeAllContentTypeParsers() // a page of another site may send text without asking first, but no JSON
    scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    scope.post<{ Body: Buffer }>('/api/v1/writes', async (request) => {
      const by = await askerOf(request, { access, isPrivate })
      const { answerWrites } = await import('./writes.ts')
      return await answerWrites({ body: request.body ?? Buffer.alloc(0), by, tags, commands })
    })
  })
}
