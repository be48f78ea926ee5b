import { hostname } from 'node:os'
import { setErrorLogger, setWarningLogger } from 'node-opcua-debug'
import { OPCUAServer, type OPCUAServerOptions } from 'node-opcua-server'
import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import type { Running } from '../../base/running.ts'
import type { CommandRoad, LiveTags } from '../../control/contract.ts'
import type { CommandStatus } from '../../model/command.ts'
import type { ChangeBatch, Sample } from '../../model/sample.ts'
import { asTagIndex, type TagIndex } from '../../model/tag.ts'
import { type AddressSpace, buildTree, mendSamplingIntervals, type TagVariable } from './address-space.ts'
import { anyApplication, noCertificateUsers, ownCertificate, type ServerCertificate } from './certificates.ts'
import type { OpcuaServerConfig } from './config.ts'
import { keepEndpoints, modesOf, policiesOf } from './endpoints.ts'
import { clampRequest, limits } from './limits.ts'
import { addFlowMethods, type FlowMethodsOptions } from './methods.ts'
import { guardReading } from './reads.ts'
import { type OpcuaAccess, Sessions } from './sessions.ts'
import { dateOf, statusOf, variantOf } from './values.ts'
import { bindWrites } from './writes.ts'

export interface OpcuaServerParts {
  readonly config: OpcuaServerConfig
  /** ISA-95 path: the levels above the devices. */
  readonly site: string
  readonly node: string
  readonly tags: LiveTags
  readonly commands: CommandRoad
  /** Those that may be started from outside are methods. */
  readonly flows?: Pick<FlowMethodsOptions, 'flows' | 'start'>
  /** Absent: nobody has a user, and `config.anonymous` says who may come without one. */
  readonly access?: OpcuaAccess
  readonly clock: Clock
  readonly log: Log
  /** A folder of this server's own that outlives restarts. */
  readonly stateFolder: string
}

export interface OpcuaServer extends Running {
  /** As opened, also where the config says 0. */
  readonly port: number
  metrics(): readonly Metric[]
}

/** Shows every tag of the site at `opc.tcp://HOST:PORT/lineside`. Rejects with `opcua-server.port` where the port is taken. */
export async function startOpcuaServer(parts: OpcuaServerParts): Promise<OpcuaServer> {
  quietLibrary(parts.log)
  const applicationUri = `urn:lineside:${parts.node}` // also the URI of namespace 1, where every tag lives (OPC 10000-5, 6.3.1)
  const host = advertisedHost(parts.config)
  const certificate = await ownCertificate(parts.stateFolder, { applicationUri, host }, parts.clock)
  const sessions = new Sessions({ config: parts.config, site: parts.site, access: parts.access, node: parts.node })
  const server = new OPCUAServer(libraryOptions(parts, { applicationUri, host, certificate, sessions }))
  const running = new LiveServer(server, sessions, parts)
  await running.open()
  return running
}

class LiveServer implements OpcuaServer {
  readonly failure: Promise<never> = new Promise<never>(() => {}) // the library has no such event; its thread ends instead
  readonly #server: OPCUAServer
  readonly #sessions: Sessions
  readonly #parts: OpcuaServerParts
  readonly #writes: Record<CommandStatus, number> = { done: 0, refused: 0, failed: 0, unknown: 0 }
  /** Tags that changed while nobody looked. Bounded by the number of tags. */
  readonly #unseen = new Set<TagIndex>()
  #variables: readonly TagVariable[] = []
  #changes: Disposable | undefined
  #revoking: Disposable | undefined

  constructor(server: OPCUAServer, sessions: Sessions, parts: OpcuaServerParts) {
    this.#server = server
    this.#sessions = sessions
    this.#parts = parts
  }

  get port(): number {
    return this.#server.endpoints[0]?.port ?? this.#parts.config.port
  }

