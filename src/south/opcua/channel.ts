import {
  type ClientSecureChannelLayer,
  type ClientSession,
  DataTypeExtractStrategy,
  type EndpointDescription,
  MessageSecurityMode,
  OPCUAClient,
  type OPCUAClientOptions,
  SecurityPolicy,
  setErrorLogger,
  setWarningLogger,
} from 'node-opcua-client'
import type { Fault } from '../../base/fault.ts'
import type { Log } from '../../base/log.ts'
import type { ConnectContext } from '../driver.ts'
import type { OpcuaConfig } from './config.ts'
import { chooseEndpoint } from './endpoint.ts'
import { cannotConnect, connectionLost, errorText } from './faults.ts'
import { unlessNotOpcua } from './greeting.ts'
import { applicationUri, noIdentity, ownIdentity } from './identity.ts'
import { checkPin, lookAt } from './trust.ts'
import { userOf } from './user.ts'

/** A session that is never repaired: who owns it makes another one. */
export interface Channel extends AsyncDisposable {
  readonly session: ClientSession
  readonly url: string
  /** Told once, as soon as the library knows; not when we close it ourselves. */
  onLost(listener: (fault: Fault) => void): void
  /** The server does not answer any more: there will be no goodbye. */
  giveUp(): void
}

/** A polite goodbye may take this long; then the socket is torn down. */
const goodbyeTimeoutMs = 500
const sessionTimeoutMsMin = 15_000
/** A socket that is silent for this long is closed, whatever state it is in. The watchdog sees to it that a live one never is. */
const transportTimeoutMsMin = 10_000
/** No server sends more than this in one message without meaning harm. */
const messageBytesMax = 64 * 1024 * 1024

export async function openChannel(config: OpcuaConfig, context: ConnectContext): Promise<Channel> {
  quietLibrary(context.log)
  const { url } = config.connection
  try {
    context.signal.throwIfAborted()
    const options = await secureOptions(config, context)
    const client = new OneShotClient(config, options)
    try {
      return await client.open(context)
    } catch (error) {
      await client[Symbol.asyncDispose]()
      throw error
    }
  } catch (error) {
    throw context.signal.aborted ? context.signal.reason : cannotConnect(url, error)
  }
}

class OneShotClient implements Channel {
  readonly url: string
  readonly #config: OpcuaConfig
  readonly #client: OPCUAClient
  readonly #channels: ClientSecureChannelLayer[] = []
  #session: ClientSession | undefined
  #isLost = false
  #isClosing = false

