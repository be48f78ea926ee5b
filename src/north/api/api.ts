import type { Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { type Clock, isoTime } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import { type Metric, prometheusText } from '../../base/metric.ts'
import type { Running } from '../../base/running.ts'
import type { Health } from '../../base/thread.ts'
import type { BatchRoad, LiveTags } from '../../control/contract.ts'
import type { DeviceStatus } from '../../model/device.ts'
import { asTagId } from '../../model/tag.ts'
import type { ApiConfig } from './config.ts'
import { answerErrors, errorOptions } from './errors.ts'
import { answerDeadOrder, type JournalPort, routeEvents } from './events.ts'
import { routeFlows } from './flow-routes.ts'
import type { FlowPort } from './flows.ts'
import { LiveStreams } from './live-streams.ts'
import { type PrivateSocket, startPrivateSocket } from './private-socket.ts'
import { plainQuery } from './query.ts'
import { tagDetail, tagRows } from './tags.ts'
import { type ApiAccess, type Intent, type Visitor, visitorOf } from './visitor.ts'

export interface ApiOptions {
  readonly journal: JournalPort
  readonly config: ApiConfig
  /** The roots of the topics by which the access list knows what is told here. */
  readonly site: string
  readonly node: string
  readonly tags: LiveTags
  readonly devices: () => readonly DeviceStatus[]
  readonly health: () => Promise<Health>
  readonly metrics: () => Promise<readonly Metric[]>
  /** Each upstream with its connection and its books. */
  readonly upstreams: () => Promise<readonly Readonly<Record<string, unknown>>[]>
  readonly commands: BatchRoad
  readonly flows: FlowPort
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
  const { config, access } = options
  const isOpenToRead = config.anonymous === undefined
  const server = fastify({
    logger: false,
    bodyLimit: bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 500 },
    ...errorOptions,
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
  })
  const streams = new LiveStreams(options)
  const changing = access.onChange(() => streams.dropRevoked())
  server.addHook('onSend', async (_request, reply) => {
    reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
  })
  answerErrors(server)
  let local: PrivateSocket | undefined
  const visit: Visit = (request, intent) =>
    visitorOf(request, intent, { access, isPrivate: (socket) => local?.has(socket) ?? false, isOpenToRead })
  routeHealth(server, options, visit)
  server.register(async (scope) => {
    const visitors = guard(scope, visit)
    routeStates(scope, options, visitors)
    routeTags(scope, options, visitors)
    scope.get('/api/v1/tags/live', (request, reply) => {
      const { filter } = plainQuery(request.query, ['filter']) // may throw, so before the reply is taken over
      reply.hijack()
      streams.open({ response: reply.raw, filter, visitor: visitors(request) })
    })
  })
  routeChanges(server, options, visit)
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
      changing[Symbol.dispose]()
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

type Visit = (request: FastifyRequest, intent: Intent) => Promise<Visitor>
type Visitors = (request: FastifyRequest) => Visitor

/** Nobody gets as far as a route of this scope who may not read here. */
function guard(scope: FastifyInstance, visit: Visit): Visitors {
  const visitors = new WeakMap<FastifyRequest, Visitor>()
  scope.addHook('onRequest', async (request) => {
    visitors.set(request, await visit(request, 'read'))
  })
  return (request) => {
    const visitor = visitors.get(request)
    if (visitor === undefined) throw new Error(`nobody has looked at who asks for ${request.url}`)
    return visitor
  }
}

/** Whoever watches over the process has no password; what the devices do is for those who may read. */
function routeHealth(server: FastifyInstance, options: ApiOptions, visit: Visit): void {
  server.get('/health/live', () => ({ status: 'live' }))
  server.get('/health/ready', async (request, reply) => {
    const visitor = await visit(request, 'read').catch((error: unknown) => {
      if (error instanceof Fault) return undefined
      throw error
    })
    const health = await options.health()
    reply.code(health.isReady ? 200 : 503)
    const devices = visitor === undefined ? {} : { devices: deviceRows(options, visitor) }
    return { ...readiness(health, visitor === undefined ? 'stranger' : 'visitor'), ...devices }
  })
}

function readiness({ isReady, rooms }: Health, asker: 'stranger' | 'visitor'): object {
  const isStarting = Object.values(rooms).some(({ state }) => state !== 'up')
  const shown = Object.entries(rooms).map(([name, { fault, ...room }]) => {
    if (fault === undefined) return [name, room]
    const { code, message, remedy } = fault
    return [name, { ...room, fault: asker === 'stranger' ? { code } : { code, message, remedy } }]
  })
  return { status: isReady ? 'ready' : isStarting ? 'starting' : 'failing', rooms: Object.fromEntries(shown) }
}

function routeStates(scope: FastifyInstance, options: ApiOptions, visitors: Visitors): void {
  const own = `lineside/${options.node}`
  scope.get('/metrics', async (request, reply) => {
    if (!visitors(request).mayRead(`${own}/metrics`)) throw notToRead('the metrics', `${own}/metrics`)
    reply.type('text/plain; version=0.0.4; charset=utf-8')
    return prometheusText(await options.metrics())
  })
  scope.get('/api/v1/devices', (request) => ({ items: deviceRows(options, visitors(request)) }))
  scope.get('/api/v1/upstreams', async (request) => {
    const rows = await options.upstreams()
    return { items: rows.filter(({ upstream }) => visitors(request).mayRead(`${own}/upstream/${upstream}`)) }
  })
  routeEvents(scope, options, visitors)
}

function deviceRows({ devices, node }: ApiOptions, visitor: Visitor): readonly unknown[] {
  return devices()
    .filter(({ device }) => visitor.mayRead(`lineside/${node}/devices/${device}`))
    .map(({ sinceMs, ...status }) => ({ ...status, since: isoTime(sinceMs) }))
}

function routeTags(scope: FastifyInstance, { tags, site }: ApiOptions, visitors: Visitors): void {
  scope.get('/api/v1/tags', (request) => {
    const { seesAll, mayRead } = visitors(request)
    const query = plainQuery(request.query, ['filter', 'cursor', 'limit'])
    return tagRows(tags, query, seesAll ? undefined : (id) => mayRead(`${site}/${id}`))
  })
  scope.get('/api/v1/tags/*', (request) => {
    const { '*': id = '' } = request.params as { readonly '*'?: string }
    if (!visitors(request).mayRead(`${site}/${id}`)) throw notToRead(id.slice(0, 200), `${site}/${id}`.slice(0, 300))
    return tagDetail(tags, asTagId(id))
  })
}

function notToRead(what: string, topic: string): Fault {
  return new Fault('access.read', `This user may not read ${what}.`, {
    remedy: `Ask an admin for a rule that covers ${topic}: \`lineside user list\` shows what each may read.`,
  })
}

function routeChanges(server: FastifyInstance, options: ApiOptions, visit: Visit): void {
  routeWrites(server, options, visit)
  routeFlows(server, { ...options, visit })
}

/** In a scope of its own: here a body is read as it came, for numbers beyond 2^53 must arrive as they are. */
function routeWrites(server: FastifyInstance, { tags, commands, site, journal }: ApiOptions, visit: Visit): void {
  server.register(async (scope) => {
    scope.removeAllContentTypeParsers() // a page of another site may send text without asking first, but no JSON
    scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    scope.post<{ Body: Buffer }>('/api/v1/writes', async (request) => {
      const { by, mayWrite } = await visit(request, 'change')
      const { answerWrites } = await import('./writes.ts')
      return await answerWrites({
        body: request.body ?? Buffer.alloc(0),
        by,
        mayWrite: (id) => mayWrite(`${site}/${id}/set`),
        tags,
        commands,
      })
    })
    scope.post<{ Body: Buffer }>('/api/v1/events/dead', async (request) => {
      const { by } = await visit(request, 'change')
      return await answerDeadOrder(request.body ?? Buffer.alloc(0), { by, journal })
    })
  })
}
