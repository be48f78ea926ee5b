import {
  type ClientSecureChannelLayer,
  type ClientSession,
  type EndpointDescription,
  MessageSecurityMode,
  OPCUAClient,
  type OPCUAClientOptions,
  SecurityPolicy,
  setErrorLogger,
  setWarningLogger,
  type UserIdentityInfo,
  UserTokenType,
} from 'node-opcua-client'
import { Fault } from '../../base/fault.ts'
import type { Log } from '../../base/log.ts'
import { revealSecret } from '../../base/secret.ts'
import type { ConnectContext } from '../driver.ts'
import type { OpcuaConfig } from './config.ts'
import { cannotConnect, connectionLost, errorText } from './faults.ts'
import { applicationUri, checkPin, noIdentity, ownIdentity } from './identity.ts'

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
    await unlessAborted(this.#client.connect(this.url), signal)
    this.#session = await unlessAborted(this.#client.createSession(identityOf(this.#config)), signal)
    return this
  }

  async endpoints(signal: AbortSignal): Promise<readonly EndpointDescription[]> {
    await unlessAborted(this.#client.connect(this.url), signal)
    return await unlessAborted(this.#client.getEndpoints(), signal)
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

/** What the library needs to know about encryption; for all but None the server's certificate is asked for first. */
async function secureOptions(config: OpcuaConfig, context: ConnectContext): Promise<OPCUAClientOptions> {
  const { security, trust } = config.connection
  if (security === 'None') return { certificateKeyPairProvider: noIdentity() }
  const endpoint = chooseEndpoint(config, await askEndpoints(config, context.signal))
  if (endpoint.securityMode === MessageSecurityMode.None) return { certificateKeyPairProvider: noIdentity() }
  if (trust === 'first-seen') await checkPin(context.stateFolder, endpoint.serverCertificate, context.log)
  return {
    securityMode: endpoint.securityMode,
    securityPolicy: endpoint.securityPolicyUri ?? SecurityPolicy.Invalid,
    serverCertificate: endpoint.serverCertificate,
    certificateKeyPairProvider: await ownIdentity(context.stateFolder, context.clock),
  }
}

async function askEndpoints(config: OpcuaConfig, signal: AbortSignal): Promise<readonly EndpointDescription[]> {
  await using client = new OneShotClient(config, { certificateKeyPairProvider: noIdentity() })
  return await client.endpoints(signal)
}

const policiesByStrength = ['Aes256_Sha256_RsaPss', 'Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'None']
const modesByStrength = [MessageSecurityMode.SignAndEncrypt, MessageSecurityMode.Sign, MessageSecurityMode.None]

function chooseEndpoint(config: OpcuaConfig, endpoints: readonly EndpointDescription[]): EndpointDescription {
  const { security, password, url } = config.connection
  const [policyName, modeName] = security.split('/')
  const known = endpoints.filter((endpoint) => strengthOf(endpoint) >= 0)
  const wanted = known.filter(
    (endpoint) => security === 'auto' || (policyOf(endpoint) === policyName && MessageSecurityMode[endpoint.securityMode] === modeName),
  )
  const [best] = wanted.toSorted((one, other) => strengthOf(one) - strengthOf(other))
  if (best === undefined) throw noSuchEndpoint(config, known)
  if (best.securityMode === MessageSecurityMode.None && password !== undefined) throw passwordInClear(url)
  return best
}

/** 0 is the strongest; -1 what we do not speak, or consider broken. */
function strengthOf(endpoint: EndpointDescription): number {
  const policy = policiesByStrength.indexOf(policyOf(endpoint))
  const mode = modesByStrength.indexOf(endpoint.securityMode)
  return policy < 0 || mode < 0 ? -1 : mode * policiesByStrength.length + policy
}

function policyOf(endpoint: EndpointDescription): string {
  return endpoint.securityPolicyUri?.split('#')[1] ?? ''
}

function noSuchEndpoint({ connection }: OpcuaConfig, known: readonly EndpointDescription[]): Fault {
  const offers = known.map((endpoint) => `${policyOf(endpoint)}/${MessageSecurityMode[endpoint.securityMode]}`)
  const list = [...new Set(offers)].join(', ').replace('None/None', 'None') || 'nothing that Lineside speaks'
  return new Fault('opcua.no-such-endpoint', `${connection.url} does not offer ${connection.security}; it offers ${list}.`, {
    remedy: 'Set connection.security to one of them, or to auto.',
  })
}

function passwordInClear(url: string): Fault {
  return new Fault('opcua.password-in-clear', `${url} offers no encryption, and there is a password to send.`, {
    remedy: 'Let the server offer Basic256Sha256; or, if the network is your own, set connection.security to None.',
  })
}

function identityOf({ connection }: OpcuaConfig): UserIdentityInfo {
  if (connection.user === undefined) return { type: UserTokenType.Anonymous }
  const password = connection.password === undefined ? '' : revealSecret(connection.password)
  return { type: UserTokenType.UserName, userName: connection.user, password }
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