  constructor(config: OpcuaConfig, options: OPCUAClientOptions) {
    this.#config = config
    this.url = config.connection.url
    this.#client = OPCUAClient.create({
      applicationName: 'Lineside',
      applicationUri,
      clientName: 'Lineside',
      endpointMustExist: false, // servers advertise names that only they can resolve
      requestedSessionTimeout: Math.max(sessionTimeoutMsMin, config.opcua.keepalive * 10),
      connectionStrategy: { maxRetry: 0 },
      transportSettings: { maxMessageSize: messageBytesMax },
      transportTimeout: Math.max(transportTimeoutMsMin, config.opcua.keepalive * 4),
      defaultTransactionTimeout: config.connection.timeout,
      dataTypeExtractStrategy: DataTypeExtractStrategy.Lazy, // asks for the types of structures that are met, not for all the server has
      ...options,
    })
    if (options.securityMode === undefined) skipCertificates(this.#client)
    this.#client.on('secure_channel_created', (channel: ClientSecureChannelLayer) => this.#channels.push(channel))
  }

  get session(): ClientSession {
    if (this.#session === undefined) throw new Error('there is no session yet')
    return this.#session
  }

  async open(context: ConnectContext): Promise<Channel> {
    const { signal } = context
    await this.#connect(context)
    this.#session = await unlessAborted(this.#client.createSession(await userOf(this.#config)), signal)
    return this
  }

  async endpoints(context: ConnectContext): Promise<readonly EndpointDescription[]> {
    await this.#connect(context)
    return await unlessAborted(this.#client.getEndpoints(), context.signal)
  }

  async #connect(context: ConnectContext): Promise<void> {
    await unlessNotOpcua(unlessAborted(this.#client.connect(this.url), context.signal), this.url, context)
  }

  onLost(listener: (fault: Fault) => void): void {
    const lost = (why: string): void => {
      if (this.#isLost || this.#isClosing) return
      this.#isLost = true
      listener(connectionLost(this.url, why))
    }
    this.#client.on('connection_lost', () => lost('the server closed it, or died'))
    this.#client.on('close', () => lost('the server closed it, or died'))
    this.#session?.on('session_closed', (status) => lost(`the server ended the session (${errorText(status)})`))
  }

  giveUp(): void {
    this.#isLost = true
  }

  /** Ends within `goodbyeTimeoutMs` and a little, whether the server answers or hangs. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    const goodbye = this.#client.disconnect().catch(() => {})
    if (!this.#isLost) await unlessAborted(goodbye, AbortSignal.timeout(goodbyeTimeoutMs)).catch(() => {})
    for (const channel of this.#channels) channel.dispose()
    // A channel torn down settles what still waited on it; the library's own books are closed in its own time.
  }
}

/** What the library needs to know about encryption; the server's certificate is asked for first, unless nothing depends on it. */
async function secureOptions(config: OpcuaConfig, context: ConnectContext): Promise<OPCUAClientOptions> {
  const { security, password, clearPassword } = config.connection
  if (security === 'None' && (password === undefined || clearPassword)) return { certificateKeyPairProvider: noIdentity() }
  const endpoint = chooseEndpoint(config, await askEndpoints(config, context))
  if (endpoint.securityMode === MessageSecurityMode.None) return { certificateKeyPairProvider: noIdentity() }
  await checkServer(config, endpoint.serverCertificate, context)
  return {
    securityMode: endpoint.securityMode,
    securityPolicy: endpoint.securityPolicyUri ?? SecurityPolicy.Invalid,
    serverCertificate: endpoint.serverCertificate,
    certificateKeyPairProvider: await ownIdentity(context),
  }
}

/** Each device is warned of once, not at each of its connections. */
const warnedOfDate = new WeakSet<object>()

/**
 * The pinned key is what makes the server the right one. That its certificate has meanwhile ended is said, and stops no line: nobody renews the
 * certificate of a PLC on time.
 */
async function checkServer(
  config: OpcuaConfig,
  certificate: Buffer,
  { stateFolder, clock, log, trustedAs }: ConnectContext,
): Promise<void> {
  const seen = lookAt(certificate)
  const now = clock.now()
  if (config.connection.trust === 'first-seen' && (await checkPin(stateFolder, seen, { now, trustedAs })) === 'first') {
    log.info('Trusts the certificate that the OPC UA server showed first.', { sha256: seen.fingerprint, subject: seen.subject })
  }
  if ((now <= seen.notAfterMs && now >= seen.notBeforeMs) || warnedOfDate.has(config)) return
  warnedOfDate.add(config)
  log.warn('The certificate of the OPC UA server is not valid by our clock; it is used nevertheless.', { sha256: seen.fingerprint })
}

async function askEndpoints(config: OpcuaConfig, context: ConnectContext): Promise<readonly EndpointDescription[]> {
  await using client = new OneShotClient(config, { certificateKeyPairProvider: noIdentity() })
  return await client.endpoints(context)
}

/** Without encryption the library would still demand a certificate and check its key. */
function skipCertificates(client: OPCUAClient): void {
  Object.assign(client, { initializeCM: async () => {} })
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  promise.catch(() => {}) // it may fail long after nobody waits for it any more
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

const libraryTextMax = 300

/** The library writes to the console unless told otherwise; what it says is for those who look closely. */
function quietLibrary(log: Log): void {
  const tell = (...parts: readonly unknown[]): void => {
    const text = parts.map(String).join(' ')
    log.debug('The OPC UA client library says something.', { text: text.slice(0, libraryTextMax) })
  }
  setWarningLogger(tell)
  setErrorLogger(tell)
}