  async open(): Promise<void> {
    const { config, log, tags } = this.#parts
    try {
      await this.#server.initialize()
      this.#build(addressSpaceOf(this.#server))
      this.#sessions.guard(this.#server)
      this.#revoking = this.#sessions.follow(this.#server)
      keepEndpoints(this.#server, config.security)
      this.#server.on('request', (request: object) => this.#onRequest(request))
      this.#changes = tags.onChanges((batch) => this.#onChanges(batch))
      await this.#server.start()
    } catch (error) {
      await this[Symbol.asyncDispose]().catch(() => {})
      throw cannotStart(config, error)
    }
    log.info('The OPC UA server is open.', { host: config.host, port: this.port, tags: tags.metas.length })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#changes?.[Symbol.dispose]()
    this.#revoking?.[Symbol.dispose]()
    await this.#server.shutdown(limits.shutdownMs)
  }

  metrics(): readonly Metric[] {
    const gauge = (name: string, help: string, value: number): Metric => ({ name, help, type: 'gauge', value })
    return [
      gauge('lineside_opcua_server_sessions', 'Sessions of OPC UA clients.', this.#server.currentSessionCount),
      gauge('lineside_opcua_server_subscriptions', 'Subscriptions of OPC UA clients.', this.#server.currentSubscriptionCount),
      {
        name: 'lineside_opcua_server_refused_total',
        help: 'Sessions that were not let in.',
        type: 'counter',
        value: this.#sessions.refused,
      },
      ...Object.entries(this.#writes).map(
        ([status, value]): Metric => ({
          name: 'lineside_opcua_server_writes_total',
          help: 'Writes of OPC UA clients by how they ended.',
          type: 'counter',
          value,
          labels: { status },
        }),
      ),
    ]
  }

  #build(addressSpace: AddressSpace): void {
    const { tags, site, commands, log, flows } = this.#parts
    this.#variables = buildTree(addressSpace, site, tags.metas)
    if (flows !== undefined)
      addFlowMethods(addressSpace, { ...flows, site, log, starterOf: (session, flow) => this.#sessions.starterOf(session, flow) })
    guardReading(this.#variables, (session, tag) => this.#sessions.mayRead(session, tag))
    for (const [place, variable] of this.#variables.entries()) {
      const meta = tags.metas[place]
      if (meta?.write !== undefined) {
        const askerOf = (session: object | undefined, tag: string) => this.#sessions.askerOf(session, tag)
        bindWrites(variable, meta, {
          ...{ commands, log, askerOf },
          whoIs: (session) => this.#sessions.whoIs(session),
          onResult: (status) => this.#count(status),
        })
      }
      this.#show(asTagIndex(place))
    }
    mendSamplingIntervals(addressSpace)
  }

  #count(status: CommandStatus): void {
    this.#writes[status] += 1
  }

  /** Called before the library handles the request. */
  #onRequest(request: object): void {
    clampRequest(request as Parameters<typeof clampRequest>[0])
    for (const tag of this.#unseen) this.#show(tag)
    this.#unseen.clear()
  }

  /** A change costs nothing until somebody subscribes or asks: most gateways have no OPC UA client most of the time. */
  #onChanges(batch: ChangeBatch): void {
    const isWatched = this.#server.currentSubscriptionCount > 0
    for (const { tag } of batch) {
      if (isWatched) this.#show(tag)
      else this.#unseen.add(tag)
    }
  }

  #show(tag: TagIndex): void {
    const { tags } = this.#parts
    const variable = this.#variables[tag]
    const meta = tags.metas[tag]
    const sample = tags.current(tag) ?? neverHeard
    if (variable === undefined || meta === undefined) return
    const value = variantOf(sample.value, meta.type)
    const isLost = sample.value !== null && value.dataType === 0
    const status = isLost ? statusOf({ ...sample, quality: 'bad', status: badTypeMismatch }) : statusOf(sample)
    try {
      variable.setValueFromSource(value, status, dateOf(sample.sourceMs))
    } catch (error) {
      this.#parts.log.debug('A value does not fit its OPC UA variable.', { tag: meta.id, ...errorFields(error) })
    }
  }
}

const badTypeMismatch = 0x8074_0000
const badWaitingForInitialData = 0x8032_0000
const neverHeard: Pick<Sample, 'value' | 'quality' | 'status' | 'sourceMs'> & Sample = {
  value: null,
  quality: 'bad',
  status: badWaitingForInitialData,
  sourceMs: 0 as Sample['sourceMs'],
  receivedMs: 0 as Sample['receivedMs'],
}

interface Identity {
  readonly applicationUri: string
  readonly host: string
  readonly certificate: ServerCertificate
  readonly sessions: Sessions
}

function libraryOptions({ config, node }: OpcuaServerParts, { applicationUri, host, certificate, sessions }: Identity): OPCUAServerOptions {
  const options = {
    port: config.port,
    host: config.host,
    hostname: host,
    resourcePath: '/lineside',
    allowAnonymous: config.anonymous !== undefined,
    securityModes: modesOf(config.security),
    securityPolicies: policiesOf(config.security),
    maxConnectionsPerEndpoint: limits.connections,
    serverInfo: { applicationUri, productUri: 'urn:lineside', applicationName: { text: `Lineside ${node}` } },
    buildInfo: { productName: 'Lineside', productUri: 'urn:lineside', manufacturerName: 'Lineside' },
    isAuditing: false,
    ...certificate,
    serverCertificateManager: anyApplication(),
    userCertificateManager: noCertificateUsers(),
    userManager: userManager(sessions),
    serverCapabilities: serverCapabilities(),
  }
  return options as unknown as OPCUAServerOptions // the stores are smaller than the library's own, which is all it needs
}

function userManager(sessions: Sessions): object {
  return {
    isValidUserAsync(this: object, user: string, password: string, callback: (error: null, isValid: boolean) => void): void {
      sessions.isValidUser(this, user, password).then((isValid) => callback(null, isValid))
    },
  }
}

function serverCapabilities(): OPCUAServerOptions['serverCapabilities'] {
  return {
    maxSessions: limits.sessions,
    maxSubscriptions: limits.subscriptions,
    maxSubscriptionsPerSession: limits.subscriptionsPerSession,
    maxMonitoredItems: limits.monitoredItems,
    maxMonitoredItemsPerSubscription: limits.monitoredItemsPerSubscription,
    maxMonitoredItemsQueueSize: limits.queue,
    maxBrowseContinuationPoints: limits.browseContinuationPoints,
    maxArrayLength: limits.arrayLength,
    maxStringLength: limits.stringLength,
    maxByteStringLength: limits.stringLength,
    minSupportedSampleRate: limits.samplingMsMin,
    operationLimits: {
      maxNodesPerRead: limits.nodesPerCall,
      maxNodesPerBrowse: limits.nodesPerCall,
      maxNodesPerWrite: limits.nodesPerWrite,
      maxNodesPerMethodCall: limits.nodesPerWrite,
      maxNodesPerRegisterNodes: limits.nodesPerCall,
      maxMonitoredItemsPerCall: limits.nodesPerCall,
      maxNodesPerTranslateBrowsePathsToNodeIds: limits.nodesPerCall,
    },
  }
}

/** What stands in the endpoints' URLs: an address that means "every interface" is none that a client could dial. */
function advertisedHost({ host }: OpcuaServerConfig): string {
  return host === '0.0.0.0' || host === '::' ? hostname() : host
}

function addressSpaceOf(server: OPCUAServer): AddressSpace {
  const { addressSpace } = server.engine
  if (addressSpace === null) throw new Error('the OPC UA server has no address space')
  return addressSpace
}

function cannotStart({ host, port }: OpcuaServerConfig, error: unknown): Error {
  const text = error instanceof Error ? error.message : String(error)
  if (!/EADDRINUSE|EADDRNOTAVAIL|EACCES/.test(text)) return error instanceof Error ? error : new Error(text)
  return new Fault('opcua-server.port', `The OPC UA server cannot listen on ${host}:${port}: ${text.slice(0, 200)}`, {
    remedy: 'Stop what has the port, or set opcua.port and opcua.host in lineside.yaml to what is free here.',
    isRetryable: true,
    cause: error,
  })
}

const libraryTextMax = 300

/** The library writes to the console unless told otherwise; what it says is for those who look closely. */
function quietLibrary(log: Log): void {
  const tell = (...parts: readonly unknown[]): void => {
    log.debug('The OPC UA server library says something.', { text: parts.map(String).join(' ').slice(0, libraryTextMax) })
  }
  setWarningLogger(tell)
  setErrorLogger(tell)
}
